//! `patchmatch-refine`: real detail for a coarse fill.
//!
//! The search of [`crate::patchmatch`], where patches must also agree with the coarse colours of the given fill: that fill
//! decides what stands where, the photo's own pixels how it looks.

use std::sync::Arc;

use serde::Deserialize;

use crate::patchmatch::{BlendChoice, Common, Place, Preset};
use cleanplate_pictures::resample::resize;
use cleanplate_pipeline::{Crop, Fill, Stage, Work};
use cleanplate_pipeline::{PluginError, PluginInfo};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Refine>(include_str!("plugin.toml"));

#[derive(Deserialize)]
struct Parameters {
    preset: Preset,
    seed: u32,
    ring_px: Option<usize>,
    blend: BlendChoice,
    pixels_max: Option<usize>,
    when: When,
    guide_weight: f32,
    guide_px: Option<usize>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum When {
    Always,
    Scaled,
}

#[derive(Deserialize)]
#[serde(from = "Parameters")]
struct Refine {
    common: Common,
    weight: f32,
    guide_px: Option<usize>,
    scaled_only: bool,
}

impl From<Parameters> for Refine {
    fn from(given: Parameters) -> Self {
        let settings = given.preset.settings(given.seed, given.blend);
        Refine {
            common: Common::new(settings, given.ring_px, given.pixels_max),
            weight: given.guide_weight,
            guide_px: given.guide_px,
            scaled_only: given.when == When::Scaled,
        }
    }
}

impl Refine {
    /// The fill without the detail that is not trusted.
    fn guide(&self, crop: &Crop) -> Fill {
        let fill = &crop.fill;
        let side = self
            .guide_px
            .unwrap_or(if fill.is_full_size(crop.rect) { 2 } else { 1 });
        let (width, height) = (fill.width.div_ceil(side), fill.height.div_ceil(side));
        Fill {
            width,
            height,
            rgb: resize(&fill.rgb, (fill.width, fill.height), (width, height)),
        }
    }
}

impl Stage for Refine {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let count = work.crops.len();
        for i in 0..count {
            work.check_cancelled(&format!("patchmatch-refine, crop {} of {count}", i + 1))?;
            let crop = &work.crops[i];
            if self.scaled_only && crop.fill.is_full_size(crop.rect) {
                continue;
            }
            let guide = self.guide(crop);
            let (rect, group, grid) = (crop.rect, crop.group, Arc::clone(&crop.grid));
            let observer = work.observer;
            let place = Place {
                rect,
                group,
                grid: &grid,
                watch: &observer.watch("patchmatch-refine", i, count),
            };
            let guide = Some((&guide, self.weight));
            let made = self.common.fill_crop(work, place, guide)?;
            let crop = &mut work.crops[i];
            (crop.rect, crop.fill, crop.alpha) = (made.rect, made.fill, made.alpha);
            work.observer
                .stage("patchmatch-refine", (i + 1) as f32 / count as f32);
        }
        Ok(())
    }
}
