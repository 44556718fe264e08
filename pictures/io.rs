//! The entry points: probe, decode, encode, masks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Channels, Format, ImageError, Limits, Mask, Metadata, Orientation, Photo, Samples, Source,
};
use super::{exif, jpeg, png, webp};

/// What a file says about itself; nothing was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type by content.
    pub format: Format,
    /// Width as displayed.
    pub width: usize,
    /// Height as displayed.
    pub height: usize,
    /// Samples per pixel after decoding.
    pub channels: Channels,
    /// Bits per sample in the file.
    pub bits: u8,
    /// How the stored pixels are turned for display.
    pub orientation: Orientation,
}

/// How to write a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Another type than the photo's own.
    pub format: Option<Format>,
    /// JPEG only, 1 to 100: the standard tables at this quality instead of the input's own. PNG and WebP are lossless.
    pub quality: Option<u8>,
}

/// A walked file.
enum File {
    Jpeg(Box<jpeg::JpegFile>),
    Png(png::PngFile),
    WebP(webp::WebPFile),
}

fn parse(bytes: &[u8], limits: &Limits) -> Result<File, ImageError> {
    Ok(
        match Format::of(bytes).ok_or(ImageError::UnsupportedType)? {
            Format::Jpeg => File::Jpeg(Box::new(jpeg::parse(bytes, limits)?)),
            Format::Png => File::Png(png::parse(bytes, limits)?),
            Format::WebP => File::WebP(webp::parse(bytes, limits)?),
        },
    )
}

/// Checks type, size and structure against the limits without decoding. Reads headers only; `bytes` is the whole file.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    let mut file = parse(bytes, limits)?;
    let (orientation, _) = file.metadata();
    let (format, width, height, channels, bits) = match &file {
        File::Jpeg(f) => {
            let channels = if f.components.len() == 1 {
                Channels::Gray
            } else {
                Channels::Rgb
            };
            (
                Format::Jpeg,
                usize::from(f.width),
                usize::from(f.height),
                channels,
                8,
            )
        }
        File::Png(f) => {
            let channels = match (f.color_type, f.transparency) {
                (0, false) => Channels::Gray,
                (0, true) | (4, _) => Channels::GrayAlpha,
                (2 | 3, false) => Channels::Rgb,
                _ => Channels::Rgba,
            };
            (
                Format::Png,
                f.width as usize,
                f.height as usize,
                channels,
                f.bit_depth,
            )
        }
        File::WebP(f) => {
            let channels = if f.alpha {
                Channels::Rgba
            } else {
                Channels::Rgb
            };
            (
                Format::WebP,
                f.width as usize,
                f.height as usize,
                channels,
                8,
            )
        }
    };
    let (width, height) = orientation.displayed(width, height);
    Ok(Header {
        format,
        width,
        height,
        channels,
        bits,
        orientation,
    })
}

/// Decodes a photo to displayed orientation. A decoder that panics counts as a corrupt file.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Photo, ImageError> {
    let mut file = parse(bytes, limits)?;
    let (orientation, metadata) = file.metadata();
    let guarded = catch_unwind(AssertUnwindSafe(|| file.decode(bytes, orientation)));
    let (width, channels, samples, mut source) =
        guarded.map_err(|_| ImageError::corrupt(file.format(), "the decoder failed on it"))??;
    let height = samples.len() / channels.count() / width;
    let samples = turn(samples, channels, width, orientation);
    if let Source::Png(super::PngSource {
        palette: Some(palette),
        ..
    }) = &mut source
    {
        palette.indices = orientation.apply::<u8, 1>(std::mem::take(&mut palette.indices), width);
    }
    let (width, height) = orientation.displayed(width, height);
    Ok(Photo {
        width,
        height,
        format: file.format(),
        channels,
        samples,
        metadata,
        source,
    })
}

/// Decodes a mask and cuts it at 128: 255 removes, 0 keeps. Colour counts by its luma; transparent pixels keep, whatever
/// their colour (the mask is seen on black). PNG is the documented type; JPEG and WebP are read too.
pub fn decode_mask(bytes: &[u8], limits: &Limits) -> Result<Mask, ImageError> {
    let photo = decode(bytes, limits)?;
    let channels = photo.channels;
    let data = match &photo.samples {
        Samples::U8(v) => v
            .chunks_exact(channels.count())
            .map(|px| cut(px, channels, 255.0))
            .collect(),
        Samples::U16(v) => v
            .chunks_exact(channels.count())
            .map(|px| cut(px, channels, 65535.0))
            .collect(),
    };
    Ok(Mask {
        width: photo.width,
        height: photo.height,
        data,
    })
}

fn cut<S: Copy + Into<f32>>(px: &[S], channels: Channels, max: f32) -> u8 {
    let at = |i: usize| px[i].into() / max;
    let gray = if channels.is_gray() {
        at(0)
    } else {
        0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2)
    };
    let alpha = if channels.has_alpha() {
        at(channels.count() - 1)
    } else {
        1.0
    };
    // Compared on the 8-bit scale, rounded: 128 of 255 removes, 127 keeps.
    if (gray * alpha * 255.0).round() >= 128.0 {
        255
    } else {
        0
    }
}

impl File {
    fn format(&self) -> Format {
        match self {
            File::Jpeg(_) => Format::Jpeg,
            File::Png(_) => Format::Png,
            File::WebP(_) => Format::WebP,
        }
    }

    /// Takes the metadata out, made true for the upright picture, with the orientation it had.
    fn metadata(&mut self) -> (Orientation, Metadata) {
        let mut m = Metadata::default();
        match self {
            File::Jpeg(f) => {
                m.icc = f.icc();
                (m.exif, m.xmp) = (f.exif.take(), f.xmp.take());
                m.jpeg_segments = std::mem::take(&mut f.segments);
                m.jfif_density = f.density;
            }
            File::Png(f) => {
                (m.icc, m.exif, m.xmp) = (f.icc.take(), f.exif.take(), f.xmp.take());
                m.png_chunks = std::mem::take(&mut f.chunks);
            }
            File::WebP(f) => (m.icc, m.exif, m.xmp) = (f.icc.take(), f.exif.take(), f.xmp.take()),
        }
        // A block that is no TIFF structure cannot be made true, so it is not carried.
        let orientation = m.exif.as_mut().and_then(exif::tidy);
        if orientation.is_none() {
            m.exif = None;
        }
        if let Some(xmp) = &mut m.xmp {
            exif::set_xmp_orientation(xmp, Orientation::UPRIGHT);
        }
        let orientation = orientation.unwrap_or(Orientation::UPRIGHT);
        if orientation.turns() {
            m.turn_resolution();
        }
        (orientation, m)
    }

    fn decode(
        &self,
        bytes: &[u8],
        orientation: Orientation,
    ) -> Result<(usize, Channels, Samples, Source), ImageError> {
        match self {
            File::Jpeg(f) => {
                let (width, height) = (usize::from(f.width), usize::from(f.height));
                let channels = match f.components.len() {
                    1 => Channels::Gray,
                    _ => Channels::Rgb,
                };
                let original = f.original(bytes, orientation);
                let samples = jpeg::pixels(&original, width, height, channels)?;
                let source = Source::Jpeg(Box::new(f.source(original)));
                Ok((width, channels, Samples::U8(samples), source))
            }
            File::Png(f) => {
                let (channels, samples, source) = png::decode(bytes, f)?;
                Ok((f.width as usize, channels, samples, Source::Png(source)))
            }
            File::WebP(f) => {
                let (channels, samples) = webp::decode(bytes, f)?;
                Ok((
                    f.width as usize,
                    channels,
                    Samples::U8(samples),
                    Source::WebP,
                ))
            }
        }
    }
}

impl Photo {
    /// Writes the photo: in its own type and kind, or converted as asked. Never changes what it does not have to; refuses to
    /// drop transparency.
    pub fn encode(&self, options: &EncodeOptions) -> Result<Vec<u8>, ImageError> {
        self.encode_with_warnings(options, &mut Vec::new())
    }

    /// Like [`Photo::encode`]; says in `warnings` what could not stay as it was, one sentence each.
    pub fn encode_with_warnings(
        &self,
        options: &EncodeOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<u8>, ImageError> {
        match options.format.unwrap_or(self.format) {
            Format::Jpeg if self.is_transparent() => Err(ImageError::encode(
                Format::Jpeg,
                "the image has transparent pixels, which JPEG cannot hold; choose png or webp",
            )),
            Format::Jpeg => jpeg::encode(self, options.quality, warnings),
            Format::Png => png::encode(self),
            Format::WebP => webp::encode(self),
        }
    }

    /// Whether any pixel is less than opaque.
    fn is_transparent(&self) -> bool {
        let n = self.channels.count();
        self.channels.has_alpha()
            && match &self.samples {
                Samples::U8(v) => v.iter().skip(n - 1).step_by(n).any(|&a| a != u8::MAX),
                Samples::U16(v) => v.iter().skip(n - 1).step_by(n).any(|&a| a != u16::MAX),
            }
    }
}

fn turn(samples: Samples, channels: Channels, width: usize, orientation: Orientation) -> Samples {
    match samples {
        Samples::U8(v) => Samples::U8(turn_pixels(v, channels, width, orientation)),
        Samples::U16(v) => Samples::U16(turn_pixels(v, channels, width, orientation)),
    }
}

fn turn_pixels<T: Copy + Default + Send + Sync>(
    v: Vec<T>,
    channels: Channels,
    width: usize,
    orientation: Orientation,
) -> Vec<T> {
    match channels.count() {
        1 => orientation.apply::<T, 1>(v, width),
        2 => orientation.apply::<T, 2>(v, width),
        3 => orientation.apply::<T, 3>(v, width),
        _ => orientation.apply::<T, 4>(v, width),
    }
}
