//! Encoding: lossless with image-webp, lossy with libwebp.

use image_webp::{ColorType, WebPEncoder};

use crate::memory::with_capacity;
use crate::{Channels, Format, ImageError, Metadata, Photo, Samples, Source};

const F: Format = Format::WebP;
const SIDE_MAX: usize = 16_383;

/// Encodes at `quality`, else as the input was: lossy at about its own quality, lossless if it was no lossy WebP. 16-bit samples
/// are rounded to 8.
pub(crate) fn encode(
    photo: &Photo,
    quality: Option<u8>,
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, ImageError> {
    if photo.width.max(photo.height) > SIDE_MAX {
        return Err(ImageError::encode(
            F,
            format!(
                "{}x{} exceeds WebP's {SIDE_MAX} pixels per side",
                photo.width, photo.height
            ),
        ));
    }
    let mut metadata = Beside::of(&photo.metadata);
    if metadata.icc.get(16..20) == Some(b"GRAY") {
        // WebP stores gray as colours.
        warnings.push(
            "the gray colour profile was left out: WebP stores gray as colours, which it does not fit"
                .to_string(),
        );
        metadata.icc = &[];
    }
    let own = match &photo.source {
        Source::WebP(source) => source.quality,
        _ => None,
    };
    if let (None, Some(own)) = (quality, own) {
        warnings.push(format!(
            "a lossy WebP is coded again as a whole, at about its own quality ({own:.0}), so pixels outside of the mask changed slightly"
        ));
    }
    match quality.map(f32::from).or(own) {
        Some(quality) => lossy(photo, quality, &metadata),
        None => lossless(photo, &metadata),
    }
}

/// Metadata that a WebP can hold; empty for none.
struct Beside<'a> {
    icc: &'a [u8],
    exif: &'a [u8],
    xmp: &'a [u8],
}

impl<'a> Beside<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        Beside {
            icc: metadata.icc.as_deref().unwrap_or(&[]),
            exif: metadata.exif.as_deref().unwrap_or(&[]),
            xmp: metadata.xmp.as_deref().unwrap_or(&[]),
        }
    }
}

fn narrow(samples: &[u16]) -> Result<Vec<u8>, ImageError> {
    let mut out = with_capacity(samples.len())?;
    let rounded = samples.iter().map(|&s| ((u32::from(s) + 128) / 257) as u8);
    out.extend(rounded);
    Ok(out)
}

fn lossless(photo: &Photo, metadata: &Beside<'_>) -> Result<Vec<u8>, ImageError> {
    let color = match photo.channels {
        Channels::Gray => ColorType::L8,
        Channels::GrayAlpha => ColorType::La8,
        Channels::Rgb => ColorType::Rgb8,
        Channels::Rgba => ColorType::Rgba8,
    };
    let mut out = Vec::new();
    let mut encoder = WebPEncoder::new(&mut out);
    encoder.set_icc_profile(metadata.icc.to_vec());
    encoder.set_exif_metadata(metadata.exif.to_vec());
    encoder.set_xmp_metadata(metadata.xmp.to_vec());
    let (width, height) = (photo.width as u32, photo.height as u32);
    let done = match &photo.samples {
        Samples::U8(v) => encoder.encode(v, width, height, color),
        Samples::U16(v) => encoder.encode(&narrow(v)?, width, height, color),
    };
    done.map_err(|e| ImageError::encode(F, e))?;
    Ok(out)
}

fn lossy(photo: &Photo, quality: f32, metadata: &Beside<'_>) -> Result<Vec<u8>, ImageError> {
    let fail = |e: &dyn std::fmt::Debug| ImageError::encode(F, format!("{e:?}"));
    let mut config = webp::WebPConfig::new().map_err(|()| fail(&"libwebp has another version"))?;
    config.quality = quality.clamp(0.0, 100.0);
    // Colours under transparent pixels stay.
    config.exact = 1;
    let made;
    let samples = match (&photo.samples, photo.channels) {
        (Samples::U8(v), Channels::Rgb | Channels::Rgba) => v.as_slice(),
        (Samples::U8(v), channels) => {
            made = coloured(v, channels)?;
            &made
        }
        (Samples::U16(v), Channels::Rgb | Channels::Rgba) => {
            made = narrow(v)?;
            &made
        }
        (Samples::U16(v), channels) => {
            made = coloured(&narrow(v)?, channels)?;
            &made
        }
    };
    let (width, height) = (photo.width as u32, photo.height as u32);
    let encoder = match photo.channels.has_alpha() {
        true => webp::Encoder::from_rgba(samples, width, height),
        false => webp::Encoder::from_rgb(samples, width, height),
    };
    let file = encoder.encode_advanced(&config).map_err(|e| fail(&e))?;
    Ok(with_metadata(&file, (width, height), metadata))
}

/// Gray samples as RGB or RGBA.
fn coloured(samples: &[u8], channels: Channels) -> Result<Vec<u8>, ImageError> {
    let n = channels.count();
    let mut out = with_capacity(samples.len() / n * (n + 2))?;
    for px in samples.chunks_exact(n) {
        out.extend([px[0]; 3]);
        out.extend_from_slice(&px[1..]);
    }
    Ok(out)
}

/// Puts metadata round the image of a file that libwebp wrote.
fn with_metadata(file: &[u8], (width, height): (u32, u32), metadata: &Beside<'_>) -> Vec<u8> {
    let mut image = Vec::new();
    let mut alpha = false;
    let mut rest = file.get(12..).unwrap_or(&[]);
    while rest.len() >= 8 {
        let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
        let end = (8 + length + length % 2).min(rest.len());
        if &rest[..4] != b"VP8X" {
            alpha |= &rest[..4] == b"ALPH";
            image.extend_from_slice(&rest[..end]);
        }
        rest = &rest[end..];
    }
    let parts = [metadata.icc, metadata.exif, metadata.xmp];
    let mut chunks = Vec::new();
    if alpha || parts.iter().any(|part| !part.is_empty()) {
        let flags = [0x20, 0x08, 0x04].iter().zip(parts);
        let flags = flags.filter(|(_, part)| !part.is_empty());
        let flags = flags.fold(u8::from(alpha) << 4, |all, (flag, _)| all | flag);
        let ([w0, w1, w2, _], [h0, h1, h2, _]) =
            ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
        push(
            &mut chunks,
            b"VP8X",
            &[flags, 0, 0, 0, w0, w1, w2, h0, h1, h2],
        );
    }
    push(&mut chunks, b"ICCP", metadata.icc);
    chunks.extend(image);
    push(&mut chunks, b"EXIF", metadata.exif);
    push(&mut chunks, b"XMP ", metadata.xmp);
    let length = (chunks.len() as u32 + 4).to_le_bytes();
    [&b"RIFF"[..], &length, b"WEBP", &chunks].concat()
}

/// Appends a chunk with its padding, unless it is empty.
fn push(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    if body.is_empty() {
        return;
    }
    out.extend(kind);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend_from_slice(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
}
