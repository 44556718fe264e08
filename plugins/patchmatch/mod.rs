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

use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use cleanplate_pipeline::Pixel;
pub use fill::{Device, Filled, Scene, Start, fill, fill_from};
pub use settings::{Blend, Settings};
pub(crate) use settings::{BlendChoice, Preset};

use cleanplate_pictures::Rect;
use cleanplate_pipeline::transparency::Settled;
use cleanplate_pipeline::{
    AlphaFill, BUCKET_PX, Crop, CropPlan, FieldKey, Fill, Grid, Shot, Stage, Work, fill_pixels_max,
    plan,
};
use cleanplate_pipeline::{PluginError, PluginInfo};

/// The plugin.
pub static INFO: PluginInfo =
    PluginInfo::builtin::<PatchMatch>(include_str!("plugin.toml")).filling_planes::<AlphaPlane>();

/// Groups of holes are joined into one crop up to this side.
const JOINED_PX_MAX: usize = 2048;

#[derive(Deserialize)]
struct Parameters {
    preset: Preset,
    seed: u32,
    ring_px: Option<usize>,
    blend: BlendChoice,
    context_share: f64,
    context_px_min: usize,
    pixels_max: Option<usize>,
}

#[derive(Deserialize)]
#[serde(from = "Parameters")]
struct PatchMatch {
    common: Common,
    context_px_min: usize,
    context_share: f64,
}

/// Bytes that filling a crop takes at most, beside the photo and its masks, on the processor: `crop_px` pixels, the bounds of its
/// hole `hole_px` of them, matched at `1 / factor` of the size, with alpha or without.
pub fn memory_bytes(crop_px: usize, hole_px: usize, factor: usize, alpha: bool) -> usize {
    let small = crop_px.div_ceil(factor * factor);
    let (matched, made, fills) = if alpha {
        (MATCHED_BYTES + ALPHA_BYTES, MADE_BYTES + ALPHA_BYTES, 28)
    } else {
        (MATCHED_BYTES, MADE_BYTES, 12)
    };
    let made = if factor > 1 {
        hole_px * fills + small * made
    } else {
        0
    };
    // One byte says what each pixel is.
    crop_px + made.max(small * matched)
}

/// The least fraction of its size, `1 / factor`, at which a crop is matched so that at most `pixels_max` pixels are, and its
/// fill takes no more than `bytes_max`, that is [`FILL_BYTES_MAX`] where no other fills are held.
pub fn factor(
    crop: (usize, usize),
    hole_px: usize,
    (pixels_max, bytes_max): (usize, usize),
    alpha: bool,
) -> usize {
    let fits = |k: &usize| {
        let matched = crop.0.div_ceil(*k) * crop.1.div_ceil(*k);
        matched <= pixels_max
            && (matched <= PIXELS_LEAST
                || memory_bytes(crop.0 * crop.1, hole_px, *k, alpha) <= bytes_max)
    };
    (1..=crop.0.max(crop.1).max(1)).find(fits).unwrap_or(1)
}

/// Most bytes for one fill, see [`memory_bytes`], with the fills that are held meanwhile.
pub const FILL_BYTES_MAX: usize = 1100 << 20;
/// Bytes of a pixel of a fill that is held: three floats.
const HELD_BYTES: usize = 12;
/// Bytes that a patch fill of the largest hole takes for each pixel of the photo.
const PATCHES_BYTES: usize = 24;

/// Most bytes that the fills of a photo of so many pixels take: those that are held while one of patches is made.
pub fn filling_bytes_max(photo_px: usize) -> usize {
    let held = HELD_BYTES * fill_pixels_max(photo_px);
    FILL_BYTES_MAX.min(PATCHES_BYTES.saturating_mul(photo_px).saturating_add(held))
}

/// Crops are not matched smaller than this for the sake of memory.
const PIXELS_LEAST: usize = 65_536;
/// Bytes for each pixel that is matched: picture, pyramid, fields, votes, the blend's grids.
const MATCHED_BYTES: usize = 106;
/// Bytes for each matched pixel while the fill at full size is made: the buffers of the matching stay for the next one, its small
/// fill, the sources, and what the copies lack are used.
const MADE_BYTES: usize = 134;
/// Bytes for each matched pixel that alpha takes beside the colours.
const ALPHA_BYTES: usize = 60;

/// Texture of a photo with this many pixels on its longer side is a few pixels wide.
const TEXTURE_LONG_PX: usize = 768;

/// Levels on which texture is measured afresh in a photo with `long` pixels on its longer side.
fn texture_levels(long: usize) -> usize {
    (long as f32 / TEXTURE_LONG_PX as f32)
        .log2()
        .round()
        .max(0.0) as usize
}

/// Parameters that filling and refining share.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    settings: Settings,
    ring_px: Option<usize>,
    pixels_max: Option<usize>,
    /// Whether the picture is an alpha plane, whose black and white stay so.
    ends: bool,
}

impl Common {
    /// `ring_px` and `pixels_max` where they are not `auto`.
    pub(crate) fn new(
        settings: Settings,
        ring_px: Option<usize>,
        pixels_max: Option<usize>,
    ) -> Self {
        Common {
            settings,
            ring_px,
            pixels_max,
            ends: false,
        }
    }

    /// The settings for this photo, and the most pixels matched at full size on this device.
    fn on(&self, work: &Work<'_>, guide: Option<f32>) -> (Settings, usize) {
        let long = work.photo.width.max(work.photo.height) as f32;
        let ring = self
            .ring_px
            .map_or_else(|| (12.0 * long / 768.0).clamp(8.0, 48.0), |px| px as f32);
        let on_gpu = !matches!(work.backend.device().kind, "cpu" | "software");
        let pixels_max = self
            .pixels_max
            .unwrap_or(if on_gpu { 12_000_000 } else { 6_000_000 });
        (
            Settings {
                ring_px: ring,
                guide,
                ..self.settings.clone()
            },
            pixels_max,
        )
    }

    /// Fills one crop at full size. `guide` is a coarse fill with its weight.
    pub(crate) fn fill_crop(
        &self,
        work: &mut Work<'_>,
        place: Place<'_>,
        guide: Option<(&Fill, f32)>,
    ) -> Result<Made, PluginError> {
        let (mut settings, pixels_max) = self.on(work, guide.map(|g| g.1));
        let (width, height) = (place.rect.width(), place.rect.height());
        let mut pixels = place.grid.pixels(place.group, place.rect, &work.alpha);
        let mut transparency = work.transparency.as_ref();
        if let Some(known) = transparency {
            match known.settled(&pixels, place.rect) {
                Settled::Not => {}
                Settled::Clear => return Ok(Made::nothing(place.rect)),
                Settled::Drawn => {
                    known.veil(&mut pixels, place.rect);
                    transparency = None;
                }
            }
        }
        let of = |photo| enlarge::Large {
            photo,
            rect: place.rect,
            pixels: &pixels,
        };
        let alpha = transparency.map(|t| of(&t.alpha));
        let hole_px = of(&work.photo).hole(1).pixels();
        let bytes_max = FILL_BYTES_MAX.saturating_sub(HELD_BYTES * work.fill_pixels());
        let most = (pixels_max, bytes_max);
        let factor = factor((width, height), hole_px, most, alpha.is_some());
        settings.ring_px /= factor as f32;
        settings.texture_levels = texture_levels(work.photo.width.max(work.photo.height) / factor);
        let small_alpha = alpha.map(|large| large.small(factor).rgb);
        let scene = of(&work.photo)
            .small(factor)
            .scene(guide.map(|(fill, _)| fill), small_alpha);
        let small = (scene.width, scene.height);
        let device = Device {
            backend: work.backend,
            executables: work.executables,
            watch: place.watch,
        };
        let picks = factor > 1 || alpha.is_some() || self.ends;
        let plane = (place.rect, self.ends);
        let filled = match &mut work.shot {
            Some(shot) => fill_next(shot, plane, scene, &settings, picks, device)?,
            None => fill(scene, &settings, picks, device)?,
        };
        if filled.smooth {
            let what = format!(
                "{width}x{height} px around ({}, {})",
                place.rect.x0, place.rect.y0
            );
            work.warnings.push(format!("patchmatch: {what} hold no patch to copy; the hole there is filled with a smooth blend"));
        }
        let copies = filled.picks.as_deref();
        let (rect, fill) = match copies.filter(|_| factor > 1 || self.ends) {
            Some(picks) => of(&work.photo).enlarge(&filled.rgb, picks, factor, self.ends),
            None => (place.rect, whole(small, filled.rgb)),
        };
        let alpha = alpha.zip(filled.alpha).map(|(large, small_alpha)| {
            let (rect, fill) = match copies {
                Some(picks) => large.enlarge(&small_alpha, picks, factor, true),
                None => (place.rect, whole(small, small_alpha)),
            };
            AlphaFill::of(rect, &fill)
        });
        Ok(Made { rect, fill, alpha })
    }
}

/// Fills a frame of a shot from the sources of the frame before, if it left some, and leaves its own for the next.
fn fill_next(
    shot: &mut Shot,
    (rect, ends): (Rect, bool),
    scene: Scene,
    settings: &Settings,
    picks: bool,
    device: Device<'_>,
) -> Result<Filled, PluginError> {
    let key = field_key(rect, &scene.pixels, settings, ends);
    let before = shot.field(&key);
    let start = before
        .as_ref()
        .map_or(Start::First, |field| Start::After(field));
    let mut filled = fill_from(scene, settings, (picks, start), device)?;
    if let Some(field) = filled.field.take() {
        shot.keep_field(key, field);
    }
    Ok(filled)
}

/// Of what a field was made: the place, what each small pixel is, the settings, and whether it is that of an alpha plane.
fn field_key(rect: Rect, pixels: &[Pixel], settings: &Settings, ends: bool) -> FieldKey {
    let mut hash = Sha256::new();
    hash.update(format!("{rect:?} {settings:?} {ends}"));
    let bytes: Vec<u8> = pixels.iter().map(|pixel| *pixel as u8).collect();
    hash.update(bytes);
    hash.finalize().into()
}

/// The fill of a crop, and where it lies.
pub(crate) struct Made {
    pub(crate) rect: Rect,
    pub(crate) fill: Fill,
    pub(crate) alpha: Option<AlphaFill>,
}

impl Made {
    /// The fill of what nobody sees.
    fn nothing(rect: Rect) -> Made {
        Made {
            rect,
            fill: whole((1, 1), vec![0.0; 3]),
            alpha: None,
        }
    }
}

fn whole((width, height): (usize, usize), rgb: Vec<f32>) -> Fill {
    Fill { width, height, rgb }
}

/// Where a crop lies and which hole in it is to be filled.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) rect: Rect,
    pub(crate) group: u32,
    pub(crate) grid: &'a Grid,
    /// Hears which share of the fill is done, 0 to 1, and says whether to stop.
    pub(crate) watch: &'a dyn Fn(f32) -> bool,
}

impl From<Parameters> for PatchMatch {
    fn from(given: Parameters) -> Self {
        let settings = given.preset.settings(given.seed, given.blend);
        PatchMatch {
            common: Common::new(settings, given.ring_px, given.pixels_max),
            context_px_min: given.context_px_min,
            context_share: given.context_share,
        }
    }
}

/// The same for an alpha plane, whose black and white stay so.
#[derive(Deserialize)]
#[serde(from = "Parameters")]
struct AlphaPlane(PatchMatch);

impl From<Parameters> for AlphaPlane {
    fn from(given: Parameters) -> Self {
        let mut fill = PatchMatch::from(given);
        fill.common.ends = true;
        AlphaPlane(fill)
    }
}

impl Stage for AlphaPlane {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        self.0.run(work)
    }
}

impl Stage for PatchMatch {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let wish = CropPlan {
            side_px_min: 0,
            context_px_min: self.context_px_min,
            context_share: self.context_share,
            working_px_max: JOINED_PX_MAX,
            working_px_min: 0,
            bucket_px: BUCKET_PX,
        };
        let (grid, planned) = plan(&work.alpha, &wish)?;
        for (i, crop) in planned.iter().enumerate() {
            work.check_cancelled(&format!("patchmatch, crop {} of {}", i + 1, planned.len()))?;
            let observer = work.observer;
            let place = Place {
                rect: crop.rect,
                group: crop.group,
                grid: &grid,
                watch: &observer.watch("patchmatch", i, planned.len()),
            };
            let made = self.common.fill_crop(work, place, None)?;
            work.crops.push(Crop {
                rect: made.rect,
                group: crop.group,
                grid: Arc::clone(&grid),
                fill: made.fill,
                alpha: made.alpha,
            });
            work.observer
                .stage("patchmatch", (i + 1) as f32 / planned.len() as f32);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_an_alpha_plane_are_not_those_of_the_colours() {
        let rect = Rect {
            x0: 0,
            y0: 0,
            x1: 2,
            y1: 1,
        };
        let key = |rect, pixels: &[Pixel], ends| field_key(rect, pixels, &Settings::best(), ends);
        let pixels = [Pixel::Known, Pixel::Hole];
        let own = key(rect, &pixels, false);
        assert_eq!(own, key(rect, &pixels, false));
        assert_ne!(own, key(rect, &pixels, true));
        assert_ne!(own, key(rect, &[Pixel::Hole; 2], false));
        assert_ne!(own, key(Rect { x1: 3, ..rect }, &pixels, false));
    }
}
