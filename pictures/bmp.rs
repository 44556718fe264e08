//! BMP: read with the `image` crate, within limits; never written.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder};

use super::deadline::{Deadline, Pieces};
use super::memory::zeroed;
use super::{Channels, Format, ImageError, Limits};

const F: Format = Format::Bmp;

/// What the headers say.
pub(crate) struct BmpFile<'a> {
    bytes: &'a [u8],
    pub width: usize,
    pub height: usize,
    pub channels: Channels,
}

/// Reads headers and palette. Refuses sizes over the limits.
pub(crate) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<BmpFile<'a>, ImageError> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|e| ImageError::corrupt(F, e))?;
    let (width, height) = decoder.dimensions();
    limits.check_size(F, u64::from(width), u64::from(height))?;
    let channels = match decoder.color_type() {
        ColorType::Rgba8 => Channels::Rgba,
        ColorType::Rgb8 => Channels::Rgb,
        other => {
            return Err(ImageError::Unsupported {
                format: F,
                feature: format!("{other:?} samples"),
                remedy: "save it as PNG",
            });
        }
    };
    Ok(BmpFile {
        bytes,
        width: width as usize,
        height: height as usize,
        channels,
    })
}

/// Decodes to 8-bit RGB or RGBA.
pub(crate) fn decode(file: &BmpFile<'_>, limits: &Limits) -> Result<Vec<u8>, ImageError> {
    let deadline = Deadline::after(limits.decode_max);
    let fail = |e: image::ImageError| deadline.fault(F, e);
    let reader = Pieces::new(vec![file.bytes.into()], deadline);
    let decoder = BmpDecoder::new(reader).map_err(fail)?;
    let mut samples = zeroed(file.width * file.height * file.channels.count())?;
    if decoder.total_bytes() != samples.len() as u64 {
        return Err(ImageError::corrupt(F, "its headers contradict each other"));
    }
    decoder.read_image(&mut samples).map_err(fail)?;
    Ok(samples)
}
