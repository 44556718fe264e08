//! Decoded photos at their full depth.

use rayon::prelude::*;

use super::{Format, Metadata, Rect, Source};

/// Which samples a pixel has, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One gray sample.
    Gray,
    /// Gray and alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
}

impl Channels {
    /// Samples per pixel.
    pub fn count(self) -> usize {
        match self {
            Channels::Gray => 1,
            Channels::GrayAlpha => 2,
            Channels::Rgb => 3,
            Channels::Rgba => 4,
        }
    }
    /// Samples that carry colour: 1 or 3.
    pub fn colours(self) -> usize {
        if self.is_gray() { 1 } else { 3 }
    }
    /// Whether there is one colour sample.
    pub fn is_gray(self) -> bool {
        matches!(self, Channels::Gray | Channels::GrayAlpha)
    }
    /// Whether the last sample is alpha.
    pub fn has_alpha(self) -> bool {
        matches!(self, Channels::GrayAlpha | Channels::Rgba)
    }
}

/// Samples, interleaved, row by row: `[height, width, channels]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits each.
    U8(Vec<u8>),
    /// 16 bits each, in the machine's byte order.
    U16(Vec<u16>),
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Samples::U8(v) => v.len(),
            Samples::U16(v) => v.len(),
        }
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A photo in displayed orientation, at full depth, with everything its re-encoding needs.
#[derive(Clone, PartialEq)]
pub struct Photo {
    /// Width in pixels, as displayed.
    pub width: usize,
    /// Height in pixels, as displayed.
    pub height: usize,
    /// The type it was read from.
    pub format: Format,
    /// Samples per pixel.
    pub channels: Channels,
    /// `height * width * channels` samples.
    pub samples: Samples,
    /// Profile, EXIF, XMP and the like.
    pub metadata: Metadata,
    /// How the file was coded: tables, palette, bit depth.
    pub source: Source,
}

impl std::fmt::Debug for Photo {
    /// Kind and size only: pixels are long, metadata may be private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Photo({} {}x{} {:?} {} bit)",
            self.format,
            self.width,
            self.height,
            self.channels,
            self.bits()
        )
    }
}

impl Photo {
    /// Bits per sample: 8 or 16.
    pub fn bits(&self) -> u8 {
        match self.samples {
            Samples::U8(_) => 8,
            Samples::U16(_) => 16,
        }
    }

    /// The pixels of `rect` as 8-bit RGB, `[h, w, 3]`: gray is repeated, 16 bits are rounded, alpha is left out.
    pub fn crop_rgb8(&self, rect: Rect) -> Vec<u8> {
        let mut out = Vec::with_capacity(rect.pixels() * 3);
        for y in rect.y0..rect.y1 {
            match &self.samples {
                Samples::U8(v) => push_rgb(&mut out, self.row(v, y, rect), self.channels, |s| s),
                Samples::U16(v) => push_rgb(&mut out, self.row(v, y, rect), self.channels, |s| {
                    ((u32::from(s) + 128) / 257) as u8
                }),
            }
        }
        out
    }

    /// The pixels of `rect` as RGB floats 0..1 at full depth, `[h, w, 3]`: gray is repeated, alpha is left out.
    pub fn crop_f32(&self, rect: Rect) -> Vec<f32> {
        let mut out = Vec::with_capacity(rect.pixels() * 3);
        for y in rect.y0..rect.y1 {
            self.push_row_f32(&mut out, y, rect);
        }
        out
    }

    /// Appends one row of `rect` as RGB floats 0..1, `[w, 3]`.
    pub fn push_row_f32(&self, out: &mut Vec<f32>, y: usize, rect: Rect) {
        match &self.samples {
            Samples::U8(v) => push_rgb(out, self.row(v, y, rect), self.channels, |s| {
                f32::from(s) / 255.0
            }),
            Samples::U16(v) => push_rgb(out, self.row(v, y, rect), self.channels, |s| {
                f32::from(s) / 65535.0
            }),
        }
    }

    /// One pixel as RGB floats 0..1.
    pub fn pixel_f32(&self, x: usize, y: usize) -> [f32; 3] {
        let n = self.channels.count();
        let places = if self.channels.is_gray() {
            [0, 0, 0]
        } else {
            [0, 1, 2]
        };
        let at = (y * self.width + x) * n;
        match &self.samples {
            Samples::U8(v) => places.map(|c| f32::from(v[at + c]) / 255.0),
            Samples::U16(v) => places.map(|c| f32::from(v[at + c]) / 65535.0),
        }
    }

    /// Calls `fill_row(y, blend)` for each row of `rect`, rows in parallel; `blend(x, rgb, alpha)` moves one pixel towards
    /// `rgb` (0..1) by `alpha` (0 keeps every bit, 255 replaces). Gray photos take the mean of the three. The photo's own
    /// alpha is never touched.
    pub fn blend_rows(
        &mut self,
        rect: Rect,
        fill_row: impl Fn(usize, &mut dyn FnMut(usize, [f32; 3], u8)) + Sync,
    ) {
        let (channels, stride) = (self.channels, self.width * self.channels.count());
        match &mut self.samples {
            Samples::U8(v) => blend_rows(v, stride, rect, channels, fill_row, 255.0, |f| f as u8),
            Samples::U16(v) => {
                blend_rows(v, stride, rect, channels, fill_row, 65535.0, |f| f as u16)
            }
        }
    }

    fn row<'a, T>(&self, samples: &'a [T], y: usize, rect: Rect) -> &'a [T] {
        let n = self.channels.count();
        &samples[(y * self.width + rect.x0) * n..(y * self.width + rect.x1) * n]
    }
}

fn push_rgb<S: Copy, T: Copy>(
    out: &mut Vec<T>,
    row: &[S],
    channels: Channels,
    convert: impl Fn(S) -> T,
) {
    for px in row.chunks_exact(channels.count()) {
        if channels.is_gray() {
            out.extend([convert(px[0]); 3]);
        } else {
            out.extend([convert(px[0]), convert(px[1]), convert(px[2])]);
        }
    }
}

fn blend_rows<S: Copy + Send + Into<f32>>(
    samples: &mut [S],
    stride: usize,
    rect: Rect,
    channels: Channels,
    fill_row: impl Fn(usize, &mut dyn FnMut(usize, [f32; 3], u8)) + Sync,
    max: f32,
    to: impl Fn(f32) -> S + Sync,
) {
    let rows = &mut samples[rect.y0 * stride..rect.y1 * stride];
    rows.par_chunks_exact_mut(stride)
        .enumerate()
        .for_each(|(i, row)| {
            fill_row(rect.y0 + i, &mut |x, rgb, alpha| {
                if alpha == 0 {
                    return;
                }
                let share = f32::from(alpha) / 255.0;
                let colour = if channels.is_gray() {
                    [(rgb[0] + rgb[1] + rgb[2]) / 3.0; 3]
                } else {
                    rgb
                };
                let at = x * channels.count();
                for (s, c) in row[at..at + channels.colours()].iter_mut().zip(colour) {
                    let mixed = (*s).into() * (1.0 - share) + c * max * share;
                    *s = to((mixed + 0.5).clamp(0.0, max));
                }
            });
        });
}
