//! A region of the hole as a judge looks at it.

use cleanplate_pictures::resample::{resize, shrink_hole, shrink_photo};
use cleanplate_pictures::{Mask, Rect};

use crate::{Crop, Pixel, Region, Work};

/// A region as a judge looks at it: with surroundings, at a size that bounds time and memory.
#[derive(Debug, Clone)]
pub struct View {
    /// Where it lies in the photo.
    pub rect: Rect,
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What each pixel is, `[height, width]`.
    pub pixels: Vec<Pixel>,
    /// The photo, RGB 0..1, `[height, width, 3]`; the object is still in the hole.
    pub photo: Vec<f32>,
}

impl View {
    /// The part `rect` of the photo with `region` in it, averaged down to `width` x `height` pixels.
    pub fn of(
        work: &Work<'_>,
        region: &Region,
        rect: Rect,
        (width, height): (usize, usize),
    ) -> View {
        // Holes of other regions, and transparent pixels, are neither filled here nor known.
        let (mut own, mut all) = (
            Mask::empty(rect.width(), rect.height()),
            Mask::empty(rect.width(), rect.height()),
        );
        for y in rect.y0..rect.y1 {
            let at = (y - rect.y0) * rect.width();
            all.data[at..at + rect.width()].copy_from_slice(&work.alpha.row(y)[rect.x0..rect.x1]);
            if let Some(transparency) = &work.transparency {
                let row = all.data[at..at + rect.width()].iter_mut();
                row.zip(rect.x0..)
                    .filter(|(_, x)| transparency.hides(*x, y))
                    .for_each(|(share, _)| *share = 255);
            }
        }
        let first = work.candidates.first().map(|c| c.crops.as_slice());
        for crop in region.crops.first().into_iter().flatten() {
            let Some(crop) = first.and_then(|crops| crops.get(*crop)) else {
                continue;
            };
            for y in rect.y0..rect.y1 {
                for x in crop.grid.spans(crop.group, rect, y).flatten() {
                    let at = (y - rect.y0) * rect.width() + x - rect.x0;
                    own.data[at] = work.alpha.data[y * work.alpha.width + x];
                }
            }
        }
        let inner = Rect {
            x0: 0,
            y0: 0,
            x1: rect.width(),
            y1: rect.height(),
        };
        let (own, all) = (
            shrink_hole(&own, inner, width, height),
            shrink_hole(&all, inner, width, height),
        );
        let pixels = own.iter().zip(&all).map(|(own, all)| match (*own, *all) {
            (0, 0) => Pixel::Known,
            (0, _) => Pixel::Void,
            _ => Pixel::Hole,
        });
        View {
            rect,
            width,
            height,
            pixels: pixels.collect(),
            photo: shrink_photo(&work.photo, rect, width, height),
        }
    }

    /// The picture with the fill of `crops` in its hole, RGB 0..1, `[height, width, 3]`.
    pub fn filled<'c>(&self, crops: impl Iterator<Item = &'c Crop>) -> Vec<f32> {
        let mut rgb = self.photo.clone();
        let (sx, sy) = (
            self.rect.width() as f64 / self.width as f64,
            self.rect.height() as f64 / self.height as f64,
        );
        for crop in crops {
            let side = |px: usize, scale: f64| ((px as f64 / scale).round() as usize).max(1);
            let (w, h) = (side(crop.rect.width(), sx), side(crop.rect.height(), sy));
            let fill = resize(&crop.fill.rgb, (crop.fill.width, crop.fill.height), (w, h));
            for y in 0..self.height {
                // The photo's pixel in the middle of this one, and where the fill shows it.
                let py =
                    self.rect.y0 + (((y as f64 + 0.5) * sy) as usize).min(self.rect.height() - 1);
                let Some(fy) = place(py, crop.rect.y0, crop.rect.y1, h) else {
                    continue;
                };
                for x in 0..self.width {
                    let at = y * self.width + x;
                    if self.pixels[at] != Pixel::Hole {
                        continue;
                    }
                    let px = self.rect.x0
                        + (((x as f64 + 0.5) * sx) as usize).min(self.rect.width() - 1);
                    let Some(fx) = place(px, crop.rect.x0, crop.rect.x1, w) else {
                        continue;
                    };
                    let from = 3 * (fy * w + fx);
                    rgb[3 * at..3 * at + 3].copy_from_slice(&fill[from..from + 3]);
                }
            }
        }
        rgb
    }
}

/// Where position `at` of `low..high` lies in `length` steps; `None` outside.
fn place(at: usize, low: usize, high: usize, length: usize) -> Option<usize> {
    (low..high)
        .contains(&at)
        .then(|| (((at - low) * length) / (high - low)).min(length - 1))
}
