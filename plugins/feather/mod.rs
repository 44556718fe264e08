//! `feather`: a soft ring outside the mask.
//!
//! Alpha is 255 all over the grown mask and falls to 0 in a ring outside it. The ring counts as hole for the network, so the
//! pixels that are blended there are its own continuation of the surroundings, never a remainder of the object.

use rayon::prelude::*;
use serde::Deserialize;

use cleanplate_pictures::Mask;
use cleanplate_pictures::distance;
use cleanplate_pipeline::{PluginError, PluginInfo};
use cleanplate_pipeline::{Stage, Work};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Feather>(include_str!("plugin.toml"));

#[derive(Deserialize)]
struct Feather {
    width_px: Option<usize>,
}

impl Stage for Feather {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let width = self
            .width_px
            .unwrap_or_else(|| auto_width_px(work.photo.width, work.photo.height));
        feather(&work.mask, &mut work.alpha, width);
        Ok(())
    }
}

/// The width chosen by `auto`.
pub fn auto_width_px(width: usize, height: usize) -> usize {
    ((3.0 * width.max(height) as f64 / 768.0).round() as usize).clamp(2, 12)
}

/// Writes `alpha`: 255 on the mask, smoothly down to 1 at `width` pixels from it, 0 beyond.
pub fn feather(mask: &Mask, alpha: &mut Mask, width: usize) {
    alpha.data.copy_from_slice(&mask.data);
    let Some(bounds) = mask.bounds().filter(|_| width > 0) else {
        return;
    };
    let rect = bounds.grown(width, mask.width, mask.height);
    let near = distance::squared(mask, rect, width);
    let ramp: Vec<u8> = (0..=width * width)
        .map(|d2| fade((d2 as f64).sqrt() / (width + 1) as f64))
        .collect();
    let rows =
        alpha.data[rect.y0 * mask.width..rect.y1 * mask.width].par_chunks_exact_mut(mask.width);
    rows.zip(near.par_chunks_exact(rect.width()))
        .for_each(|(row, near)| {
            for (a, &d2) in row[rect.x0..rect.x1].iter_mut().zip(near) {
                if d2 != u16::MAX {
                    *a = ramp[usize::from(d2)];
                }
            }
        });
}

/// Smooth step from 255 at 0 to (almost) 0 at 1.
fn fade(t: f64) -> u8 {
    let keep = 1.0 - t * t * (3.0 - 2.0 * t);
    (255.0 * keep).round().clamp(1.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_on_the_mask_falling_outside_zero_beyond() {
        let mut mask = Mask::empty(41, 1);
        mask.data[20] = 255;
        let mut alpha = Mask::empty(41, 1);
        feather(&mask, &mut alpha, 5);
        assert_eq!(alpha.data[20], 255);
        assert!(
            alpha.data[20..26].windows(2).all(|p| p[0] > p[1]),
            "{:?}",
            &alpha.data[20..27]
        );
        assert!(alpha.data[25] > 0);
        assert_eq!(alpha.data[26], 0);
        assert_eq!(alpha.data[15], alpha.data[25]);
    }

    #[test]
    fn zero_width_is_the_mask_itself() {
        let mut mask = Mask::empty(8, 8);
        mask.data[9] = 255;
        let mut alpha = Mask {
            data: vec![7; 64],
            ..mask.clone()
        };
        feather(&mask, &mut alpha, 0);
        assert_eq!(alpha, mask);
    }
}
