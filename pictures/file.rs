//! A file of any type whose structure was walked, and what its header says.

use super::{Channels, Format, ImageError, Limits, Orientation};
use super::{bmp, exif, jpeg, png, tiff, webp};

/// A walked file.
pub enum File<'a> {
    Jpeg(Box<jpeg::JpegFile<'a>>),
    Png(Box<png::PngFile<'a>>),
    WebP(Box<webp::WebPFile<'a>>),
    Tiff(Box<tiff::TiffFile<'a>>),
    Bmp(bmp::BmpFile<'a>),
}

/// Checks type, size and structure of a file against the limits.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<File<'a>, ImageError> {
    Ok(
        match Format::of(bytes).ok_or_else(|| ImageError::unknown(bytes))? {
            Format::Jpeg => File::Jpeg(Box::new(jpeg::parse(bytes, limits)?)),
            Format::Png => File::Png(Box::new(png::parse(bytes, limits)?)),
            Format::WebP => File::WebP(Box::new(webp::parse(bytes, limits)?)),
            Format::Tiff => File::Tiff(Box::new(tiff::parse(bytes, limits)?)),
            Format::Bmp => File::Bmp(bmp::parse(bytes, limits)?),
        },
    )
}

impl File<'_> {
    /// Its type.
    pub fn format(&self) -> Format {
        match self {
            File::Jpeg(_) => Format::Jpeg,
            File::Png(_) => Format::Png,
            File::WebP(_) => Format::WebP,
            File::Tiff(_) => Format::Tiff,
            File::Bmp(_) => Format::Bmp,
        }
    }

    /// Bits per sample in the file.
    pub fn bits(&self) -> u8 {
        match self {
            File::Png(f) => f.bit_depth,
            File::Tiff(f) => f.layout.bits,
            _ => 8,
        }
    }

    /// Width and height as stored.
    pub fn size(&self) -> (usize, usize) {
        match self {
            File::Jpeg(f) => (usize::from(f.width), usize::from(f.height)),
            File::Png(f) => (f.width as usize, f.height as usize),
            File::WebP(f) => (f.width as usize, f.height as usize),
            File::Tiff(f) => (f.layout.width, f.layout.height),
            File::Bmp(f) => (f.width, f.height),
        }
    }

    /// Samples per pixel after decoding.
    pub fn channels(&self) -> Channels {
        match self {
            File::Jpeg(f) if f.components.len() == 1 => Channels::Gray,
            File::Jpeg(_) => Channels::Rgb,
            File::Png(f) => match (f.color_type, f.transparency) {
                (0, false) => Channels::Gray,
                (0, true) | (4, _) => Channels::GrayAlpha,
                (2 | 3, false) => Channels::Rgb,
                _ => Channels::Rgba,
            },
            File::WebP(f) if f.alpha => Channels::Rgba,
            File::WebP(_) => Channels::Rgb,
            File::Tiff(f) => f.layout.channels(),
            File::Bmp(f) => f.channels,
        }
    }

    /// How the stored pixels are turned for display.
    pub fn orientation(&self) -> Orientation {
        match self {
            File::Jpeg(f) => f.exif().map_or(Orientation::UPRIGHT, exif::orientation),
            File::Png(f) => png::orientation(f),
            File::WebP(f) => webp::orientation(f),
            File::Tiff(f) => tiff::orientation(f),
            File::Bmp(_) => Orientation::UPRIGHT,
        }
    }

    /// Whether its colours are inks.
    pub fn is_cmyk(&self) -> bool {
        match self {
            File::Jpeg(f) => f.components.len() == 4,
            File::Tiff(f) => f.layout.is_cmyk(),
            _ => false,
        }
    }
}
