//! What a plugin of the user sees of one crop, and how its answer is taken.

use std::sync::Arc;

use crate::PluginError;
use crate::manifest::StageKind;
use crate::{BUCKET_PX, Crop, CropPlan, Fill, Work, plan};
use cleanplate_pictures::Rect;
use cleanplate_pictures::resample::{resize, shrink_hole, shrink_photo};

/// Surroundings and working size of crops that an inpaint plugin of the user asks for nothing else about.
const WISH: CropPlan = CropPlan {
    side_px_min: 0,
    context_px_min: 128,
    context_share: 0.25,
    working_px_max: 1024,
    working_px_min: 0,
    bucket_px: BUCKET_PX,
};

/// One crop as pictures of one size.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The photo, RGB 0..1, `[height, width, 3]`; the object is still in the hole.
    pub photo: Vec<f32>,
    /// 255 where a fill is wanted, 0 elsewhere, `[height, width]`.
    pub hole: Vec<u8>,
    /// The fill so far, RGB 0..1, `[height, width, 3]`; for inpaint plugins the photo with the hole in mid-gray.
    pub fill: Vec<f32>,
}

impl Sheet {
    /// The plugin's answer as a fill: inside the hole what it gave, outside the photo.
    pub fn take(self, plugin: &str, answer: &[f32]) -> Result<Fill, PluginError> {
        let Sheet {
            width,
            height,
            photo: mut rgb,
            hole,
            ..
        } = self;
        if answer.len() != rgb.len() {
            let detail = format!(
                "it gave {} values for {width}x{height} pixels of 3",
                answer.len()
            );
            return Err(PluginError::User {
                plugin: plugin.to_string(),
                detail,
            });
        }
        let pixels = rgb
            .chunks_exact_mut(3)
            .zip(answer.chunks_exact(3))
            .zip(&hole)
            .enumerate();
        for (i, ((own, given), _)) in pixels.filter(|(_, (_, hole))| **hole != 0) {
            if let Some(bad) = given.iter().find(|v| !v.is_finite()) {
                let detail = format!(
                    "it gave {bad} at pixel ({}, {}), colours are 0 to 1",
                    i % width,
                    i / width
                );
                return Err(PluginError::User {
                    plugin: plugin.to_string(),
                    detail,
                });
            }
            own.iter_mut()
                .zip(given)
                .for_each(|(own, v)| *own = v.clamp(0.0, 1.0));
        }
        Ok(Fill { width, height, rgb })
    }
}

/// Calls `work_on` with every crop of a stage and keeps its answers: inpaint plans the crops, refine and finish work on
/// those there are, at the photo's own resolution up to `pixels_max` a crop. What is larger is worked on at a smaller
/// size, or left as it is where that would cost detail; both are told as a warning.
pub(crate) fn for_each_crop(
    work: &mut Work<'_>,
    plugin: &str,
    stage: StageKind,
    pixels_max: usize,
    mut work_on: impl FnMut(&Work<'_>, &Sheet) -> Result<Vec<f32>, PluginError>,
) -> Result<(), PluginError> {
    if stage == StageKind::Inpaint {
        return inpaint(work, plugin, work_on);
    }
    let crops = std::mem::take(&mut work.crops);
    let count = crops.len();
    let mut done = Vec::with_capacity(count);
    for (i, mut crop) in crops.into_iter().enumerate() {
        work.check_cancelled(&format!("{plugin}, crop {} of {count}", i + 1))?;
        if let Some((width, height)) = target(work, plugin, &crop, pixels_max) {
            let fill = resize(
                &crop.fill.rgb,
                (crop.fill.width, crop.fill.height),
                (width, height),
            );
            let sheet = sheet(work, crop.rect, (width, height), Some(fill));
            let answer = work_on(work, &sheet)?;
            crop.fill = sheet.take(plugin, &answer)?;
        }
        done.push(crop);
        work.observer.stage(plugin, (i + 1) as f32 / count as f32);
    }
    work.crops = done;
    Ok(())
}

fn inpaint(
    work: &mut Work<'_>,
    plugin: &str,
    mut work_on: impl FnMut(&Work<'_>, &Sheet) -> Result<Vec<f32>, PluginError>,
) -> Result<(), PluginError> {
    let (grid, planned) = plan(&work.alpha, &WISH)?;
    for (i, crop) in planned.iter().enumerate() {
        work.check_cancelled(&format!("{plugin}, crop {} of {}", i + 1, planned.len()))?;
        let sheet = sheet(work, crop.rect, (crop.width, crop.height), None);
        let answer = work_on(work, &sheet)?;
        let fill = sheet.take(plugin, &answer)?;
        work.crops.push(Crop {
            rect: crop.rect,
            group: crop.group,
            grid: Arc::clone(&grid),
            fill,
            alpha: None,
        });
        work.observer
            .stage(plugin, (i + 1) as f32 / planned.len() as f32);
    }
    Ok(())
}

fn sheet(
    work: &Work<'_>,
    rect: Rect,
    (width, height): (usize, usize),
    fill: Option<Vec<f32>>,
) -> Sheet {
    let photo = shrink_photo(&work.photo, rect, width, height);
    let hole = shrink_hole(&work.alpha, rect, width, height);
    let fill = fill.unwrap_or_else(|| {
        let blank = |(pixel, hole): (&[f32], &u8)| {
            if *hole == 0 {
                [pixel[0], pixel[1], pixel[2]]
            } else {
                [0.5; 3]
            }
        };
        photo.chunks_exact(3).zip(&hole).flat_map(blank).collect()
    });
    Sheet {
        width,
        height,
        photo,
        hole,
        fill,
    }
}

/// The size at which a crop is worked on; `None` when it is left as it is.
fn target(
    work: &mut Work<'_>,
    plugin: &str,
    crop: &Crop,
    pixels_max: usize,
) -> Option<(usize, usize)> {
    let (width, height) = (crop.rect.width(), crop.rect.height());
    if width * height <= pixels_max {
        return Some((width, height));
    }
    let scale = (pixels_max as f64 / (width * height) as f64).sqrt();
    let side = |px: usize| ((px as f64 * scale) as usize).max(1);
    let small = (side(width), side(height));
    let mut warn = |what: String| {
        work.warnings.push(format!(
            "{plugin}: a crop of {width}x{height} px is over its limit of {pixels_max} px, {what}"
        ))
    };
    if crop.fill.width > small.0 || crop.fill.height > small.1 {
        warn("and was left as it was".to_string());
        return None;
    }
    warn(format!("and was worked on at {}x{}", small.0, small.1));
    Some(small)
}
