//! Blends the fills into the photo, at the photo's full depth, only where alpha is above 0.

use super::{Crop, Fill};
use cleanplate_pictures::resample::Taps;
use cleanplate_pictures::{Mask, Photo};

/// Blends every crop's fill into `photo`. Scaled fills are enlarged bicubically, row by row, so that no full-size copy is made.
pub(super) fn composite(photo: &mut Photo, alpha: &Mask, crops: &[Crop]) {
    for crop in crops {
        let columns = Taps::bicubic(crop.rect.width(), crop.fill.width);
        let rows = Taps::bicubic(crop.rect.height(), crop.fill.height);
        photo.blend_rows(crop.rect, |y, blend| {
            let mut spans = crop.grid.spans(crop.group, crop.rect, y).peekable();
            if spans.peek().is_none() {
                return;
            }
            let row = rows.mix_rows(y - crop.rect.y0, &crop.fill.rgb, crop.fill.width * 3);
            for x in spans.flatten() {
                let share = alpha.data[y * alpha.width + x];
                if share > 0 {
                    blend(x, columns.mix_rgb(x - crop.rect.x0, &row), share);
                }
            }
        });
    }
}

impl Fill {
    /// Whether it has the crop's own resolution.
    pub fn is_full_size(&self, rect: cleanplate_pictures::Rect) -> bool {
        (self.width, self.height) == (rect.width(), rect.height())
    }
}
