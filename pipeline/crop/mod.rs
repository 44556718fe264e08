//! Which parts of a photo are worked on: one crop with surroundings per group of hole regions.

use std::sync::Arc;

use super::Grid;
use crate::PluginError;
use cleanplate_pictures::resample::resize;
use cleanplate_pictures::{Mask, Rect};

/// A fill for one crop, at the resolution at which it was made.
#[derive(Debug, Clone, Default, PartialEq)]
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

impl Planned {
    /// Pixels of its fill: an enlarged one is brought back to the photo's size.
    fn fill_pixels(&self) -> usize {
        (self.width * self.height).min(self.rect.pixels())
    }
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

/// Pixels of fills for each pixel of a photo, at most: crops overlap by their surroundings.
const FILLS_OF_PHOTO: usize = 4;
/// Pixels of fills that every photo may have.
const FILL_PIXELS_LEAST: usize = 2_000_000;
/// Working size to which [`plan_within`] goes down at most.
const WORKING_PX_LEAST: usize = 128;

/// Most pixels of fills that are held for a photo of `photo_px` pixels, all candidates of networks together ([`plan_within`]).
pub fn fill_pixels_max(photo_px: usize) -> usize {
    let of_photo = FILLS_OF_PHOTO.saturating_mul(photo_px);
    of_photo.clamp(FILL_PIXELS_LEAST, WORK_PIXELS_MAX)
}

/// Plans one crop per group of the hole (`alpha` above 0). Groups whose surroundings overlap are merged when that costs no
/// further scaling down, or when their holes interlock. Refuses, before anything is filled, what would be too much work.
pub fn plan(alpha: &Mask, wish: &CropPlan) -> Result<(Arc<Grid>, Vec<Planned>), PluginError> {
    plan_within(alpha, wish, usize::MAX).map(|(grid, planned, _)| (grid, planned))
}

/// Like [`plan`], and with it the working size: a smaller one than wished where the fills would have more than `room_px` pixels.
pub fn plan_within(
    alpha: &Mask,
    wish: &CropPlan,
    room_px: usize,
) -> Result<(Arc<Grid>, Vec<Planned>, usize), PluginError> {
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
    let enlarged = |crops: &[Planned]| -> usize {
        let all = crops.iter().filter(|c| c.width > c.rect.width());
        all.map(|c| c.width * c.height).sum()
    };
    let mut wish = *wish;
    let mut planned = fitted(&wish);
    if enlarged(&planned) > ENLARGED_PIXELS_MAX {
        wish.working_px_min = 0;
        planned = fitted(&wish);
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
    while planned.iter().map(Planned::fill_pixels).sum::<usize>() > room_px
        && wish.working_px_max > WORKING_PX_LEAST
    {
        let smaller = wish.working_px_max.saturating_sub(wish.bucket_px.max(1));
        wish.working_px_max = smaller.max(WORKING_PX_LEAST);
        planned = fitted(&wish);
    }
    let to: Vec<u32> = owner.iter().map(|&o| numbers[o as usize]).collect();
    grid.renumber(&to);
    Ok((Arc::new(grid), planned, wish.working_px_max))
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
mod tests;
