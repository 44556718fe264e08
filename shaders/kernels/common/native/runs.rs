//! Neighbouring output pixels.

/// `len` pixels of one row from (y, x) on, which are the columns `at..at + len` of a panel.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub y: usize,
    pub x: usize,
    pub len: usize,
    pub at: usize,
}

/// Splits the pixels `first..first + count` (row by row, rows of `width`) into runs.
pub fn runs(first: usize, count: usize, width: usize) -> impl Iterator<Item = Run> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == count {
            return None;
        }
        let (y, x) = ((first + at) / width, (first + at) % width);
        let run = Run {
            y,
            x,
            len: (width - x).min(count - at),
            at,
        };
        at += run.len;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_pixels_in_order() {
        let got: Vec<_> = runs(5, 9, 4).map(|r| (r.y, r.x, r.len, r.at)).collect();
        assert_eq!(got, [(1, 1, 3, 0), (2, 0, 4, 3), (3, 0, 2, 7)]);
        assert_eq!(runs(3, 0, 4).count(), 0);
    }
}
