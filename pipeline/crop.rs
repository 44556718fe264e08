//! Which parts of a photo are worked on: one crop with surroundings per group of hole regions.

use std::sync::Arc;

use super::Grid;
use crate::PluginError;
use cleanplate_pictures::resample::resize;
use cleanplate_pictures::{Mask, Rect};

/// A fill for one crop, at the resolution at which it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Fill {
    /// Width in pixels; smaller than the crop when the crop was scaled down for inpainting.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// RGB 0..1, `[height, width, 3]`: the fill inside the hole, the photo's own pixels outside.
    pub rgb: Vec<f32>,
}

/// One group of hole regions with its surroundings.
#[derive(Debug, Clone)]
pub struct Crop {
    /// Where it lies in the photo.
    pub rect: Rect,
    /// Its group in [`Crop::grid`]: only that group's pixels are taken from this fill. Other holes inside `rect` are holes
    /// for this crop too, but belong to other crops.
    pub group: u32,
    /// The grid that says which pixels belong to which group.
    pub grid: Arc<Grid>,
    /// The fill; stages may replace it by one of another size.
    pub fill: Fill,
    /// The fill's alpha, where the inpaint stage has filled it together with the colours; otherwise alpha is filled by itself. Only
    /// photos that are not opaque need one.
    pub alpha: Option<AlphaFill>,
}

/// Alpha for the hole of a crop, at the photo's own resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct AlphaFill {
    /// Where it lies in the photo: all of the crop's hole at least.
    pub rect: Rect,
    /// 0 transparent to 1 opaque, `[rect.height(), rect.width()]`.
    pub values: Vec<f32>,
}

impl AlphaFill {
    /// A gray fill of `rect` as alpha, brought to its size.
    pub fn of(rect: Rect, fill: &Fill) -> AlphaFill {
        let size = (rect.width(), rect.height());
        let gray = resize(&fill.rgb, (fill.width, fill.height), size);
        AlphaFill {
            rect,
            values: gray.into_iter().step_by(3).collect(),
        }
    }

    /// The value at a pixel of the photo; `None` outside of `rect`.
    pub fn at(&self, x: usize, y: usize) -> Option<f32> {
        let (x, y) = (x.checked_sub(self.rect.x0)?, y.checked_sub(self.rect.y0)?);
        let width = self.rect.width();
        (x < width).then(|| self.values.get(y * width + x).copied())?
    }
}

/// Wishes for crops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropPlan {
    /// Least surroundings on each side, in pixels of the photo.
    pub context_px_min: usize,
    /// Least side of a crop, surroundings included, in pixels of the photo.
    pub side_px_min: usize,
    /// Surroundings on each side as a share of the hole's longer side, when that is more.
    pub context_share: f64,
    /// Longest side of a crop as the network sees it; larger crops are scaled down.
    pub working_px_max: usize,
    /// Least longer side of a crop as the network sees it; smaller crops are enlarged. 0: none is.
    pub working_px_min: usize,
    /// Sides are rounded up to multiples of this where the photo allows, so that few sizes are compiled and little is padded.
    pub bucket_px: usize,
}

/// [`CropPlan::bucket_px`] of fills that take any size.
pub const BUCKET_PX: usize = 64;

/// A planned crop: where, for which group, and at which size it is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Where it lies in the photo.
    pub rect: Rect,
    /// Its group in the grid.
    pub group: u32,
    /// Working width in pixels; equal to `rect.width()` when nothing is scaled, more when it is enlarged.
    pub width: usize,
    /// Working height in pixels.
    pub height: usize,
}

/// Most pixels that networks see for one photo, all crops together: more would keep a device busy for minutes and fills in memory for
/// gigabytes. An object that is large as a whole takes one crop of the working size, so only scattered regions come near it.
pub const WORK_PIXELS_MAX: usize = 48_000_000;

/// Most pixels that networks see of crops that are enlarged, all together: many small ones, as of dust, are seen as they are.
const ENLARGED_PIXELS_MAX: usize = 1 << 20;

/// Plans one crop per group of the hole (`alpha` above 0). Groups whose surroundings overlap are merged when that costs no
/// further scaling down, or when their holes interlock. Refuses, before anything is filled, what would be too much work.
pub fn plan(alpha: &Mask, wish: &CropPlan) -> Result<(Arc<Grid>, Vec<Planned>), PluginError> {
    let (mut grid, holes) = Grid::label(alpha);
    let size = (alpha.width, alpha.height);
    let mut owner: Vec<u32> = (0..holes.len() as u32).collect();
    let mut merged: Vec<Option<Group>> = holes
        .iter()
        .map(|&hole| {
            Some(Group {
                hole,
                context: context(hole, wish, size),
            })
        })
        .collect();
    while merge_pass(&mut merged, &mut owner, wish, size) {}
    let mut numbers = vec![0u32; merged.len()];
    let mut contexts = Vec::new();
    for (i, group) in merged.iter().enumerate() {
        let Some(group) = group else { continue };
        numbers[i] = contexts.len() as u32;
        contexts.push(group.context);
    }
    let fitted = |wish: &CropPlan| -> Vec<Planned> {
        let crops = contexts.iter().zip(0..);
        crops.map(|(at, i)| fit(*at, i, wish, size)).collect()
    };
    let seen = |crops: &[Planned]| -> usize { crops.iter().map(|c| c.width * c.height).sum() };
    let mut planned = fitted(wish);
    if wish.working_px_min > 0 && seen(&planned) > ENLARGED_PIXELS_MAX {
        planned = fitted(&CropPlan {
            working_px_min: 0,
            ..*wish
        });
    }
    let pixels = seen(&planned);
    if pixels > WORK_PIXELS_MAX {
        return Err(PluginError::Scattered {
            regions: owner.len(),
            crops: planned.len(),
            pixels,
            pixels_max: WORK_PIXELS_MAX,
        });
    }
    let to: Vec<u32> = owner.iter().map(|&o| numbers[o as usize]).collect();
    grid.renumber(&to);
    Ok((Arc::new(grid), planned))
}

#[derive(Clone, Copy)]
struct Group {
    hole: Rect,
    context: Rect,
}

/// Merges each group into an earlier one where the rule says so; true when anything changed.
fn merge_pass(
    groups: &mut [Option<Group>],
    owner: &mut [u32],
    wish: &CropPlan,
    size: (usize, usize),
) -> bool {
    let mut changed = false;
    for i in 0..groups.len() {
        for j in i + 1..groups.len() {
            let (Some(a), Some(b)) = (groups[i], groups[j]) else {
                continue;
            };
            if let Some(both) = merge(a, b, wish, size) {
                groups[i] = Some(both);
                groups[j] = None;
                owner
                    .iter_mut()
                    .filter(|o| **o == j as u32)
                    .for_each(|o| *o = i as u32);
                changed = true;
            }
        }
    }
    changed
}

fn merge(a: Group, b: Group, wish: &CropPlan, size: (usize, usize)) -> Option<Group> {
    if !a.context.intersects(&b.context) {
        return None;
    }
    let hole = a.hole.union(&b.hole);
    let both = Group {
        hole,
        context: context(hole, wish, size),
    };
    let long = |r: Rect| r.width().max(r.height());
    let free = wish
        .working_px_max
        .max(long(a.context))
        .max(long(b.context));
    (a.hole.intersects(&b.hole) || long(both.context) <= free).then_some(both)
}

/// The hole with its surroundings: a margin on each side, no thinner than half as wide as long, moved into the photo.
fn context(hole: Rect, wish: &CropPlan, size: (usize, usize)) -> Rect {
    let long = hole.width().max(hole.height());
    let margin = wish
        .context_px_min
        .max((wish.context_share * long as f64).ceil() as usize);
    let (width, height) = (hole.width() + 2 * margin, hole.height() + 2 * margin);
    let least = wish.side_px_min;
    let side = |px: usize, other: usize| px.max(other / 2).max(least);
    around(hole, (side(width, height), side(height, width)), size)
}

/// A rectangle of at least `want` (cut to the photo) around `inner`, centred, shifted where a border is in the way.
fn around(inner: Rect, want: (usize, usize), size: (usize, usize)) -> Rect {
    let axis = |low: usize, high: usize, want: usize, limit: usize| {
        let length = want.max(high - low).min(limit);
        let start = ((low + high) / 2)
            .saturating_sub(length / 2)
            .min(limit - length);
        (start, start + length)
    };
    let (x0, x1) = axis(inner.x0, inner.x1, want.0, size.0);
    let (y0, y1) = axis(inner.y0, inner.y1, want.1, size.1);
    Rect { x0, y0, x1, y1 }
}

/// Chooses the working size, and widens the crop to the nearest bucket where the photo allows.
fn fit(context: Rect, group: u32, wish: &CropPlan, size: (usize, usize)) -> Planned {
    let unit = wish.bucket_px.max(1);
    let bucket = |v: f64| ((v / unit as f64).ceil().max(1.0) as usize) * unit;
    let long = context.width().max(context.height());
    let working = wish.working_px_max.max(unit);
    let least = wish.working_px_min.min(working);
    if (least..=working).contains(&long) {
        let (w, h) = (
            bucket(context.width() as f64).min(working),
            bucket(context.height() as f64).min(working),
        );
        let rect = around(context, (w, h), size);
        return Planned {
            rect,
            group,
            width: rect.width(),
            height: rect.height(),
        };
    }
    let working = if long < least { least } else { working };
    let scale = long as f64 / working as f64;
    let side = |px: usize| bucket(px as f64 / scale - 1e-9).min(working);
    let (w, h) = (side(context.width()), side(context.height()));
    let rect = around(
        context,
        (
            (w as f64 * scale).round() as usize,
            (h as f64 * scale).round() as usize,
        ),
        size,
    );
    // Where the photo was too small to widen, the working size follows the crop, to whole multiples of 8.
    let follow = |px: usize, wanted: usize| {
        let exact = px as f64 / scale;
        if (exact - wanted as f64).abs() < 1.0 {
            wanted
        } else {
            (((exact / 8.0).round() as usize).max(1) * 8).min(working)
        }
    };
    Planned {
        rect,
        group,
        width: follow(rect.width(), w),
        height: follow(rect.height(), h),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: CropPlan = CropPlan {
        side_px_min: 0,
        context_px_min: 128,
        context_share: 0.25,
        working_px_max: 512,
        working_px_min: 0,
        bucket_px: BUCKET_PX,
    };

    fn mask(width: usize, height: usize, rects: &[[usize; 4]]) -> Mask {
        let mut m = Mask::empty(width, height);
        for &[x0, y0, x1, y1] in rects {
            for y in y0..y1 {
                m.data[y * width + x0..y * width + x1].fill(255);
            }
        }
        m
    }

    #[test]
    fn a_small_object_is_worked_on_unscaled_in_a_bucketed_crop() {
        let (_, crops) = plan(&mask(4000, 3000, &[[1000, 1000, 1100, 1050]]), &WISH).unwrap();
        assert_eq!(crops.len(), 1);
        let c = crops[0];
        assert_eq!((c.width, c.height), (384, 320));
        assert_eq!((c.rect.width(), c.rect.height()), (384, 320));
        assert!(
            c.rect.x0 <= 1000 - 128
                && c.rect.x1 >= 1100 + 128
                && c.rect.y0 <= 1000 - 128
                && c.rect.y1 >= 1050 + 128
        );
    }

    #[test]
    fn a_crop_has_its_least_side_where_the_photo_has_it() {
        let wish = CropPlan {
            side_px_min: 512,
            ..WISH
        };
        let hole = [[1000, 700, 1100, 750]];
        let crop = plan(&mask(4000, 3000, &hole), &wish).unwrap().1[0];
        assert_eq!((crop.width, crop.height), (512, 512));
        let crop = plan(&mask(4000, 300, &[[1000, 70, 1100, 90]]), &wish)
            .unwrap()
            .1[0];
        assert_eq!((crop.rect.width(), crop.rect.height()), (512, 300));
    }

    #[test]
    fn a_small_crop_is_enlarged_to_its_least_working_size_with_its_shape_kept() {
        let wish = CropPlan {
            context_px_min: 16,
            context_share: 0.5,
            working_px_min: 512,
            ..WISH
        };
        let crop = |hole| plan(&mask(4000, 3000, &[hole]), &wish).unwrap().1[0];
        let small = crop([1000, 700, 1100, 750]);
        assert_eq!((small.rect.width(), small.rect.height()), (200, 150));
        assert_eq!((small.width, small.height), (512, 384));
        let dust: Vec<[usize; 4]> = (0..30)
            .map(|i| [100 + i * 120, 90, 104 + i * 120, 94])
            .collect();
        let (_, many) = plan(&mask(4000, 3000, &dust), &wish).unwrap();
        assert!(many.iter().all(|c| c.width == c.rect.width()), "{many:?}");
        let large = crop([1000, 700, 2000, 1700]);
        assert_eq!((large.rect.width(), large.width), (2000, 512));
        // Where the photo ends, the working size follows.
        let (_, cut) = plan(&mask(4000, 110, &[[1000, 0, 1200, 110]]), &wish).unwrap();
        assert_eq!((cut[0].rect.width(), cut[0].rect.height()), (400, 110));
        assert_eq!((cut[0].width, cut[0].height), (512, 144));
    }

    #[test]
    fn a_crop_at_a_corner_is_shifted_into_the_photo() {
        let (_, crops) = plan(&mask(1000, 800, &[[990, 790, 1000, 800]]), &WISH).unwrap();
        assert_eq!(
            crops[0].rect,
            Rect {
                x0: 680,
                y0: 480,
                x1: 1000,
                y1: 800
            }
        );
    }

    #[test]
    fn a_large_object_is_scaled_to_the_working_size_with_its_shape_kept() {
        let (_, crops) = plan(&mask(6000, 5000, &[[1000, 1000, 3000, 2000]]), &WISH).unwrap();
        let c = crops[0];
        assert_eq!(c.width, 512);
        let (sx, sy) = (
            c.rect.width() as f64 / c.width as f64,
            c.rect.height() as f64 / c.height as f64,
        );
        assert!((sx / sy - 1.0).abs() < 0.01, "{sx} {sy}");
    }

    #[test]
    fn far_groups_stay_apart_and_near_ones_merge() {
        let (_, far) = plan(
            &mask(
                4000,
                3000,
                &[[100, 100, 200, 200], [3000, 2000, 3100, 2100]],
            ),
            &WISH,
        )
        .unwrap();
        assert_eq!(far.len(), 2);
        let (grid, near) = plan(
            &mask(4000, 3000, &[[500, 500, 550, 550], [620, 500, 660, 550]]),
            &WISH,
        )
        .unwrap();
        assert_eq!(near.len(), 1);
        assert_eq!(grid.group_at(510, 510), grid.group_at(650, 510));
    }

    #[test]
    fn neighbours_that_would_need_scaling_stay_apart_and_own_their_pixels() {
        let m = mask(4000, 3000, &[[500, 500, 700, 700], [900, 500, 1100, 700]]);
        let (grid, crops) = plan(&m, &WISH).unwrap();
        assert_eq!(crops.len(), 2);
        assert!(crops[0].rect.intersects(&crops[1].rect));
        assert_ne!(grid.group_at(600, 600), grid.group_at(1000, 600));
    }

    #[test]
    fn a_scattered_mask_over_a_large_photo_is_planned_quickly() {
        let mut m = Mask::empty(8660, 5773);
        for i in (0..m.data.len()).step_by(130) {
            m.data[i] = 255;
        }
        let started = std::time::Instant::now();
        let (_, crops) = plan(&m, &WISH).unwrap();
        assert!(!crops.is_empty());
        assert!(started.elapsed().as_secs() < 5);
    }

    /// Dots spread evenly over 50 million pixels.
    fn dots(count: usize) -> Mask {
        let mut m = Mask::empty(8660, 5773);
        let columns = (count as f64 * 1.5).sqrt() as usize;
        let rows = count.div_ceil(columns);
        for i in 0..count {
            let (x, y) = (i % columns * 8660 / columns, i / columns * 5773 / rows);
            m.data[y * 8660 + x] = 255;
        }
        m
    }

    #[test]
    fn more_regions_than_can_be_worked_on_are_refused_before_any_is() {
        let started = std::time::Instant::now();
        let error = plan(&dots(3_000), &WISH).unwrap_err();
        assert!(started.elapsed().as_secs() < 5);
        let PluginError::Scattered { crops, pixels, .. } = error else {
            panic!("{error}")
        };
        println!("3,000 dots: {crops} crops, {pixels} pixels");
        assert!(pixels > WORK_PIXELS_MAX);
        let (_, crops) = plan(&dots(150), &WISH).unwrap();
        assert_eq!(crops.len(), 150);
    }
}
