//! Blends the fills into the photo, at the photo's full depth, only where the share of the fill is above 0.

use super::{AlphaFill, Crop, Fill};
use cleanplate_pictures::resample::Taps;
use cleanplate_pictures::{Mask, Photo};

/// Where the alpha of a fill is read.
#[derive(Clone, Copy)]
enum Alpha<'a> {
    /// The photo's is not touched.
    Kept,
    /// From the crop.
    Own(&'a AlphaFill),
    /// From the plane of the whole photo.
    Plane(&'a Photo),
}

impl Alpha<'_> {
    fn at(self, x: usize, y: usize) -> Option<f32> {
        match self {
            Alpha::Kept => None,
            Alpha::Own(fill) => fill.at(x, y),
            Alpha::Plane(plane) => Some(plane.pixel_f32(x, y)[0]),
        }
    }
}

/// Blends every crop's fill into `photo` by the shares of `alpha`, and the fill's alpha where there is one, the crop's own or that of
/// `plane`. Scaled fills are enlarged bicubically, row by row, so that no full-size copy is made.
pub(super) fn composite(photo: &mut Photo, alpha: &Mask, crops: &[Crop], plane: Option<&Photo>) {
    for crop in crops {
        let own = crop.alpha.as_ref().map(Alpha::Own);
        let source = own.or(plane.map(Alpha::Plane)).unwrap_or(Alpha::Kept);
        let columns = Taps::bicubic(crop.rect.width(), crop.fill.width);
        let rows = Taps::bicubic(crop.rect.height(), crop.fill.height);
        let each = |y: usize, paint: &mut dyn FnMut(usize, [f32; 3], u8)| {
            let mut spans = crop.grid.spans(crop.group, crop.rect, y).peekable();
            if spans.peek().is_none() {
                return;
            }
            let row = rows.mix_rows(y - crop.rect.y0, &crop.fill.rgb, crop.fill.width * 3);
            for x in spans.flatten() {
                let share = alpha.data[y * alpha.width + x];
                if share > 0 {
                    paint(x, columns.mix_rgb(x - crop.rect.x0, &row), share);
                }
            }
        };
        match source {
            Alpha::Kept => photo.blend_rows(crop.rect, each),
            Alpha::Own(_) | Alpha::Plane(_) => {
                photo.blend_rows_with_alpha(crop.rect, |y, blend| {
                    each(y, &mut |x, rgb, share| {
                        if let Some(alpha) = source.at(x, y) {
                            blend(x, rgb, alpha, share);
                        }
                    })
                })
            }
        }
    }
}

impl Fill {
    /// Whether it has the crop's own resolution.
    pub fn is_full_size(&self, rect: cleanplate_pictures::Rect) -> bool {
        (self.width, self.height) == (rect.width(), rect.height())
    }
}
