//! WebP: the container walk, decoding (lossy and lossless), lossless encoding.

use std::io::Cursor;

use image_webp::{ColorType, WebPDecoder, WebPEncoder};

use super::{Channels, Format, ImageError, Limits, Photo, Samples};

const F: Format = Format::WebP;

/// What the container says.
#[derive(Debug, Default)]
pub(super) struct WebPFile {
    pub width: u32,
    pub height: u32,
    pub alpha: bool,
    pub icc: Option<Vec<u8>>,
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
}

/// Walks the chunks: size, kind and metadata, without decoding a pixel.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<WebPFile, ImageError> {
    let mut file = WebPFile::default();
    let mut metadata_bytes = 0;
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = bytes
            .get(at + 8..at + 8 + length)
            .ok_or_else(|| ImageError::corrupt(F, "a chunk runs past the end of the file"))?;
        at += 8 + length + length % 2;
        match &head[..4] {
            b"VP8X" => file.read_extended(body)?,
            b"VP8 " => file.read_lossy(body)?,
            b"VP8L" => file.read_lossless(body)?,
            b"ANIM" | b"ANMF" => return Err(animated()),
            b"ICCP" => {
                within(body.len(), limits.profile_bytes_max, "bytes of ICC profile")?;
                file.icc = Some(body.to_vec());
            }
            b"EXIF" | b"XMP " => {
                metadata_bytes += body.len();
                within(
                    metadata_bytes,
                    limits.metadata_bytes_max,
                    "bytes of metadata",
                )?;
                // Some writers keep JPEG's prefix.
                let plain = body.strip_prefix(b"Exif\0\0").unwrap_or(body).to_vec();
                *(if head.starts_with(b"EXIF") {
                    &mut file.exif
                } else {
                    &mut file.xmp
                }) = Some(plain);
            }
            _ => {}
        }
        if file.width > 0 {
            limits.check_size(F, u64::from(file.width), u64::from(file.height))?;
        }
    }
    if file.width == 0 {
        return Err(ImageError::corrupt(F, "it has no image data"));
    }
    Ok(file)
}

fn within(got: usize, max: usize, what: &'static str) -> Result<(), ImageError> {
    if got > max {
        Err(ImageError::Limit {
            format: F,
            what,
            got: got as u64,
            max: max as u64,
        })
    } else {
        Ok(())
    }
}

fn animated() -> ImageError {
    ImageError::Unsupported {
        format: F,
        feature: "animation".to_string(),
        remedy: "send its frames as single images",
    }
}

impl WebPFile {
    fn set_size(&mut self, width: u32, height: u32) -> Result<(), ImageError> {
        if self.width != 0 && (self.width, self.height) != (width, height) {
            return Err(ImageError::corrupt(
                F,
                "the sizes of canvas and image differ",
            ));
        }
        (self.width, self.height) = (width, height);
        Ok(())
    }
    fn read_extended(&mut self, body: &[u8]) -> Result<(), ImageError> {
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = body else {
            return Err(ImageError::corrupt(F, "its VP8X chunk is too short"));
        };
        if flags & 2 != 0 {
            return Err(animated());
        }
        self.alpha |= flags & 16 != 0;
        self.set_size(
            u32::from_le_bytes([w0, w1, w2, 0]) + 1,
            u32::from_le_bytes([h0, h1, h2, 0]) + 1,
        )
    }
    fn read_lossy(&mut self, body: &[u8]) -> Result<(), ImageError> {
        let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = body else {
            return Err(ImageError::corrupt(
                F,
                "its VP8 chunk does not start with a key frame",
            ));
        };
        let side = |a, b| u32::from(u16::from_le_bytes([a, b]) & 0x3fff);
        self.set_size(side(w0, w1), side(h0, h1))
    }
    fn read_lossless(&mut self, body: &[u8]) -> Result<(), ImageError> {
        let &[0x2f, b0, b1, b2, b3, ..] = body else {
            return Err(ImageError::corrupt(F, "its VP8L chunk lacks its signature"));
        };
        let bits = u32::from_le_bytes([b0, b1, b2, b3]);
        self.alpha |= bits >> 28 & 1 != 0;
        self.set_size((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
    }
}

/// Decodes to stored orientation, 8-bit RGB or RGBA.
pub(super) fn decode(bytes: &[u8], file: &WebPFile) -> Result<(Channels, Vec<u8>), ImageError> {
    let fail = |e: image_webp::DecodingError| ImageError::corrupt(F, e);
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(fail)?;
    if decoder.dimensions() != (file.width, file.height) || decoder.is_animated() {
        return Err(ImageError::corrupt(F, "its headers contradict each other"));
    }
    let channels = if decoder.has_alpha() {
        Channels::Rgba
    } else {
        Channels::Rgb
    };
    let mut samples = vec![0; file.width as usize * file.height as usize * channels.count()];
    decoder.read_image(&mut samples).map_err(fail)?;
    Ok((channels, samples))
}

/// Encodes losslessly; 16-bit samples are rounded to 8.
pub(super) fn encode(photo: &Photo) -> Result<Vec<u8>, ImageError> {
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
