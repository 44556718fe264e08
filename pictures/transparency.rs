//! Alpha: read as a plane, colours of transparent pixels replaced, fills blended together with their alpha.

use rayon::prelude::*;

use super::{
    Channels, EncodeOptions, Format, ImageError, Metadata, Photo, PngSource, Rect, Samples, Source,
};

impl Photo {
    /// Whether any pixel is less than opaque.
    pub fn is_transparent(&self) -> bool {
        let n = self.channels.count();
        self.channels.has_alpha()
            && match &self.samples {
                Samples::U8(v) => v.iter().skip(n - 1).step_by(n).any(|&a| a != u8::MAX),
                Samples::U16(v) => v.iter().skip(n - 1).step_by(n).any(|&a| a != u16::MAX),
            }
    }

    /// Alpha of one pixel, 0..1; 1 where the photo has none.
    pub fn alpha_f32(&self, x: usize, y: usize) -> f32 {
        if !self.channels.has_alpha() {
            return 1.0;
        }
        let at = (y * self.width + x + 1) * self.channels.count() - 1;
        match &self.samples {
            Samples::U8(v) => f32::from(v[at]) / 255.0,
            Samples::U16(v) => f32::from(v[at]) / 65535.0,
        }
    }

    /// An error if it cannot be written as asked for, whatever is filled: JPEG has no transparency.
    pub fn check_format(&self, options: &EncodeOptions) -> Result<(), ImageError> {
        if options.format_of(self.format) == Format::Jpeg && self.is_transparent() {
            let why =
                "the image has transparent pixels, which JPEG cannot hold; choose png or webp";
            return Err(ImageError::encode(Format::Jpeg, why));
        }
        Ok(())
    }

    /// Its alpha as a gray photo of the same depth, without metadata; white where it has no alpha.
    pub fn alpha_plane(&self) -> Photo {
        let samples = match &self.samples {
            Samples::U8(v) => Samples::U8(plane(v, self.channels, u8::MAX)),
            Samples::U16(v) => Samples::U16(plane(v, self.channels, u16::MAX)),
        };
        Photo {
            width: self.width,
            height: self.height,
            format: Format::Png,
            channels: Channels::Gray,
            source: Source::Png(PngSource {
                bit_depth: self.bits(),
                palette: None,
            }),
            samples,
            metadata: Metadata::default(),
        }
    }

    /// Replaces the colour of each pixel for which `colour(x, y, rgb, alpha)` has another one (all 0..1), rows in parallel.
    /// Alpha stays. Gray photos take the mean of the three.
    pub fn recolour(
        &mut self,
        colour: impl Fn(usize, usize, [f32; 3], f32) -> Option<[f32; 3]> + Sync,
    ) {
        let (channels, width) = (self.channels, self.width);
        match &mut self.samples {
            Samples::U8(v) => recolour(v, channels, width, colour, 255.0, |f| f as u8),
            Samples::U16(v) => recolour(v, channels, width, colour, 65535.0, |f| f as u16),
        }
    }

    /// Like [`Photo::blend_rows`], with the fill's alpha: `blend(x, rgb, alpha, share)` moves one pixel and its alpha towards the fill
    /// by `share`. Colours count by their alpha, so that nothing hidden under transparent pixels comes to light; a pixel that
    /// was transparent and stays so keeps every bit unless it is replaced as a whole.
    pub fn blend_rows_with_alpha(
        &mut self,
        rect: Rect,
        fill_row: impl Fn(usize, &mut dyn FnMut(usize, [f32; 3], f32, u8)) + Sync,
    ) {
        let (channels, stride) = (self.channels, self.width * self.channels.count());
        match &mut self.samples {
            Samples::U8(v) => blend_rows(v, stride, rect, channels, fill_row, 255.0, |f| f as u8),
            Samples::U16(v) => {
                blend_rows(v, stride, rect, channels, fill_row, 65535.0, |f| f as u16)
            }
        }
    }
}

fn plane<S: Copy>(samples: &[S], channels: Channels, opaque: S) -> Vec<S> {
    let n = channels.count();
    if channels.has_alpha() {
        samples.iter().skip(n - 1).step_by(n).copied().collect()
    } else {
        vec![opaque; samples.len() / n]
    }
}

/// A pixel's colour 0..1 and its alpha 0..1.
fn read<S: Copy + Into<f32>>(pixel: &[S], channels: Channels, max: f32) -> ([f32; 3], f32) {
    let at = |c: usize| pixel[c].into() / max;
    let colour = if channels.is_gray() {
        [at(0); 3]
    } else {
        [at(0), at(1), at(2)]
    };
    let alpha = if channels.has_alpha() {
        at(channels.count() - 1)
    } else {
        1.0
    };
    (colour, alpha)
}

fn write<S>(pixel: &mut [S], channels: Channels, colour: [f32; 3], to: impl Fn(f32) -> S) {
    let colour = if channels.is_gray() {
        [(colour[0] + colour[1] + colour[2]) / 3.0; 3]
    } else {
        colour
    };
    for (s, c) in pixel[..channels.colours()].iter_mut().zip(colour) {
        *s = to(c);
    }
}

fn recolour<S: Copy + Send + Into<f32>>(
    samples: &mut [S],
    channels: Channels,
    width: usize,
    colour: impl Fn(usize, usize, [f32; 3], f32) -> Option<[f32; 3]> + Sync,
    max: f32,
    to: impl Fn(f32) -> S + Sync,
) {
    let n = channels.count();
    let rows = samples.par_chunks_exact_mut(width * n).enumerate();
    rows.for_each(|(y, row)| {
        for (x, pixel) in row.chunks_exact_mut(n).enumerate() {
            let (own, alpha) = read(pixel, channels, max);
            if let Some(new) = colour(x, y, own, alpha) {
                write(
                    pixel,
                    channels,
                    new,
                    |v| to((v * max + 0.5).clamp(0.0, max)),
                );
            }
        }
    });
}

fn blend_rows<S: Copy + Send + Into<f32>>(
    samples: &mut [S],
    stride: usize,
    rect: Rect,
    channels: Channels,
    fill_row: impl Fn(usize, &mut dyn FnMut(usize, [f32; 3], f32, u8)) + Sync,
    max: f32,
    to: impl Fn(f32) -> S + Sync,
) {
    let n = channels.count();
    let rows = &mut samples[rect.y0 * stride..rect.y1 * stride];
    let rows = rows.par_chunks_exact_mut(stride).enumerate();
    rows.for_each(|(i, row)| {
        fill_row(rect.y0 + i, &mut |x, rgb, alpha, share| {
            let pixel = &mut row[x * n..(x + 1) * n];
            let (own, own_alpha) = read(pixel, channels, max);
            let share = f32::from(share) / 255.0;
            let (old, new) = (own_alpha * (1.0 - share), alpha * share);
            let scaled = |v: f32| to((v * max + 0.5).clamp(0.0, max));
            // What is transparent before and after is left alone, but for what is replaced as a whole.
            let part = match (old + new > 0.0, share >= 1.0) {
                (true, _) => new / (old + new),
                (false, true) => 1.0,
                (false, false) => return,
            };
            if part > 0.0 {
                let mixed = [0, 1, 2].map(|c| own[c] * (1.0 - part) + rgb[c] * part);
                write(pixel, channels, mixed, scaled);
            }
            if channels.has_alpha() {
                pixel[n - 1] = scaled(old + new);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(channels: Channels, samples: Samples) -> Photo {
        let width = samples.len() / channels.count();
        Photo {
            width,
            height: 1,
            format: Format::Png,
            channels,
            samples,
            metadata: Metadata::default(),
            source: Source::Png(PngSource {
                bit_depth: 8,
                palette: None,
            }),
        }
    }

    fn row(width: usize) -> Rect {
        Rect {
            x0: 0,
            y0: 0,
            x1: width,
            y1: 1,
        }
    }

    #[test]
    fn alpha_is_read_at_its_depth() {
        let deep = photo(Channels::GrayAlpha, Samples::U16(vec![9, 65535, 9, 700]));
        assert!(deep.is_transparent());
        assert_eq!(deep.alpha_plane().samples, Samples::U16(vec![65535, 700]));
        let opaque = photo(Channels::Rgba, Samples::U8(vec![1, 2, 3, 255]));
        assert!(!opaque.is_transparent());
        let gray = photo(Channels::Gray, Samples::U8(vec![3, 4]));
        assert_eq!(gray.alpha_plane().samples, Samples::U8(vec![255, 255]));
    }

    #[test]
    fn hidden_colours_do_not_come_to_light_and_what_stays_transparent_keeps_its_bits() {
        let mut p = photo(
            Channels::Rgba,
            Samples::U8(
                [
                    [200, 0, 0, 0],
                    [200, 0, 0, 0],
                    [200, 0, 0, 0],
                    [10, 20, 30, 255],
                ]
                .concat(),
            ),
        );
        p.blend_rows_with_alpha(row(4), |_, blend| {
            blend(0, [0.0, 1.0, 0.0], 1.0, 128);
            blend(1, [0.0, 1.0, 0.0], 0.0, 128);
            blend(2, [0.0, 1.0, 0.0], 0.0, 255);
            blend(3, [1.0, 1.0, 1.0], 0.0, 128);
        });
        let Samples::U8(v) = &p.samples else {
            panic!("8 bits")
        };
        assert_eq!(v[..4], [0, 255, 0, 128]);
        assert_eq!(v[4..8], [200, 0, 0, 0]);
        assert_eq!(v[8..12], [0, 255, 0, 0]);
        assert_eq!(v[12..], [10, 20, 30, 127]);
    }

    #[test]
    fn between_opaque_pixels_it_blends_as_without_alpha() {
        let bytes: Vec<u8> = (0..400u32).map(|i| (i * 37 % 251) as u8).collect();
        let opaque: Vec<u8> = bytes
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2], 255])
            .collect();
        let mut a = photo(Channels::Rgba, Samples::U8(opaque));
        let mut b = a.clone();
        let fill = |x: usize| ([x as f32 / 99.0, 0.5, 0.25], (x * 5 % 256) as u8);
        a.blend_rows(row(100), |_, blend| {
            (0..100).for_each(|x| blend(x, fill(x).0, fill(x).1))
        });
        b.blend_rows_with_alpha(row(100), |_, blend| {
            (0..100).for_each(|x| blend(x, fill(x).0, 1.0, fill(x).1))
        });
        let (Samples::U8(a), Samples::U8(b)) = (a.samples, b.samples) else {
            panic!("8 bits")
        };
        assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 1));
    }

    #[test]
    fn recolouring_leaves_alpha_and_what_it_has_no_colour_for() {
        let mut p = photo(Channels::GrayAlpha, Samples::U8(vec![7, 0, 9, 255]));
        p.recolour(|_, _, _, alpha| (alpha == 0.0).then_some([1.0, 0.5, 0.0]));
        assert_eq!(p.samples, Samples::U8(vec![128, 0, 9, 255]));
    }
}
