//! Blends the fills into the photo, at the photo's full depth, only where the share of the fill is above 0.

use super::cutout::Edges;
use super::{AlphaFill, Crop, Fill};
use cleanplate_pictures::resample::Taps;
use cleanplate_pictures::{Mask, Photo};

/// Alpha of the whole photo's hole, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct Filled<'a> {
    /// Where edges of cut-outs run.
    pub edges: Option<&'a Edges>,
    /// Filled by itself.
    pub plane: Option<&'a Photo>,
}

impl Filled<'_> {
    /// At a pixel; `own` is the crop's.
    fn at(self, own: Option<&AlphaFill>, x: usize, y: usize) -> Option<f32> {
        let drawn = self.edges.and_then(|edges| edges.at(x, y));
        let own = || own.and_then(|fill| fill.at(x, y));
        let plane = || self.plane.map(|plane| plane.pixel_f32(x, y)[0]);
        drawn.or_else(own).or_else(plane)
    }
}

/// Blends every crop's fill into `photo` by the shares of `alpha`, and with `filled` the fill's alpha. What is clear has no colour. Scaled fills are enlarged bicubically, row by row, so that no full-size copy is made.
pub(super) fn composite(
    photo: &mut Photo,
    alpha: &Mask,
    crops: &[Crop],
    filled: Option<Filled<'_>>,
) {
    for crop in crops {
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
        let Some(filled) = filled else {
            photo.blend_rows(crop.rect, each);
            continue;
        };
        photo.blend_rows_with_alpha(crop.rect, |y, blend| {
            each(
                y,
                &mut |x, rgb, share| match filled.at(crop.alpha.as_ref(), x, y) {
                    Some(0.0) => blend(x, [0.0; 3], 0.0, share),
                    Some(alpha) => blend(x, rgb, alpha, share),
                    None => {}
                },
            )
        });
    }
}

impl Fill {
    /// Whether it has the crop's own resolution.
    pub fn is_full_size(&self, rect: cleanplate_pictures::Rect) -> bool {
        (self.width, self.height) == (rect.width(), rect.height())
    }
}
