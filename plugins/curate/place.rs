//! What a judge sees of a fill: numbers about one candidate at one place.
//!
//! All are measured on a crop round the hole, averaged down so that the hole's longer side is at most [`HOLE_PX`]; "half" is that
//! crop averaged down once more. `training/curate/features.py` defines the same numbers.

use cleanplate_pictures::resample::Taps;
use cleanplate_pictures::{Mask, Rect, distance};
use cleanplate_pipeline::{Crop, Pixel, Region, View, Work};

use super::patches::{Index, PATCH, Patch, Patches, covered};
use super::plane::{Plane, deviation, lab, mean, narrowed, quantile, widened};

/// The hole's longer side in the crop that is judged, in pixels.
const HOLE_PX: usize = 128;
/// Surroundings in the crop: this share of the hole's longer side, at least so many pixels of the averaged crop.
const REACH_SHARE: f64 = 0.75;
const REACH_PX_MIN: f64 = 64.0;
/// Least side of the averaged crop.
const SIDE_PX_MIN: usize = 32;
/// A known patch's own neighbours, not farther than this, are no match for it.
const OWN_PX: usize = 8;
/// Known patches round the hole whose nearest match says what is usual here.
const USUAL: usize = 200;
/// Width of the ring of known pixels that the fill is compared with.
const RING_PX: usize = 12;

/// The numbers of one candidate, by name.
pub(super) type Numbers = Vec<(&'static str, f32)>;

/// What does not depend on the candidate, at one scale.
struct Scale {
    view: View,
    hole: Vec<bool>,
    lab: [Plane; 3],
    known: Index,
    width: usize,
    usual: Vec<f32>,
    object: Index,
}

/// A place where candidates are compared.
pub(super) struct Place {
    scales: [Scale; 2],
    ring: Vec<bool>,
}

impl Place {
    /// The region with its surroundings; `None` where the surroundings hold no patch to compare with.
    pub(super) fn of(work: &Work<'_>, region: &Region) -> Option<Place> {
        let side = region.hole.width().max(region.hole.height());
        let scale = (HOLE_PX as f64 / side as f64).min(1.0);
        let reach = (REACH_SHARE * side as f64).max(REACH_PX_MIN / scale) as usize;
        let rect = region
            .hole
            .grown(reach, work.photo.width, work.photo.height);
        let size = |px: usize, by: usize| {
            let whole = ((px as f64 * scale).round() as usize)
                .max(SIDE_PX_MIN)
                .min(px.max(1));
            (whole / by).max(PATCH * 2).min(px.max(1))
        };
        let at = |by: usize| {
            let size = (size(rect.width(), by), size(rect.height(), by));
            Scale::of(work, region, rect, size)
        };
        let scales = [at(1), at(2)];
        if scales.iter().any(|scale| scale.known.is_empty()) {
            return None;
        }
        let ring = scales[0].ring();
        Some(Place { scales, ring })
    }

    /// The numbers of the candidate that `crops` make.
    pub(super) fn numbers(&self, crops: &[&Crop]) -> Numbers {
        let fills = self.scales.each_ref().map(|scale| {
            let rgb = scale.view.filled(crops.iter().copied());
            lab(&rgb, scale.width)
        });
        let mut out = Numbers::new();
        let names = [
            ["coherence", "tail", "blob", "leftover", "leftover_tail"],
            [
                "coherence_half",
                "tail_half",
                "blob_half",
                "leftover_half",
                "leftover_tail_half",
            ],
        ];
        for ((scale, fill), names) in self.scales.iter().zip(&fills).zip(names) {
            out.extend(names.into_iter().zip(scale.coherence(fill)));
        }
        out.extend(self.shape(&fills[0]));
        let continued = self.scales[0].one_way(&fills[0], 4.0);
        let back = self.scales[0].one_way(&fills[0], -4.0);
        out.extend([("continued", continued), ("continued_back", back)]);
        out
    }

    /// For each candidate its distance from the mean of the others: coarse colours in the hole, in the spread of the ring's.
    pub(super) fn apart(&self, candidates: &[Vec<&Crop>]) -> Vec<f32> {
        let scale = &self.scales[0];
        let soft: Vec<Vec<[f32; 3]>> = candidates
            .iter()
            .map(|crops| {
                let fill = lab(&scale.view.filled(crops.iter().copied()), scale.width);
                let soft = fill.map(|plane| plane.blurred(3.0));
                let holes = (0..scale.hole.len()).filter(|at| scale.hole[*at]);
                holes
                    .map(|at| [soft[0][at], soft[1][at], soft[2][at]])
                    .collect()
            })
            .collect();
        let usual: f32 = scale.lab.iter().map(|p| spread(p, &self.ring)).sum::<f32>() + 0.02;
        let others = (candidates.len().max(2) - 1) as f32;
        let of = |i: usize| {
            let distances = (0..soft[i].len()).map(|at| {
                let far = [0, 1, 2].map(|c| {
                    let rest = (0..soft.len()).filter(|k| *k != i).map(|k| soft[k][at][c]);
                    soft[i][at][c] - rest.sum::<f32>() / others
                });
                (far[0] * far[0] + far[1] * far[1] + far[2] * far[2]).sqrt()
            });
            (mean(distances) / usual + 1e-2).ln()
        };
        (0..candidates.len()).map(of).collect()
    }

    /// Sharpness, seam and colour of the fill against the ring of known pixels.
    fn shape(&self, fill: &[Plane; 3]) -> [(&'static str, f32); 5] {
        let (hole, width) = (&self.scales[0].hole, self.scales[0].width);
        let (wide, narrow) = (widened(hole, width, 2), narrowed(hole, width, 2));
        let rim: Vec<bool> = wide.iter().zip(&narrow).map(|(w, n)| *w && !n).collect();
        let inner = if narrow.contains(&true) {
            &narrow
        } else {
            hole
        };
        let steps = gradient(fill);
        let light = &fill[0];
        let soft = light.blurred(1.0);
        let fine: Vec<f32> = light
            .values
            .iter()
            .zip(&soft.values)
            .map(|(a, b)| (a - b).abs())
            .collect();
        let (inside, outside) = (among(&steps, inner), among(&steps, &self.ring));
        let soft = fill.each_ref().map(|plane| plane.blurred(4.0));
        let tone = fill.iter().map(|plane| {
            let step = among(&plane.values, inner) - among(&plane.values, &self.ring);
            step * step
        });
        let spreads = |mask: &[bool]| soft.iter().map(|plane| spread(plane, mask)).sum::<f32>();
        [
            ("sharp", log_ratio(inside, outside)),
            (
                "fine",
                log_ratio(among(&fine, inner), among(&fine, &self.ring)),
            ),
            (
                "seam",
                log_ratio(among(&steps, &rim), 0.5 * (inside + outside)),
            ),
            ("tone", tone.sum::<f32>().sqrt()),
            ("spread", log_ratio(spreads(inner), spreads(&self.ring))),
        ]
    }
}

impl Scale {
    fn of(work: &Work<'_>, region: &Region, rect: Rect, size: (usize, usize)) -> Scale {
        let view = View::of(work, region, rect, size);
        let width = view.width;
        let hole: Vec<bool> = view.pixels.iter().map(|p| *p == Pixel::Hole).collect();
        let free: Vec<bool> = view.pixels.iter().map(|p| *p == Pixel::Known).collect();
        let lab = lab(&view.photo, width);
        let patches = Patches::of(&lab);
        let whole = (PATCH * PATCH) as u32;
        let known: Vec<bool> = covered(&free, width).iter().map(|n| *n == whole).collect();
        let numbered = |mask: &[bool], step: usize| {
            let places = (0..mask.len()).filter(|at| mask[*at]).step_by(step);
            Index::new(places.map(|at| (patches.all[at], at as u32)))
        };
        let object: Vec<bool> = share(&work.user_mask, rect, size)
            .iter()
            .map(|share| *share > 0.98)
            .collect();
        let object: Vec<bool> = covered(&object, width)
            .iter()
            .map(|n| *n == whole)
            .collect();
        let mut scale = Scale {
            known: numbered(&known, 1),
            object: numbered(&object, 3),
            usual: Vec::new(),
            width,
            hole,
            lab,
            view,
        };
        scale.usual = scale.usual_distances(&known, &patches);
        scale
    }

    /// Distance from known patches near the hole to their nearest match elsewhere, sorted.
    fn usual_distances(&self, known: &[bool], patches: &Patches) -> Vec<f32> {
        let far = distances(&self.hole, self.width);
        let middle = PATCH / 2;
        let mut near: Vec<usize> = (0..known.len()).filter(|at| known[*at]).collect();
        let from_hole = |at: &usize| {
            let (x, y) = (at % patches.width, at / patches.width);
            far[(y + middle) * self.width + x + middle]
        };
        near.sort_by(|a, b| from_hole(a).total_cmp(&from_hole(b)));
        near.truncate((near.len() / 4).max(USUAL));
        let step = (near.len() / USUAL).max(1);
        let mut found: Vec<f32> = near
            .iter()
            .step_by(step)
            .take(USUAL)
            .map(|at| {
                let (x, y) = (at % patches.width, at / patches.width);
                self.known.nearest(&patches.all[*at], |other| {
                    let (ox, oy) = (
                        other as usize % patches.width,
                        other as usize / patches.width,
                    );
                    ox.abs_diff(x) > OWN_PX || oy.abs_diff(y) > OWN_PX
                })
            })
            .filter(|distance| distance.is_finite())
            .collect();
        found.sort_unstable_by(f32::total_cmp);
        if found.is_empty() { vec![0.05] } else { found }
    }

    /// Distances of the fill's patches to the nearest known ones against what is usual here (mean, tail, worst spot), and how much
    /// nearer they are to the object (mean, tail).
    fn coherence(&self, fill: &[Plane; 3]) -> [f32; 5] {
        let patches = Patches::of(fill);
        let counts = covered(&self.hole, self.width);
        let quarter = (PATCH * PATCH / 4) as u32;
        let least = if counts.iter().any(|n| *n >= quarter) {
            quarter
        } else {
            1
        };
        let places: Vec<usize> = (0..counts.len())
            .filter(|at| counts[*at] >= least)
            .filter(|at| {
                (at % patches.width).is_multiple_of(2) && (at / patches.width).is_multiple_of(2)
            })
            .collect();
        let found = nearest_of(&self.known, &places, &patches);
        let height = counts.len() / patches.width.max(1);
        let (mut blob, mut weight) = (vec![0.0; counts.len()], vec![0.0; counts.len()]);
        for (at, distance) in places.iter().zip(&found) {
            (blob[*at], weight[*at]) = (*distance, 1.0);
        }
        let plane = |values: Vec<f32>| Plane::new(patches.width, height, values).blurred(5.0);
        let (blob, weight) = (plane(blob), plane(weight));
        let worst = places
            .iter()
            .map(|at| blob[*at] / weight[*at].max(1e-6))
            .fold(0.0, f32::max);
        let usual_tail = quantile(&self.usual, 0.9);
        let (mut leftover, mut leftover_tail) = (0.0, -1.0);
        if !self.object.is_empty() && !found.is_empty() {
            let to_object = nearest_of(&self.object, &places, &patches);
            let nearer: Vec<f32> = found
                .iter()
                .zip(&to_object)
                .map(|(known, object)| ((known + 5e-3) / (object + 5e-3)).ln())
                .collect();
            leftover = mean(nearer.iter().map(|v| v.clamp(0.0, 2.0)));
            leftover_tail = quantile(&nearer, 0.95);
        }
        [
            log_ratio(
                mean(found.iter().copied()),
                mean(self.usual.iter().copied()),
            ),
            log_ratio(quantile(&found, 0.9), usual_tail),
            log_ratio(worst, usual_tail),
            leftover,
            leftover_tail,
        ]
    }

    /// Known pixels near the hole; all of them if there are none near.
    fn ring(&self) -> Vec<bool> {
        let wide = widened(&self.hole, self.width, RING_PX);
        let known = |at: usize| self.view.pixels[at] == Pixel::Known;
        let ring: Vec<bool> = (0..wide.len()).map(|at| wide[at] && known(at)).collect();
        if ring.contains(&true) {
            ring
        } else {
            (0..wide.len()).map(known).collect()
        }
    }

    /// Share of the edges that run over the rim, seen `out_px` outside of the hole (inside, if negative), which go on across it.
    fn one_way(&self, fill: &[Plane; 3], out_px: f32) -> f32 {
        let (width, height) = (self.width, self.hole.len() / self.width);
        let (gx, gy) = fill[0].blurred(1.5).slopes();
        let outside = distances(&self.hole, width);
        let not_hole: Vec<bool> = self.hole.iter().map(|h| !h).collect();
        let inside = distances(&not_hole, width);
        let signed: Vec<f32> = outside.iter().zip(&inside).map(|(o, i)| o - i).collect();
        let (nx, ny) = Plane::new(width, height, signed.clone())
            .blurred(2.0)
            .slopes();
        let (mut kept, mut all) = (0.0f64, 0.0f64);
        let mut any = false;
        for at in (0..signed.len()).filter(|at| (signed[*at] - out_px).abs() < 0.8) {
            any = true;
            let (x, y) = ((at % width) as f32, (at / width) as f32);
            let strength = gx[at].hypot(gy[at]);
            let length = strength.max(1e-6);
            let (mut tx, mut ty) = (gy[at] / length, -gx[at] / length);
            // Into the hole from outside, out of it from inside.
            let towards = out_px.signum() * -(tx * nx[at] + ty * ny[at]);
            if towards < 0.0 {
                (tx, ty) = (-tx, -ty);
            }
            let weight = strength * towards.abs();
            let mut best = 0.0f32;
            for step in [8.0, 10.0, 12.0] {
                for aside in [-2.0, 0.0, 2.0] {
                    let (px, py) = (
                        (x + step * tx - aside * ty).round(),
                        (y + step * ty + aside * tx).round(),
                    );
                    if px < 0.0 || py < 0.0 || px >= width as f32 || py >= height as f32 {
                        continue;
                    }
                    let to = py as usize * width + px as usize;
                    let alike =
                        (gx[at] * gx[to] + gy[at] * gy[to]) / (strength * strength).max(1e-8);
                    best = best.max(alike.clamp(0.0, 1.0));
                }
            }
            kept += f64::from(weight * best);
            all += f64::from(weight);
        }
        if any {
            (kept / (all + 1e-4)) as f32
        } else {
            1.0
        }
    }
}

fn nearest_of(index: &Index, places: &[usize], patches: &Patches) -> Vec<f32> {
    use rayon::prelude::*;
    let find = |at: &usize| {
        let patch: &Patch = &patches.all[*at];
        index.nearest(patch, |_| true)
    };
    places.par_iter().map(find).collect()
}

/// Distance in pixels from each pixel to the nearest one of `mask`, at most [`distance::DISTANCE_PX_MAX`].
fn distances(mask: &[bool], width: usize) -> Vec<f32> {
    let height = mask.len() / width;
    let mut bytes = Mask::empty(width, height);
    for (byte, set) in bytes.data.iter_mut().zip(mask) {
        *byte = if *set { 255 } else { 0 };
    }
    let whole = Rect {
        x0: 0,
        y0: 0,
        x1: width,
        y1: height,
    };
    distance::squared(&bytes, whole, distance::DISTANCE_PX_MAX)
        .iter()
        .map(|squared| f32::from(*squared).sqrt())
        .collect()
}

/// Share of each averaged pixel that `mask` covers.
fn share(mask: &Mask, rect: Rect, (width, height): (usize, usize)) -> Vec<f32> {
    let (columns, rows) = (
        Taps::area(width, rect.width()),
        Taps::area(height, rect.height()),
    );
    let mut out = Vec::with_capacity(width * height);
    for y in 0..height {
        let mut sums = vec![0.0; rect.width()];
        for (row, weight) in rows.inputs(y).zip(rows.weights(y)) {
            let line = &mask.row(rect.y0 + row)[rect.x0..rect.x1];
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += weight * f32::from(u8::from(*value >= 128));
            }
        }
        out.extend((0..width).map(|x| {
            let parts = columns.inputs(x).zip(columns.weights(x));
            parts.map(|(at, weight)| weight * sums[at]).sum::<f32>()
        }));
    }
    out
}

/// Steps to the next pixels right and below, over all channels.
fn gradient(lab: &[Plane; 3]) -> Vec<f32> {
    let (width, height) = (lab[0].width, lab[0].height);
    (0..width * height)
        .map(|at| {
            let (x, y) = (at % width, at / width);
            let steps = lab.iter().map(|plane| {
                let dx = if x + 1 < width {
                    plane[at + 1] - plane[at]
                } else {
                    0.0
                };
                let dy = if y + 1 < height {
                    plane[at + width] - plane[at]
                } else {
                    0.0
                };
                dx * dx + dy * dy
            });
            steps.sum::<f32>().sqrt()
        })
        .collect()
}

/// Mean of the values where `mask` is set.
fn among(values: &[f32], mask: &[bool]) -> f32 {
    mean(
        values
            .iter()
            .zip(mask)
            .filter(|(_, m)| **m)
            .map(|(v, _)| *v),
    )
}

/// Standard deviation of a plane where `mask` is set.
fn spread(plane: &Plane, mask: &[bool]) -> f32 {
    let set = plane.values.iter().zip(mask).filter(|(_, m)| **m);
    deviation(set.map(|(v, _)| *v))
}

fn log_ratio(a: f32, b: f32) -> f32 {
    ((a + 2e-3) / (b + 2e-3)).ln()
}
