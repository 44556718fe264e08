//! Lossless encoding.

use image_webp::{ColorType, WebPEncoder};

use crate::{Channels, Format, ImageError, Photo, Samples};

const F: Format = Format::WebP;

/// Encodes losslessly; 16-bit samples are rounded to 8.
pub(crate) fn encode(photo: &Photo) -> Result<Vec<u8>, ImageError> {
    let color = match photo.channels {
        Channels::Gray => ColorType::L8,
        Channels::GrayAlpha => ColorType::La8,
        Channels::Rgb => ColorType::Rgb8,
        Channels::Rgba => ColorType::Rgba8,
    };
    if photo.width.max(photo.height) > 16_384 {
        return Err(ImageError::encode(
            F,
            format!(
                "{}x{} exceeds WebP's 16384 pixels per side",
                photo.width, photo.height
            ),
        ));
    }
    let mut out = Vec::new();
    let mut encoder = WebPEncoder::new(&mut out);
    encoder.set_icc_profile(photo.metadata.icc.clone().unwrap_or_default());
    encoder.set_exif_metadata(photo.metadata.exif.clone().unwrap_or_default());
    encoder.set_xmp_metadata(photo.metadata.xmp.clone().unwrap_or_default());
    let (width, height) = (photo.width as u32, photo.height as u32);
    let done = match &photo.samples {
        Samples::U8(v) => encoder.encode(v, width, height, color),
        Samples::U16(v) => {
            let narrow: Vec<u8> = v
                .iter()
                .map(|&s| ((u32::from(s) + 128) / 257) as u8)
                .collect();
            encoder.encode(&narrow, width, height, color)
        }
    };
    done.map_err(|e| ImageError::encode(F, e))?;
    Ok(out)
}
