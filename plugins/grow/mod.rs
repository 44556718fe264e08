//! `grow`: widens the mask by a disk.

use serde::Deserialize;

use cleanplate_pictures::Mask;
use cleanplate_pictures::distance;
use cleanplate_pipeline::{PluginError, PluginInfo};
use cleanplate_pipeline::{Stage, Work};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Grow>(include_str!("plugin.toml"));

#[derive(Deserialize)]
struct Grow {
    radius_px: Option<usize>,
}

impl Stage for Grow {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let radius = self
            .radius_px
            .unwrap_or_else(|| auto_radius_px(work.photo.width, work.photo.height));
        let mask = std::mem::replace(&mut work.mask, Mask::empty(0, 0));
        work.set_mask(dilate(mask, radius));
        Ok(())
    }
}

/// The radius chosen by `auto`: rims scale with the photo, yet a sharp large photo needs no wider one than 16 px.
pub fn auto_radius_px(width: usize, height: usize) -> usize {
    ((4.0 * width.max(height) as f64 / 768.0).round() as usize).clamp(3, 16)
}

/// Every pixel within `radius` pixels (centre to centre) of the mask becomes 255.
pub fn dilate(mut mask: Mask, radius: usize) -> Mask {
    let Some(bounds) = mask.bounds().filter(|_| radius > 0) else {
        return mask;
    };
    let rect = bounds.grown(radius, mask.width, mask.height);
    let near = distance::squared(&mask, rect, radius);
    for (i, row) in near.chunks_exact(rect.width()).enumerate() {
        let start = (rect.y0 + i) * mask.width + rect.x0;
        for (m, &d) in mask.data[start..start + rect.width()].iter_mut().zip(row) {
            if d != u16::MAX {
                *m = 255;
            }
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pixel_becomes_a_disk_cut_at_the_border() {
        let mut mask = Mask::empty(9, 7);
        mask.data[1] = 255;
        let grown = dilate(mask, 2);
        let rows: Vec<String> = (0..7)
            .map(|y| {
                grown
                    .row(y)
                    .iter()
                    .map(|&v| if v > 0 { '#' } else { '.' })
                    .collect()
            })
            .collect();
        assert_eq!(
            rows,
            [
                "####.....",
                "###......",
                ".#.......",
                ".........",
                ".........",
                ".........",
                "........."
            ]
        );
    }

    #[test]
    fn auto_is_bounded() {
        assert_eq!(auto_radius_px(768, 512), 4);
        assert_eq!(auto_radius_px(100, 80), 3);
        assert_eq!(auto_radius_px(8660, 5773), 16);
    }
}
