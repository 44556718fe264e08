//! `patchmatch`: copies patches of the photo into the hole so that they fit each other and the rim.
//!
//! A multi-scale search with voting, at full resolution, without any network. Crops with more than `pixels_max` pixels are matched
//! at a whole fraction of their size and the copies made at full size, which bounds memory and time for any photo.

mod build;
mod enlarge;
mod fill;
mod geometry;
mod settings;

use std::sync::Arc;

pub use fill::{Device, Field, Filled, Scene, fill};
pub use geometry::Pixel;
pub use settings::{Blend, Settings};

use crate::image::Rect;
use crate::parameter::Values;
use crate::pipeline::{Crop, CropPlan, Fill, Grid, Stage, Work, plan};
use crate::resample::resize;
use crate::{PluginError, PluginInfo};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin(include_str!("plugin.toml"), |values| Ok(Box::new(PatchMatch::new(values))));

/// Groups of holes are joined into one crop up to this side.
const JOINED_PX_MAX: usize = 2048;

struct PatchMatch {
    common: Common,
    context_px_min: usize,
    context_share: f64,
}

/// Parameters that filling and refining share.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    settings: Settings,
    ring_px: Option<usize>,
    pixels_max: Option<usize>,
}

impl Common {
    pub(crate) fn new(values: &Values) -> Self {
        let mut settings = if values.text("preset") == "mild" { Settings::mild() } else { Settings::best() };
        settings.seed = values.number("seed").unwrap_or(1.0) as u32;
        match values.text("blend") {
            "gradient" => settings.blend = Blend::Gradient,
            "damped" => settings.blend = Blend::Damped(0.1),
            "none" => settings.blend = Blend::None,
            _ => {}
        }
        Common { settings, ring_px: values.integer("ring_px"), pixels_max: values.integer("pixels_max") }
    }

    /// The settings for this photo, and the most pixels matched at full size on this device.
    fn on(&self, work: &Work<'_>, guide: Option<f32>) -> (Settings, usize) {
        let long = work.photo.width.max(work.photo.height) as f32;
        let ring = self.ring_px.map_or_else(|| (12.0 * long / 768.0).clamp(8.0, 48.0), |px| px as f32);
        let on_gpu = !matches!(work.backend.device().kind, "cpu" | "software");
        let pixels_max = self.pixels_max.unwrap_or(if on_gpu { 12_000_000 } else { 6_000_000 });
        (Settings { ring_px: ring, guide, ..self.settings.clone() }, pixels_max)
    }

    /// Fills one crop at full size. `guide` is a coarse fill with its weight.
    pub(crate) fn fill_crop(&self, work: &mut Work<'_>, place: Place<'_>, guide: Option<(&Fill, f32)>) -> Result<Fill, PluginError> {
        let (mut settings, pixels_max) = self.on(work, guide.map(|g| g.1));
        let (width, height) = (place.rect.width(), place.rect.height());
        let pixels = place.pixels(work);
        let mut rgb = work.photo.crop_f32(place.rect);
        let factor = (1..).find(|k| width.div_ceil(*k) * height.div_ceil(*k) <= pixels_max).unwrap_or(1);
        settings.ring_px /= factor as f32;
        let small = if factor > 1 {
            enlarge::shrink(&rgb, &pixels, width, factor)
        } else {
            enlarge::Small { width, height, rgb: std::mem::take(&mut rgb), pixels: pixels.clone() }
        };
        let guide = guide.map(|(fill, _)| resize(&fill.rgb, (fill.width, fill.height), (small.width, small.height)));
        let (w, h) = (small.width, small.height);
        let scene = Scene { width: w, height: h, rgb: small.rgb, pixels: small.pixels, guide };
        let observer = work.observer;
        let device = Device { backend: work.backend, executables: work.executables, cancelled: &|| observer.cancelled() };
        let filled = fill(scene, &settings, factor > 1, device)?;
        if filled.smooth {
            let what = format!("{width}x{height} px around ({}, {})", place.rect.x0, place.rect.y0);
            work.warnings.push(format!("patchmatch: {what} hold no patch to copy; the hole there is filled with a smooth blend"));
        }
        if factor == 1 {
            return Ok(Fill { width, height, rgb: filled.rgb });
        }
        let Some(field) = filled.field else { return Ok(Fill { width: w, height: h, rgb: filled.rgb }) };
        let large = enlarge::Large { width, height, rgb: &mut rgb, pixels: &pixels };
        enlarge::enlarge(large, &filled.rgb, &field, settings.gamma, factor)
            .map_err(|source| PluginError::Output { plugin: "patchmatch", detail: source.to_string() })?;
        Ok(Fill { width, height, rgb })
    }
}

/// Where a crop lies and which hole in it is to be filled.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) rect: Rect,
    pub(crate) group: u32,
    pub(crate) grid: &'a Grid,
}

impl Place<'_> {
    /// What each pixel of the crop is: holes of other groups are void.
    fn pixels(&self, work: &Work<'_>) -> Vec<Pixel> {
        let rect = self.rect;
        let mut out = Vec::with_capacity(rect.pixels());
        for y in rect.y0..rect.y1 {
            let row = &work.alpha.row(y)[rect.x0..rect.x1];
            let start = out.len();
            out.extend(row.iter().map(|share| if *share > 0 { Pixel::Void } else { Pixel::Known }));
            for x in self.grid.spans(self.group, rect, y).flatten() {
                if row[x - rect.x0] > 0 {
                    out[start + x - rect.x0] = Pixel::Hole;
                }
            }
        }
        out
    }
}

impl PatchMatch {
    fn new(values: &Values) -> Self {
        PatchMatch {
            common: Common::new(values),
            context_px_min: values.integer("context_px_min").unwrap_or(96),
            context_share: values.number("context_share").unwrap_or(0.5),
        }
    }
}

impl Stage for PatchMatch {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let wish = CropPlan { context_px_min: self.context_px_min, context_share: self.context_share, working_px_max: JOINED_PX_MAX };
        let (grid, planned) = plan(&work.alpha, &wish);
        for (i, crop) in planned.iter().enumerate() {
            work.check_cancelled(&format!("patchmatch, crop {} of {}", i + 1, planned.len()))?;
            let place = Place { rect: crop.rect, group: crop.group, grid: &grid };
            let fill = self.common.fill_crop(work, place, None)?;
            work.crops.push(Crop { rect: crop.rect, group: crop.group, grid: Arc::clone(&grid), fill });
            work.observer.stage("patchmatch", (i + 1) as f32 / planned.len() as f32);
        }
        Ok(())
    }
}
