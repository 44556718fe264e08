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
/// How far a spot reaches that an eye takes in at once: the standard deviation, in patches that are judged (every second pixel).
const SPOT: f32 = 2.5;
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

    /// How strange a fill is among its surroundings.
    pub(super) fn strangeness(&self, shown: &Shown) -> Strangeness {
        let distances = [0, 1].map(|i| self.0[i].distances(&shown.0[i]));
        let mean = |distances: &Vec<f32>| {
            let sum: f64 = distances.iter().map(|d| f64::from(*d)).sum();
            ((sum / distances.len() as f64) as f32 + LEAST).ln()
        };
        Strangeness {
            everywhere: distances.iter().map(mean).sum::<f32>() / distances.len() as f32,
            worst: (self.0[0].worst_spot(&distances[0]) + LEAST).ln(),
        }
    }
}

/// Logarithms of the distance from a fill's patches to the nearest known ones.
pub(super) struct Strangeness {
    /// Of the mean, averaged over both scales.
    pub(super) everywhere: f32,
    /// Of the spot where they are farthest, at the finer scale: one blob spoils a fill that is right everywhere else.
    pub(super) worst: f32,
}

/// The patches of a fill that tell of it, at both scales of a [`Place`].
pub(super) struct Shown([Vec<Patch>; 2]);

impl Shown {
    /// The logarithm of the mean distance to the nearest of the other fills' patches at the same places, at the finer scale: how
    /// alone this fill is with what it shows. Two looks of one network are often alike, and must not outvote the others: so the
    /// nearest, not all of them. 0 where there is no other.
    pub(super) fn aloneness(&self, others: &[&Shown]) -> f32 {
        let own = &self.0[0];
        if others.is_empty() || own.is_empty() {
            return 0.0;
        }
        let nearest = own.iter().enumerate().map(|(i, patch)| {
            let distances = others.iter().map(|other| apart(patch, &other.0[0][i]));
            f64::from(distances.fold(f32::INFINITY, f32::min))
        });
        ((nearest.sum::<f64>() / own.len() as f64) as f32 + LEAST).ln()
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

    /// Distance of each of these patches to the nearest known one: root mean square difference per pixel, in Lab / 100.
    fn distances(&self, patches: &[Patch]) -> Vec<f32> {
        patches
            .par_iter()
            .map(|patch| self.known.nearest(patch))
            .collect()
    }

    /// The greatest of the distances of the judged patches, once each is averaged with those near it.
    fn worst_spot(&self, distances: &[f32]) -> f32 {
        // Judged patches begin at even rows and columns, and so does `part`.
        let across = self.part.width() - PATCH + 1;
        let places: Vec<(usize, usize)> = self
            .judged
            .iter()
            .map(|at| (at % across / 2, at / across / 2))
            .collect();
        worst_spot(&places, distances)
    }
}

/// The greatest of values at places `(column, row)`, once each is averaged with those near it.
fn worst_spot(places: &[(usize, usize)], values: &[f32]) -> f32 {
    let (width, height) = places.iter().fold((0, 0), |(width, height), (x, y)| {
        (width.max(x + 1), height.max(y + 1))
    });
    // What is summed, and how much of it there is.
    let mut sums = vec![[0.0f32; 2]; width * height];
    for ((x, y), value) in places.iter().zip(values) {
        sums[y * width + x] = [*value, 1.0];
    }
    let reach = (4.0 * SPOT) as usize;
    let taps: Vec<f32> = (0..=reach)
        .map(|i| (-0.5 * (i as f32 / SPOT).powi(2)).exp())
        .collect();
    // Along rows, then along columns: `count` values that lie `step` apart, of which `at` is the `i`-th.
    let blurred = |sums: &[[f32; 2]], at: usize, i: usize, count: usize, step: usize| {
        let near = i.saturating_sub(reach)..(i + reach + 1).min(count);
        near.fold([0.0; 2], |[sum, weight], k| {
            let ([value, share], tap) = (sums[at + k * step - i * step], taps[k.abs_diff(i)]);
            [sum + tap * value, weight + tap * share]
        })
    };
    let rows: Vec<[f32; 2]> = (0..sums.len())
        .map(|at| blurred(&sums, at, at % width, width, 1))
        .collect();
    let spots = places.iter().map(|(x, y)| {
        let [sum, weight] = blurred(&rows, y * width + x, *y, height, width);
        sum / weight
    });
    spots.fold(0.0, f32::max)
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
        // The distance of flat patches is sqrt(16) times their difference; the nearest other counts.
        let mean = |expected: f32, found: f32| assert!((expected.ln() - found).abs() < 1e-6);
        mean(1.0 + LEAST, a.aloneness(&[&b, &odd]));
        mean(1.0 + LEAST, b.aloneness(&[&a, &odd]));
        mean(2.0 + LEAST, odd.aloneness(&[&a, &b]));
        mean(LEAST, a.aloneness(&[&flat(0.25)]));
        assert_eq!(a.aloneness(&[]), 0.0);
    }

    #[test]
    fn one_blob_counts_more_than_as_much_strangeness_spread_out() {
        let places: Vec<(usize, usize)> = (0..900).map(|i| (i % 30, i / 30)).collect();
        let of = |value: &dyn Fn(usize, usize) -> f32| {
            let values: Vec<f32> = places.iter().map(|(x, y)| value(*x, *y)).collect();
            worst_spot(&places, &values)
        };
        let even = of(&|_, _| 1.0 / 36.0);
        assert!((even - 1.0 / 36.0).abs() < 1e-6, "{even}");
        // 25 of 900 places hold what the even one has in all; a spot of this width sees most of such a block.
        let blob = of(&|x, y| {
            if x.abs_diff(9) < 3 && y.abs_diff(20) < 3 {
                1.0
            } else {
                0.0
            }
        });
        let expected = {
            let tap = |i: i32| (-0.5 * (i as f32 / SPOT).powi(2)).exp();
            let share = (-2..=2).map(tap).sum::<f32>() / (-10..=10).map(tap).sum::<f32>();
            share * share
        };
        assert!((0.4..0.6).contains(&expected));
        // The middle of the block lies 9 places from the left, where one tap of the ten is cut off.
        assert!(
            (blob - expected).abs() < 0.01,
            "{blob} instead of {expected}"
        );
    }
}
