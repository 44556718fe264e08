//! `chroma`: takes coloured smears out of a network's fill.
//!
//! Networks draw faint coloured patches (pink and green in a grey cloud) where the photo has none. In photos colour seldom changes where
//! lightness does not, so inside the hole both differences of colour are replaced by what the best linear function of lightness gives for
//! them within a small window (a guided filter): lightness, and with it all detail, stays as it was. What such a change would
//! usually be in the photo nearby is taken off it, and large ones are held back: a strong colour is a thing, not a smear.

mod plane;

use serde::Deserialize;

use cleanplate_pictures::Rect;
use cleanplate_pictures::resample::shrink_hole;
use cleanplate_pipeline::{Crop, Fill, Stage, Work};
use cleanplate_pipeline::{PluginError, PluginInfo};

use plane::Plane;

const NAME: &str = "chroma";

/// What is usual is looked for this many windows around a pixel.
const NEAR: usize = 3;

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Chroma>(include_str!("plugin.toml"));

#[derive(Deserialize)]
struct Chroma {
    radius_px: usize,
    contrast: f32,
    limit: f32,
}

impl Chroma {
    /// Calms the colours of the hole's pixels; the others of `fill` are looked at and stay.
    fn calm(&self, fill: &mut Fill, hole: &[u8]) {
        let Some(part) = reach(fill, hole, 2 * NEAR * self.radius_px) else {
            return;
        };
        let of = |value: fn([f32; 3]) -> f32| Plane::of(fill, part, value);
        let (lightness, red, blue) = (of(luma), of(|p| p[0] - luma(p)), of(|p| p[2] - luma(p)));
        let guide = Guide::new(&lightness, self.radius_px, self.contrast);
        let change = [&red, &blue].map(|plane| guide.follow(plane).with(plane, |to, is| to - is));
        let size = change[0].with(&change[1], f32::hypot);
        let known = Plane::known(fill.width, part, hole);
        let usual = usual(&size, &known, NEAR * self.radius_px);
        for (at, pixel) in pixels(part, fill.width).enumerate() {
            if hole[pixel] == 0 || size.values[at] <= usual.values[at] {
                continue;
            }
            let (size, l) = (size.values[at], lightness.values[at]);
            let share = (2.0 - size / self.limit).clamp(0.0, 1.0) * (1.0 - usual.values[at] / size);
            let r = l + red.values[at] + share * change[0].values[at];
            let b = l + blue.values[at] + share * change[1].values[at];
            let g = (l - LUMA[0] * r - LUMA[2] * b) / LUMA[1];
            let calmed = [r, g, b].map(|v| v.clamp(0.0, 1.0));
            fill.rgb[3 * pixel..3 * pixel + 3].copy_from_slice(&calmed);
        }
    }
}

/// How large such changes would be for the known pixels nearby: photos have colours of their own, and so much is left to the fill.
fn usual(size: &Plane, known: &Plane, radius: usize) -> Plane {
    let near = |plane: &Plane| plane.averaged(radius).averaged(radius);
    let all: f32 = known.values.iter().sum();
    let mean = size.times(known).values.iter().sum::<f32>() / all.max(1.0);
    near(&size.times(known)).with(
        &near(known),
        |sum, count| {
            if count > 1e-4 { sum / count } else { mean }
        },
    )
}

/// The pixels of a part of a picture, row by row.
fn pixels(part: Rect, width: usize) -> impl Iterator<Item = usize> {
    (part.y0..part.y1).flat_map(move |y| (part.x0..part.x1).map(move |x| y * width + x))
}

impl Stage for Chroma {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let mut crops = std::mem::take(&mut work.crops);
        let count = crops.len();
        for (i, crop) in crops.iter_mut().enumerate() {
            work.check_cancelled(&format!("{NAME}, crop {} of {count}", i + 1))?;
            let Crop { rect, fill, .. } = crop;
            let hole = shrink_hole(&work.alpha, *rect, fill.width, fill.height);
            self.calm(fill, &hole);
            work.observer.stage(NAME, (i + 1) as f32 / count as f32);
        }
        work.crops = crops;
        Ok(())
    }
}

/// Shares of red, green and blue in lightness.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

fn luma(pixel: [f32; 3]) -> f32 {
    pixel.iter().zip(LUMA).map(|(v, share)| v * share).sum()
}

/// Bounds of the hole with `margin` pixels around it; `None` without a hole.
fn reach(fill: &Fill, hole: &[u8], margin: usize) -> Option<Rect> {
    let mut bounds: Option<Rect> = None;
    for (y, row) in hole.chunks_exact(fill.width).enumerate() {
        let left = row.iter().position(|share| *share > 0);
        let right = row.iter().rposition(|share| *share > 0);
        if let (Some(x0), Some(right)) = (left, right) {
            let line = Rect {
                x0,
                y0: y,
                x1: right + 1,
                y1: y + 1,
            };
            bounds = Some(bounds.map_or(line, |rect| rect.union(&line)));
        }
    }
    bounds.map(|rect| rect.grown(margin, fill.width, fill.height))
}

/// Lightness, ready to lead other planes.
struct Guide<'a> {
    lightness: &'a Plane,
    radius: usize,
    mean: Plane,
    /// Variance within the window, and the least that counts.
    variance: Plane,
}

impl<'a> Guide<'a> {
    fn new(lightness: &'a Plane, radius: usize, contrast: f32) -> Self {
        let mean = lightness.averaged(radius);
        let square = lightness.times(lightness).averaged(radius);
        let variance = square.with(&mean, |square, mean| {
            (square - mean * mean).max(0.0) + contrast * contrast
        });
        Guide {
            lightness,
            radius,
            mean,
            variance,
        }
    }

    /// The plane as the linear functions of lightness around each pixel give it.
    fn follow(&self, plane: &Plane) -> Plane {
        let mean = plane.averaged(self.radius);
        let product = plane.times(self.lightness).averaged(self.radius);
        let covariance = product.with(&mean.times(&self.mean), |product, means| product - means);
        let slope = covariance.with(&self.variance, |covariance, variance| covariance / variance);
        let offset = mean.with(&slope.times(&self.mean), |mean, part| mean - part);
        let slope = slope.averaged(self.radius).times(self.lightness);
        slope.with(&offset.averaged(self.radius), |part, offset| part + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;

    /// A grey slope with a hole in its middle, painted by `paint`.
    fn calmed(paint: impl Fn(usize, usize) -> Option<[f32; 3]>) -> (Fill, Fill) {
        let inside = |at: usize| (16..48).contains(&(at % SIDE)) && (16..48).contains(&(at / SIDE));
        let hole: Vec<u8> = (0..SIDE * SIDE)
            .map(|at| u8::from(inside(at)) * 255)
            .collect();
        let rgb = (0..SIDE * SIDE).flat_map(|at| {
            let (x, y) = (at % SIDE, at / SIDE);
            let painted = paint(x, y).filter(|_| inside(at));
            painted.unwrap_or([0.4 + 0.002 * x as f32; 3])
        });
        let before = Fill {
            width: SIDE,
            height: SIDE,
            rgb: rgb.collect(),
        };
        let mut after = before.clone();
        let chroma = Chroma {
            radius_px: 8,
            contrast: 0.02,
            limit: 0.08,
        };
        chroma.calm(&mut after, &hole);
        for at in (0..SIDE * SIDE).filter(|at| !inside(*at)) {
            assert_eq!(
                after.rgb[3 * at..3 * at + 3],
                before.rgb[3 * at..3 * at + 3]
            );
        }
        (before, after)
    }

    fn pixel(fill: &Fill, x: usize, y: usize) -> [f32; 3] {
        let at = 3 * (y * SIDE + x);
        [fill.rgb[at], fill.rgb[at + 1], fill.rgb[at + 2]]
    }

    fn colour(p: [f32; 3]) -> f32 {
        (p[0] - p[1]).abs().max((p[2] - p[1]).abs())
    }

    #[test]
    fn a_smear_of_the_lightness_around_it_goes_and_lightness_stays() {
        // Pink, as light as the grey there.
        let smear = |x: usize, y: usize| {
            (28..34).contains(&x).then_some(())?;
            (30..33).contains(&y).then_some(())?;
            let l = 0.4 + 0.002 * x as f32;
            let (r, b) = (l + 0.06, l + 0.04);
            Some([r, (l - LUMA[0] * r - LUMA[2] * b) / LUMA[1], b])
        };
        let (before, after) = calmed(smear);
        let (was, is) = (pixel(&before, 30, 31), pixel(&after, 30, 31));
        assert!(colour(was) > 0.08 && colour(is) < 0.03, "{was:?} {is:?}");
        assert!((luma(was) - luma(is)).abs() < 1e-4);
    }

    #[test]
    fn what_differs_in_lightness_keeps_its_colour() {
        let wall = |x: usize, _: usize| (x >= 32).then_some([0.75, 0.2, 0.1]);
        let (before, after) = calmed(wall);
        for x in [33, 36, 40, 46] {
            let (was, is) = (pixel(&before, x, 32), pixel(&after, x, 32));
            assert!(
                (colour(was) - colour(is)).abs() < 0.12,
                "{x}: {was:?} {is:?}"
            );
        }
        let grey = pixel(&after, 24, 32);
        assert!(colour(grey) < 0.05, "nothing runs over the edge: {grey:?}");
    }

    #[test]
    fn where_the_photo_is_as_colourful_the_fill_may_be() {
        let speckled = |x: usize, y: usize| {
            let sign = if (x / 2 + y / 2).is_multiple_of(2) {
                1.0
            } else {
                -1.0
            };
            let (r, b) = (0.5 + 0.06 * sign, 0.5 - 0.06 * sign);
            [r, (0.5 - LUMA[0] * r - LUMA[2] * b) / LUMA[1], b]
        };
        let rgb = (0..SIDE * SIDE).flat_map(|at| speckled(at % SIDE, at / SIDE));
        let before = Fill {
            width: SIDE,
            height: SIDE,
            rgb: rgb.collect(),
        };
        let mut after = before.clone();
        let hole: Vec<u8> = (0..SIDE * SIDE)
            .map(|at| u8::from((24..40).contains(&(at % SIDE)) && at / SIDE > 30))
            .collect();
        let chroma = Chroma {
            radius_px: 4,
            contrast: 0.02,
            limit: 0.08,
        };
        chroma.calm(&mut after, &hole);
        let changed = before
            .rgb
            .iter()
            .zip(&after.rgb)
            .map(|(a, b)| (a - b).abs());
        let most = changed.fold(0.0, f32::max);
        assert!(most < 0.01, "{most}");
    }

    #[test]
    fn no_hole_no_change() {
        let mut fill = Fill {
            width: 4,
            height: 3,
            rgb: (0..36).map(|i| i as f32 / 36.0).collect(),
        };
        let before = fill.rgb.clone();
        let chroma = Chroma {
            radius_px: 2,
            contrast: 0.02,
            limit: 0.08,
        };
        chroma.calm(&mut fill, &[0; 12]);
        assert_eq!(fill.rgb, before);
    }
}
