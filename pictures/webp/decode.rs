//! Decoding with image-webp.

use image_webp::WebPDecoder;

use super::WebPFile;
use crate::deadline::{Deadline, Pieces};
use crate::memory::zeroed;
use crate::{Channels, Format, ImageError, Limits};

const F: Format = Format::WebP;

/// Decodes to stored orientation, 8-bit RGB or RGBA.
pub(crate) fn decode(
    file: &WebPFile<'_>,
    limits: &Limits,
) -> Result<(Channels, Vec<u8>), ImageError> {
    let deadline = Deadline::after(limits.decode_max);
    let fail = |e: image_webp::DecodingError| deadline.fault(F, e);
    let reader = Pieces::new(file.critical(), deadline);
    let mut decoder = WebPDecoder::new(reader).map_err(fail)?;
    if decoder.dimensions() != (file.width, file.height) {
        return Err(ImageError::corrupt(F, "its headers contradict each other"));
    }
    let channels = match decoder.has_alpha() {
        true => Channels::Rgba,
        false => Channels::Rgb,
    };
    let pixels = file.width as usize * file.height as usize;
    let mut samples = zeroed(pixels * channels.count())?;
    decoder.read_image(&mut samples).map_err(fail)?;
    Ok((channels, samples))
}
