//! Connected parts of a mask, as stretches of rows, and sets that are joined one by one.

use std::ops::Range;

use crate::{Mask, Rect};

/// Sets of numbers `0..len`, joined one by one; each is known by its least member.
#[derive(Debug, Clone, Default)]
pub struct Sets {
    /// Another member of the same set, never a larger one; a set's least points at itself.
    lower: Vec<u32>,
}

impl Sets {
    /// `len` sets of one member each.
    pub fn new(len: usize) -> Sets {
        Sets {
            lower: (0..len as u32).collect(),
        }
    }

    /// The least member of the set that `at` is in.
    pub fn least(&mut self, at: usize) -> usize {
        let mut at = at as u32;
        while self.lower[at as usize] != at {
            // Every step halves the way for those who come later.
            let lower = self.lower[at as usize];
            self.lower[at as usize] = self.lower[lower as usize];
            at = self.lower[at as usize];
        }
        at as usize
    }

    /// Makes one set of those that `a` and `b` are in.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.least(a), self.least(b));
        self.lower[a.max(b)] = a.min(b) as u32;
    }
}

/// A stretch of pixels in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Row.
    pub y: u32,
    /// First column.
    pub x0: u32,
    /// Column behind the last.
    pub x1: u32,
}

impl Run {
    /// Pixels in it.
    pub fn pixels(&self) -> usize {
        (self.x1 - self.x0) as usize
    }

    /// Where its pixels lie in a mask that is `width` pixels wide.
    pub fn range(&self, width: usize) -> Range<usize> {
        let start = self.y as usize * width;
        start + self.x0 as usize..start + self.x1 as usize
    }
}

/// The runs inside `rect` of pixels that are masked (or, with `masked` false, are not), row by row, and for each the number of
/// the first run of its part. Runs of neighbouring rows belong together where they share a column; with `corners` also where
/// they touch at a corner.
pub fn runs(mask: &Mask, rect: Rect, masked: bool, corners: bool) -> (Vec<Run>, Vec<usize>) {
    let mut runs: Vec<Run> = Vec::new();
    let mut row_starts = Vec::with_capacity(rect.height() + 1);
    for y in rect.y0..rect.y1 {
        row_starts.push(runs.len());
        push_row(&mask.row(y)[..rect.x1], rect.x0, y, masked, &mut runs);
    }
    row_starts.push(runs.len());
    let mut sets = Sets::new(runs.len());
    let reach = u32::from(corners);
    for rows in row_starts.windows(3) {
        let mut up = rows[0];
        for at in rows[1]..rows[2] {
            while up < rows[1] && runs[up].x1 + reach <= runs[at].x0 {
                up += 1;
            }
            let touching = |up: &usize| runs[*up].x0 < runs[at].x1 + reach;
            for other in (up..rows[1]).take_while(touching) {
                sets.join(other, at);
            }
        }
    }
    let parts = (0..runs.len()).map(|at| sets.least(at)).collect();
    (runs, parts)
}

fn push_row(row: &[u8], from: usize, y: usize, masked: bool, runs: &mut Vec<Run>) {
    let wanted = |value: &u8| (*value != 0) == masked;
    let mut x = from;
    while let Some(skipped) = row[x..].iter().position(wanted) {
        let x0 = x + skipped;
        let more = row[x0..].iter().position(|value| !wanted(value));
        x = more.map_or(row.len(), |length| x0 + length);
        runs.push(Run {
            y: y as u32,
            x0: x0 as u32,
            x1: x as u32,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_join_only_where_they_are_asked_to() {
        let rows = ["#.#.", ".#..", "#..#"];
        let data = rows.iter().flat_map(|row| row.bytes());
        let mask = Mask {
            width: 4,
            height: 3,
            data: data.map(|b| if b == b'#' { 255 } else { 0 }).collect(),
        };
        let all = mask.bounds().unwrap();
        let parts = |masked, corners| runs(&mask, all, masked, corners).1;
        assert_eq!(parts(true, false), [0, 1, 2, 3, 4]);
        assert_eq!(parts(true, true), [0, 0, 0, 0, 4]);
        // Two gaps of the first row, two of the second, one of the third.
        assert_eq!(parts(false, false), [0, 1, 2, 1, 1]);
        let (found, _) = runs(&mask, all, false, false);
        assert_eq!(found[4].range(mask.width), 9..11);
        assert_eq!(found.iter().map(Run::pixels).sum::<usize>(), 7);
    }

    #[test]
    fn sets_are_known_by_their_least_member() {
        let mut sets = Sets::new(6);
        for (a, b) in [(5, 3), (4, 5), (1, 2), (3, 2)] {
            sets.join(a, b);
        }
        let least: Vec<usize> = (0..6).map(|at| sets.least(at)).collect();
        assert_eq!(least, [0, 1, 1, 1, 1, 1]);
    }
}
