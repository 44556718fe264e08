//! Fits the edge of a found mask to the photo.
//!
//! A network draws a small mask: enlarged, its edge lies some pixels off and thin ends are missing. Near the edge each pixel is judged
//! anew, by whether its colour is more frequent within the mask or in the surroundings and by its distance to the drawn edge; a
//! guided filter then draws the edge where the photo's colours change.

use cleanplate_pictures::resample::shrink_photo;
use cleanplate_pictures::{Mask, Photo, Rect, components, distance};
use rayon::prelude::*;

use super::guided::Guided;

/// Longer side of the copy that is judged, in pixels.
const SIDE_PX: usize = 384;
/// Half the side of the filter's squares, and the depth from which on the mask is trusted: a share of how far the edge may move.
const INNER_SHARE: f32 = 16.0 / 30.0;
/// The surroundings begin where the edge may move to and end at so many times the distance.
const OUTER: f32 = 3.0;
/// Fewer pixels tell nothing of colours.
const PIXELS_MIN: usize = 16;
/// A fit that makes the mask smaller or larger than this many times has lost it.
const RATIO: std::ops::Range<f64> = 0.6..1.8;
/// Frequency that every colour has: what was never seen is no certainty.
const FREQUENCY_MIN: f32 = 1e-4;
/// Steps of each colour channel that frequencies are counted in.
const STEPS: usize = 16;

/// Moves the edge of `mask` by up to `reach_px` pixels to where the colours of the photo change. No point
/// `([x, y], on the object)` that the mask was right about changes sides; a mask that the colours cannot tell from its surroundings stays as it is.
pub fn fit(mask: &mut Mask, photo: &Photo, reach_px: f32, points: &[([usize; 2], bool)]) {
    let Some(fitted) = fitted(mask, photo, reach_px) else {
        return;
    };
    let ratio = fitted.count() as f64 / mask.count().max(1) as f64;
    let at = |mask: &Mask, [x, y]: [usize; 2]| {
        mask.data[y.min(mask.height - 1) * mask.width + x.min(mask.width - 1)] > 0
    };
    let kept =
        |(point, on): &([usize; 2], bool)| at(&fitted, *point) == *on || at(mask, *point) != *on;
    if RATIO.contains(&ratio) && points.iter().all(kept) {
        *mask = fitted;
    }
}

fn fitted(mask: &Mask, photo: &Photo, reach_px: f32) -> Option<Mask> {
    let bounds = mask.bounds().filter(|_| reach_px >= 1.0)?;
    let rect = bounds.grown((OUTER * reach_px) as usize + 12, mask.width, mask.height);
    let scene = Scene::new(mask, photo, rect, reach_px);
    let plane = scene.likelihood()?;
    let radius = (INNER_SHARE * scene.reach).round().max(1.0) as usize;
    let guided = Guided::new(
        &scene.rgb,
        &plane,
        (scene.small.width, scene.small.height),
        radius,
    );
    let mut fitted = Mask::empty(mask.width, mask.height);
    let size = [rect.height(), rect.width()];
    let rows = fitted.data.par_chunks_exact_mut(mask.width);
    rows.enumerate()
        .skip(rect.y0)
        .take(rect.height())
        .for_each(|(y, row)| {
            let mut colours = Vec::with_capacity(3 * rect.width());
            photo.push_row_f32(&mut colours, y, rect);
            let pixels = row[rect.x0..rect.x1].iter_mut().zip(colours.as_chunks().0);
            for (x, (out, rgb)) in pixels.enumerate() {
                if guided.at([x, y - rect.y0], size, *rgb) > 0.5 {
                    *out = 255;
                }
            }
        });
    drop_untouched(&mut fitted, mask, rect);
    Some(fitted)
}

/// Empties the parts of `fitted` that share no pixel with `mask`.
fn drop_untouched(fitted: &mut Mask, mask: &Mask, rect: Rect) {
    let (runs, parts) = components::runs(fitted, rect, true, true);
    let mut touched = vec![false; runs.len()];
    for (run, part) in runs.iter().zip(&parts) {
        touched[*part] |= mask.data[run.range(mask.width)].iter().any(|&v| v > 0);
    }
    let stray = runs.iter().zip(&parts).filter(|(_, part)| !touched[**part]);
    for (run, _) in stray {
        fitted.data[run.range(mask.width)].fill(0);
    }
}

/// A small copy of the mask and of what is around it.
struct Scene {
    small: Mask,
    rgb: Vec<[f32; 3]>,
    /// How far the edge may move, in pixels of the copy.
    reach: f32,
}

impl Scene {
    fn new(mask: &Mask, photo: &Photo, rect: Rect, reach_px: f32) -> Scene {
        let factor = rect.width().max(rect.height()).div_ceil(SIDE_PX);
        let (width, height) = (
            rect.width().div_ceil(factor),
            rect.height().div_ceil(factor),
        );
        let middle =
            |at: usize, small: usize, of: usize| ((2 * at + 1) * of / (2 * small)).min(of - 1);
        let rows = (0..height).map(|y| mask.row(rect.y0 + middle(y, height, rect.height())));
        let data =
            rows.flat_map(|row| (0..width).map(|x| row[rect.x0 + middle(x, width, rect.width())]));
        Scene {
            small: Mask {
                width,
                height,
                data: data.collect(),
            },
            rgb: shrink_photo(photo, rect, width, height)
                .as_chunks()
                .0
                .to_vec(),
            reach: reach_px / factor as f32,
        }
    }

    /// How likely each pixel belongs to the object, 0..1; `None` where there is too little to learn colours from.
    fn likelihood(&self) -> Option<Vec<f32>> {
        let inner = INNER_SHARE * self.reach;
        let outside = distances(&self.small, OUTER * self.reach + 10.0);
        let inside = distances(&inverted(&self.small), 2.0 * inner + 1.0);
        let deepest = self
            .small
            .data
            .iter()
            .zip(&inside)
            .filter(|(m, _)| **m > 0)
            .map(|(_, d)| *d);
        let deep = inner.min(deepest.fold(0.0, f32::max) / 2.0);
        let (near, far) = (self.reach, OUTER * self.reach + 10.0);
        let of = |chosen: &dyn Fn(usize) -> bool| Frequencies::of(&self.rgb, chosen);
        let object = of(&|at| self.small.data[at] > 0 && inside[at] > deep)?;
        let around =
            of(&|at| self.small.data[at] == 0 && outside[at] > near && outside[at] <= far)?;
        let judge = |at: usize| {
            let masked = self.small.data[at] > 0;
            if masked && inside[at] > inner {
                return 1.0;
            }
            if !masked && outside[at] > near {
                return 0.0;
            }
            let depth = if masked { inside[at] } else { -outside[at] };
            let colour = (object.of_colour(self.rgb[at]) / around.of_colour(self.rgb[at])).ln();
            1.0 / (1.0 + (-(colour + 4.0 * depth / self.reach)).exp())
        };
        Some((0..self.rgb.len()).into_par_iter().map(judge).collect())
    }
}

fn inverted(mask: &Mask) -> Mask {
    let data = mask
        .data
        .iter()
        .map(|&v| if v > 0 { 0 } else { 255 })
        .collect();
    Mask { data, ..*mask }
}

/// Distances to the mask in pixels; those above `most` are larger than it.
fn distances(mask: &Mask, most: f32) -> Vec<f32> {
    let rect = Rect {
        x0: 0,
        y0: 0,
        x1: mask.width,
        y1: mask.height,
    };
    let squared = distance::squared(mask, rect, most.ceil() as usize);
    let length = |d: u16| {
        if d == u16::MAX {
            f32::MAX
        } else {
            f32::from(d).sqrt()
        }
    };
    squared.into_iter().map(length).collect()
}

/// How frequent colours are.
struct Frequencies(Vec<f32>);

impl Frequencies {
    fn of(rgb: &[[f32; 3]], chosen: &dyn Fn(usize) -> bool) -> Option<Frequencies> {
        let mut counts = vec![0f32; STEPS.pow(3)];
        let mut pixels = 0;
        for (_, colour) in rgb.iter().enumerate().filter(|(at, _)| chosen(*at)) {
            counts[Self::step(*colour)] += 1.0;
            pixels += 1;
        }
        if pixels < PIXELS_MIN {
            return None;
        }
        // Neighbouring colours are nearly the same.
        for stride in [1, STEPS, STEPS * STEPS] {
            counts = softened(&counts, stride);
        }
        counts.iter_mut().for_each(|count| *count /= pixels as f32);
        Some(Frequencies(counts))
    }

    fn step(rgb: [f32; 3]) -> usize {
        let steps = rgb.map(|v| ((v * STEPS as f32) as usize).min(STEPS - 1));
        (steps[0] * STEPS + steps[1]) * STEPS + steps[2]
    }

    fn of_colour(&self, rgb: [f32; 3]) -> f32 {
        self.0[Self::step(rgb)] + FREQUENCY_MIN
    }
}

/// Counts mixed with their neighbours along one channel, whose steps are `stride` apart: a bell of one step's width.
fn softened(counts: &[f32], stride: usize) -> Vec<f32> {
    let at = |i: usize| {
        let step = (i / stride % STEPS) as isize;
        let bell = [(-2, 1.0), (-1, 4.0), (0, 6.0), (1, 4.0), (2, 1.0)];
        let mixed = bell.map(|(by, weight): (isize, f32)| {
            let to = (step + by).clamp(0, STEPS as isize - 1) - step;
            weight / 16.0 * counts[i.wrapping_add_signed(to * stride as isize)]
        });
        mixed.iter().sum()
    };
    (0..counts.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_pictures::{Limits, decode};

    const SIZE: usize = 160;

    /// An orange disk with a thin arm on blue ground, both of uneven colour.
    fn is_object(x: usize, y: usize) -> bool {
        let (dx, dy) = (x as f32 - 80.0, y as f32 - 90.0);
        dx.hypot(dy) < 30.0 || ((78..82).contains(&x) && (48..80).contains(&y))
    }

    fn picture(object: [u8; 3]) -> Photo {
        let mut rgb = Vec::with_capacity(SIZE * SIZE * 3);
        for i in 0..SIZE * SIZE {
            let uneven = (i * 7919 % 23) as u8;
            let colour = if is_object(i % SIZE, i / SIZE) {
                object
            } else {
                [30, 60, 150]
            };
            rgb.extend(colour.map(|v| v.saturating_add(uneven)));
        }
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, SIZE as u32, SIZE as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(&rgb)
            .unwrap();
        decode(&png, &Limits::default()).unwrap()
    }

    fn masked(inside: impl Fn(usize, usize) -> bool) -> Mask {
        let data = (0..SIZE * SIZE).map(|i| if inside(i % SIZE, i / SIZE) { 255 } else { 0 });
        Mask {
            width: SIZE,
            height: SIZE,
            data: data.collect(),
        }
    }

    /// What a network draws: the disk some pixels aside, nothing of the arm.
    fn drawn() -> Mask {
        masked(|x, y| (x as f32 - 83.0).hypot(y as f32 - 91.0) < 31.0)
    }

    fn wrong(mask: &Mask) -> usize {
        let want = masked(is_object);
        mask.data
            .iter()
            .zip(&want.data)
            .filter(|(a, b)| a != b)
            .count()
    }

    #[test]
    fn the_edge_goes_to_that_of_the_colours_and_a_thin_arm_comes_back() {
        let mut mask = drawn();
        fit(&mut mask, &picture([220, 120, 30]), 15.0, &[]);
        let (before, after) = (wrong(&drawn()), wrong(&mask));
        assert!(
            before > 300 && after < 30,
            "{after} pixels are wrong, {before} were"
        );
        assert!(mask.data[60 * SIZE + 80] > 0, "the arm is missing");
    }

    #[test]
    fn a_mask_that_colours_do_not_tell_apart_moves_little_and_no_reach_moves_nothing() {
        let same = picture([30, 60, 150]);
        let mut mask = drawn();
        fit(&mut mask, &same, 15.0, &[]);
        let moved = mask
            .data
            .iter()
            .zip(&drawn().data)
            .filter(|(a, b)| a != b)
            .count();
        assert!(moved < drawn().count() / 10, "{moved} pixels moved");
        let mut still = drawn();
        fit(&mut still, &picture([220, 120, 30]), 0.0, &[]);
        assert_eq!(still, drawn());
        let mut none = Mask::empty(SIZE, SIZE);
        fit(&mut none, &same, 15.0, &[]);
        assert_eq!(none, Mask::empty(SIZE, SIZE));
    }

    #[test]
    fn a_point_that_the_mask_was_right_about_is_not_overruled() {
        let photo = picture([220, 120, 30]);
        let mut mask = drawn();
        fit(&mut mask, &photo, 15.0, &[([80, 60], false)]);
        assert_eq!(mask, drawn(), "the arm was said to be none of it");
    }

    #[test]
    fn a_mask_at_the_border_and_a_large_photo_are_fitted_too() {
        let photo = picture([220, 120, 30]);
        let mut mask = masked(|x, y| x < 4 && y > 100);
        fit(&mut mask, &photo, 15.0, &[]);
        assert_eq!((mask.width, mask.height), (SIZE, SIZE));
        let mut whole = masked(|_, _| true);
        fit(&mut whole, &photo, 15.0, &[]);
        assert_eq!(
            whole.count(),
            SIZE * SIZE,
            "without surroundings there is nothing to compare with"
        );
    }
}
