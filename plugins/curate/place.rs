//! How near a fill's patches are to those of its surroundings.
//!
//! Measured on a crop round the hole, averaged down so that the hole's longer side is at most [`HOLE_PX`], and on that crop averaged down
//! once more. `training/curate/features.py` defines the same numbers.

use cleanplate_pictures::Rect;
use cleanplate_pipeline::{Crop, Pixel, Region, View, Work};
use rayon::prelude::*;

use super::lab::lab;
use super::patches::{Index, PATCH, Patch, Patches, apart, covered};

/// The hole's longer side in the crop that is judged, in pixels.
const HOLE_PX: usize = 128;
/// Surroundings in the crop: this share of the hole's longer side, at least so many pixels of the averaged crop.
const REACH_SHARE: f64 = 0.75;
const REACH_PX_MIN: f64 = 64.0;
/// Least side of the averaged crop, where the photo has it.
const SIDE_PX_MIN: usize = 32;
/// Keeps the logarithm of a perfect match finite: a fifth of a percent of the range.
const LEAST: f32 = 2e-3;

/// A place where candidates are compared.
pub(super) struct Place([Scale; 2]);

/// The place at one size.
struct Scale {
    view: View,
    /// The patches without any pixel of the hole.
    known: Index,
    /// The part of the view that holds the patches which tell of a fill.
    part: Rect,
    /// These patches by their place among those of `part`: every second one, with a quarter or more of the hole.
    judged: Vec<usize>,
}

impl Place {
    /// The region with its surroundings; `None` where these hold no patch to compare with.
    pub(super) fn of(work: &Work<'_>, region: &Region) -> Option<Place> {
        let side = region.hole.width().max(region.hole.height());
        let scale = (HOLE_PX as f64 / side as f64).min(1.0);
        let reach = (REACH_SHARE * side as f64).max(REACH_PX_MIN / scale) as usize;
        let (width, height) = (work.photo.width, work.photo.height);
        let rect = region.hole.grown(reach, width, height);
        let size = |px: usize, by: usize| {
            let whole = ((px as f64 * scale).round() as usize).max(SIDE_PX_MIN);
            (whole / by).max(2 * PATCH).min(px)
        };
        let at = |by: usize| {
            let size = (size(rect.width(), by), size(rect.height(), by));
            Scale::of(work, region, rect, size)
        };
        Some(Place([at(1)?, at(2)?]))
    }

    /// What the judged patches of a fill show, at each scale.
    pub(super) fn shown(&self, crops: &[&Crop]) -> Shown {
        Shown([0, 1].map(|i| self.0[i].shown(crops)))
    }

    /// Mean over both scales of the logarithm of the mean distance from the fill's patches to the nearest known ones.
    pub(super) fn strangeness(&self, shown: &Shown) -> f32 {
        let of = |(scale, patches): (&Scale, &Vec<Patch>)| (scale.distance(patches) + LEAST).ln();
        self.0.iter().zip(&shown.0).map(of).sum::<f32>() / self.0.len() as f32
    }
}

/// The patches of a fill that tell of it, at both scales of a [`Place`].
pub(super) struct Shown([Vec<Patch>; 2]);

impl Shown {
    /// The logarithm of the mean distance to the other fills' patches at the same places, at the finer scale: how alone this fill
    /// is with what it shows. 0 where there is no other.
    pub(super) fn aloneness<'s>(&self, others: impl Iterator<Item = &'s Shown>) -> f32 {
        let (own, mut sum, mut count) = (&self.0[0], 0.0f64, 0);
        for other in others {
            let pairs = own.iter().zip(&other.0[0]);
            sum += pairs.map(|(a, b)| f64::from(apart(a, b))).sum::<f64>();
            count += own.len();
        }
        if count == 0 {
            return 0.0;
        }
        ((sum / count as f64) as f32 + LEAST).ln()
    }
}

impl Scale {
    fn of(work: &Work<'_>, region: &Region, rect: Rect, size: (usize, usize)) -> Option<Scale> {
        let view = View::of(work, region, rect, size);
        let is =
            |wanted: Pixel| -> Vec<bool> { view.pixels.iter().map(|p| *p == wanted).collect() };
        let (free, hole) = (is(Pixel::Known), is(Pixel::Hole));
        let patches = Patches::of(&lab(&view.photo, view.width));
        let whole = (PATCH * PATCH) as u32;
        let free = covered(&free, view.width);
        let known = (0..free.len()).filter(|at| free[*at] == whole);
        let known = Index::new(known.map(|at| patches.all[at]));
        let hole = covered(&hole, view.width);
        let least = if hole.iter().any(|n| *n >= whole / 4) {
            whole / 4
        } else {
            1
        };
        let even = |at: &usize| {
            (at % patches.width).is_multiple_of(2) && (at / patches.width).is_multiple_of(2)
        };
        let judged: Vec<(usize, usize)> = (0..hole.len())
            .filter(|at| hole[*at] >= least)
            .filter(even)
            .map(|at| (at % patches.width, at / patches.width))
            .collect();
        let square = |(x, y): &(usize, usize)| Rect {
            x0: *x,
            y0: *y,
            x1: x + PATCH,
            y1: y + PATCH,
        };
        let part = judged.iter().map(square).reduce(|a, b| a.union(&b))?;
        let across = part.width() - PATCH + 1;
        let place = |(x, y): &(usize, usize)| (y - part.y0) * across + x - part.x0;
        let judged = judged.iter().map(place).collect();
        (!known.is_empty()).then_some(Scale {
            view,
            known,
            part,
            judged,
        })
    }

    /// The fill's patches that are judged.
    fn shown(&self, crops: &[&Crop]) -> Vec<Patch> {
        let filled = self.view.filled(crops.iter().copied());
        let rgb: Vec<f32> = (self.part.y0..self.part.y1)
            .flat_map(|y| {
                let row = y * self.view.width;
                &filled[3 * (row + self.part.x0)..3 * (row + self.part.x1)]
            })
            .copied()
            .collect();
        let patches = Patches::of(&lab(&rgb, self.part.width()));
        self.judged.iter().map(|at| patches.all[*at]).collect()
    }

    /// Mean distance from these patches to the nearest known ones: root mean square difference per pixel, in Lab / 100.
    fn distance(&self, patches: &[Patch]) -> f32 {
        let found: f64 = patches
            .par_iter()
            .map(|patch| f64::from(self.known.nearest(patch)))
            .sum();
        (found / patches.len() as f64) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(v: f32) -> Shown {
        Shown([vec![[v; 16]; 3], vec![[v; 16]; 2]])
    }

    #[test]
    fn the_one_that_shows_what_no_other_does_is_most_alone() {
        let (a, b, odd) = (flat(0.25), flat(0.5), flat(1.0));
        // The distance of flat patches is sqrt(16) times their difference.
        let mean = |expected: f32, found: f32| assert!((expected.ln() - found).abs() < 1e-6);
        mean(
            (1.0 + 3.0) / 2.0 + LEAST,
            a.aloneness([&b, &odd].into_iter()),
        );
        mean(
            (1.0 + 2.0) / 2.0 + LEAST,
            b.aloneness([&a, &odd].into_iter()),
        );
        mean(
            (3.0 + 2.0) / 2.0 + LEAST,
            odd.aloneness([&a, &b].into_iter()),
        );
        mean(LEAST, a.aloneness([&flat(0.25)].into_iter()));
        assert_eq!(a.aloneness(std::iter::empty()), 0.0);
    }
}
