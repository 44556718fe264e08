//! A contact sheet: one row for each photo, the truth, the hole, then every pipeline's fill.

use cleanplate_pictures::resample::shrink_photo;
use cleanplate_pictures::{
    Channels, EncodeOptions, Format, ImageError, Metadata, Photo, PngSource, Rect, Samples, Source,
};

use super::metrics::Picture;

/// Side of a tile in pixels.
const TILE_PX: usize = 256;
/// Most rows; more photos are measured, but not shown.
const ROWS_MAX: usize = 64;
/// Quality of the JPEG.
const QUALITY: u8 = 85;

/// Tiles from left to right, top to bottom.
pub struct ContactSheet {
    columns: usize,
    tiles: Vec<Vec<u8>>,
}

impl ContactSheet {
    /// An empty sheet.
    pub fn new(columns: usize) -> Self {
        ContactSheet {
            columns,
            tiles: Vec::new(),
        }
    }

    /// Adds the next tile: the picture fitted into a square of black.
    pub fn add(&mut self, picture: &Picture) {
        if self.tiles.len() >= self.columns * ROWS_MAX {
            return;
        }
        let (w, h) = (picture.width, picture.height);
        let scale = (TILE_PX as f64 / w.max(h) as f64).min(1.0);
        let side = |px: usize| ((px as f64 * scale).round() as usize).clamp(1, TILE_PX);
        let (width, height) = (side(w), side(h));
        let small = shrink_photo(
            &photo(w, h, picture.rgb.clone()),
            Rect {
                x0: 0,
                y0: 0,
                x1: w,
                y1: h,
            },
            width,
            height,
        );
        let mut tile = vec![0; TILE_PX * TILE_PX * 3];
        for (row, line) in small.chunks_exact(width * 3).enumerate() {
            let at = row * TILE_PX * 3;
            tile[at..at + width * 3]
                .iter_mut()
                .zip(line)
                .for_each(|(to, v)| *to = (v * 255.0 + 0.5) as u8);
        }
        self.tiles.push(tile);
    }

    /// The sheet as a JPEG.
    pub fn jpeg(&self) -> Result<Vec<u8>, ImageError> {
        let rows = self.tiles.len().div_ceil(self.columns).max(1);
        let stride = self.columns * TILE_PX * 3;
        let mut rgb = vec![0; rows * TILE_PX * stride];
        for (i, tile) in self.tiles.iter().enumerate() {
            for (y, line) in tile.chunks_exact(TILE_PX * 3).enumerate() {
                let at = (i / self.columns * TILE_PX + y) * stride + i % self.columns * TILE_PX * 3;
                rgb[at..at + line.len()].copy_from_slice(line);
            }
        }
        let sheet = photo(self.columns * TILE_PX, rows * TILE_PX, rgb);
        sheet.encode(&EncodeOptions {
            format: Some(Format::Jpeg),
            quality: Some(QUALITY),
        })
    }
}

fn photo(width: usize, height: usize, rgb: Vec<u8>) -> Photo {
    Photo {
        width,
        height,
        format: Format::Png,
        channels: Channels::Rgb,
        samples: Samples::U8(rgb),
        metadata: Metadata::default(),
        source: Source::Png(PngSource {
            bit_depth: 8,
            palette: None,
        }),
    }
}
