//! A crop's fill at the photo's own resolution, with some of the photo around it: what finishing stages work on.

use crate::Pixel;
use crate::PluginError;
use crate::{Crop, Fill, Work};
use cleanplate_pictures::Rect;
use cleanplate_pictures::resample::resize;

/// Largest picture that finishing stages work on, in pixels: about 40 bytes of memory each.
pub const PIXELS_MAX: usize = 16_000_000;

/// A part of the photo with a fill in its hole.
#[derive(Debug, Clone)]
pub struct FullSize {
    /// Where it lies.
    pub rect: Rect,
    /// RGB 0..1, `[height, width, 3]`.
    pub rgb: Vec<f32>,
    /// What each pixel is, `[height, width]`: holes of other crops, and transparent pixels, are void.
    pub pixels: Vec<Pixel>,
}

impl FullSize {
    /// The crop with `margin` more pixels on each side; `None` if that is more than [`PIXELS_MAX`].
    fn of(work: &Work<'_>, crop: &Crop, margin: usize) -> Option<FullSize> {
        let rect = crop.rect.grown(margin, work.photo.width, work.photo.height);
        if rect.pixels() > PIXELS_MAX {
            return None;
        }
        let pixels = work.pixels(crop, rect);
        let mut rgb = work.photo.crop_f32(rect);
        let (width, height) = (crop.rect.width(), crop.rect.height());
        let fill = resize(
            &crop.fill.rgb,
            (crop.fill.width, crop.fill.height),
            (width, height),
        );
        for (y, line) in fill.chunks_exact(3 * width).enumerate() {
            let start = (crop.rect.y0 + y - rect.y0) * rect.width() + crop.rect.x0 - rect.x0;
            for (x, value) in line.chunks_exact(3).enumerate() {
                if pixels[start + x] == Pixel::Hole {
                    rgb[3 * (start + x)..][..3].copy_from_slice(value);
                }
            }
        }
        Some(FullSize { rect, rgb, pixels })
    }

    /// Pixels per row.
    pub fn width(&self) -> usize {
        self.rect.width()
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.rect.height()
    }
}

/// Brings every crop to full size with `margin` pixels around it and replaces its fill by what `change` makes of it. Crops that
/// are too large stay as they are, with a warning.
pub fn for_each(
    work: &mut Work<'_>,
    plugin: &'static str,
    margin: usize,
    mut change: impl FnMut(&Work<'_>, &mut FullSize) -> Result<(), PluginError>,
) -> Result<(), PluginError> {
    let mut crops = std::mem::take(&mut work.crops);
    let count = crops.len();
    for (i, crop) in crops.iter_mut().enumerate() {
        work.check_cancelled(&format!("{plugin}, crop {} of {count}", i + 1))?;
        match FullSize::of(work, crop, margin) {
            Some(mut full) => {
                change(work, &mut full)?;
                crop.fill = Fill {
                    width: full.width(),
                    height: full.height(),
                    rgb: full.rgb,
                };
                crop.rect = full.rect;
            }
            None => {
                let (width, height) = (crop.rect.width(), crop.rect.height());
                work.warnings.push(format!("{plugin}: a crop of {width}x{height} px is over {PIXELS_MAX} px and was left as it was"));
            }
        }
        work.observer.stage(plugin, (i + 1) as f32 / count as f32);
    }
    work.crops = crops;
    Ok(())
}
