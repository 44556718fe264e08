//! Colours of a palette for pixels that have none of their own.

use std::collections::HashMap;

use super::raw::Sample;
use crate::PALETTE_DISTANCE_MAX;
use crate::deadline::Deadline;

/// Colours whose nearest one is kept at a time.
const KNOWN_MAX: usize = 1 << 16;

/// Finds the palette's nearest colours, and knows how far off they are.
pub(super) struct Nearest<'a> {
    palette: &'a [[u8; 3]],
    deadline: Deadline,
    late: bool,
    /// Place in the palette, and the sum of the differences.
    known: HashMap<[u32; 3], (u32, u32)>,
    off: u64,
    values: u64,
}

impl<'a> Nearest<'a> {
    /// Nothing found yet; `None` without a palette.
    pub fn of(palette: &'a [[u8; 3]], deadline: Deadline) -> Option<Self> {
        (!palette.is_empty()).then(|| Nearest {
            palette,
            deadline,
            late: false,
            known: HashMap::new(),
            off: 0,
            values: 0,
        })
    }

    /// The place of the colour that is nearest to a pixel's.
    pub fn place<S: Sample>(&mut self, pixel: &[S]) -> S {
        let colour = [0, 1, 2].map(|c| pixel[c].number());
        if self.known.len() == KNOWN_MAX {
            self.known.clear();
        }
        let found = self.known.entry(colour);
        let (place, off) = *found.or_insert_with(|| closest(self.palette, colour));
        self.off += u64::from(off);
        self.values += 3;
        S::of(place)
    }

    /// Whether there is no time left.
    pub fn is_late(&mut self) -> bool {
        self.late |= self.deadline.passed();
        self.late
    }

    /// Why the palette does not do, if it does not.
    pub fn obstacle(&self) -> Option<&'static str> {
        if self.late {
            return Some("the nearest colours of the palette were not found in time");
        }
        let far = self.off as f64 > PALETTE_DISTANCE_MAX * self.values as f64;
        far.then_some("the palette has no colours near the fill")
    }
}

/// The place of the nearest colour, and the sum of the differences.
fn closest(palette: &[[u8; 3]], colour: [u32; 3]) -> (u32, u32) {
    let off = |own: &[u8; 3], square: bool| -> u32 {
        let each = (0..3).map(|c| u32::from(own[c]).abs_diff(colour[c]));
        each.map(|v| if square { v * v } else { v }).sum()
    };
    let all = palette.iter().enumerate();
    let found = all.min_by_key(|(_, own)| off(own, true));
    found.map_or((0, 0), |(at, own)| (at as u32, off(own, false)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_colour_is_sought_once_and_the_time_is_bounded() {
        let palette: Vec<[u8; 3]> = (0..=255).map(|v| [v, v, 255 - v]).collect();
        let mut nearest = Nearest::of(&palette, Deadline::after(Duration::from_secs(60))).unwrap();
        for i in 0..200_000u32 {
            let pixel = [i % 256, i / 256 % 256, 9].map(|v| v as u8);
            let expected = closest(&palette, pixel.map(u32::from)).0 as u8;
            assert_eq!(nearest.place(&pixel), expected);
            assert!(nearest.known.len() <= KNOWN_MAX);
        }
        assert!(!nearest.is_late());
        assert!(nearest.obstacle().unwrap().contains("near the fill"));
        let mut exact = Nearest::of(&palette, Deadline::after(Duration::from_secs(60))).unwrap();
        for _ in 0..9 {
            assert_eq!(exact.place(&[7u8, 7, 248]), 7);
        }
        assert_eq!((exact.known.len(), exact.obstacle()), (1, None));
        let mut late = Nearest::of(&palette, Deadline::after(Duration::ZERO)).unwrap();
        assert!(late.is_late() && late.obstacle().unwrap().contains("in time"));
    }
}
