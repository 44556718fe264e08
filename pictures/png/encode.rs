//! Encoding in the input's kind: bit depth, channels, palette.

use std::io::Write;

use miniz_oxide::deflate::compress_to_vec_zlib;
use png::{BitDepth, ColorType, Encoder};

use super::carried::is_text;
use super::palette::{Indexed, index};
use crate::{Channels, Format, ImageError, Metadata, Photo, Samples, Source};

/// Signature and header chunk, behind which the metadata goes.
const PREFIX_BYTES: usize = 8 + 25;
/// zlib level for profiles.
const PROFILE_LEVEL: u8 = 8;

/// Encodes the photo. Gray images of few bits keep them, and palette images their kind when the pixels still fit it; that they do
/// not is one of the `warnings`.
pub(crate) fn encode(photo: &Photo, warnings: &mut Vec<String>) -> Result<Vec<u8>, ImageError> {
    let source = match &photo.source {
        Source::Png(source) => Some(source),
        _ => None,
    };
    let low = source.map_or(8, |s| s.bit_depth);
    let palette = source.and_then(|s| s.palette.as_ref());
    let indexed = match palette {
        Some(palette) => index(photo, palette, low)?,
        None => None,
    };
    if palette.is_some() && indexed.is_none() {
        warnings.push(
            "the palette has no room for the colours of the fill, so the PNG was saved in full colour"
                .to_string(),
        );
    }
    let samples = match indexed {
        Some(_) => 0,
        None => photo.channels.count(),
    };
    let mut out = Splice {
        bytes: Vec::new(),
        insert: metadata_chunks(&photo.metadata, samples),
    };
    let written = match (&photo.samples, indexed) {
        (_, Some(indexed)) => write_indexed(&mut out, photo, &indexed, low),
        (Samples::U8(v), None) if low < 8 && photo.channels == Channels::Gray => {
            write_low(&mut out, photo, v, low)
        }
        (Samples::U8(v), None) => write_rows(&mut out, photo, BitDepth::Eight, v, |row, to| {
            to.extend_from_slice(row)
        }),
        (Samples::U16(v), None) => write_rows(&mut out, photo, BitDepth::Sixteen, v, |row, to| {
            to.extend(row.iter().flat_map(|s| s.to_be_bytes()))
        }),
    };
    written.map_err(|e| ImageError::encode(Format::Png, e))?;
    Ok(out.bytes)
}

fn encoder<'a>(
    out: &'a mut Splice,
    photo: &Photo,
    color: ColorType,
    depth: BitDepth,
) -> Encoder<'static, &'a mut Splice> {
    let mut encoder = Encoder::new(out, photo.width as u32, photo.height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder
}

/// Writes samples row by row, so that no converted copy of the photo is made.
fn write_rows<S>(
    out: &mut Splice,
    photo: &Photo,
    depth: BitDepth,
    samples: &[S],
    put: impl Fn(&[S], &mut Vec<u8>),
) -> Result<(), png::EncodingError> {
    let color = match photo.channels {
        Channels::Gray => ColorType::Grayscale,
        Channels::GrayAlpha => ColorType::GrayscaleAlpha,
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    };
    let mut writer = encoder(out, photo, color, depth).write_header()?;
    let mut stream = writer.stream_writer()?;
    let mut line = Vec::new();
    for row in samples.chunks_exact((photo.width * photo.channels.count()).max(1)) {
        line.clear();
        put(row, &mut line);
        stream.write_all(&line)?;
    }
    stream.finish()
}

fn write_indexed(
    out: &mut Splice,
    photo: &Photo,
    indexed: &Indexed,
    depth: u8,
) -> Result<(), png::EncodingError> {
    let needed = [1u8, 2, 4, 8]
        .into_iter()
        .find(|d| indexed.colours.len() <= 1 << d)
        .unwrap_or(8);
    let depth = depth.max(needed).min(8);
    let mut encoder = encoder(out, photo, ColorType::Indexed, bit_depth(depth));
    encoder.set_palette(
        indexed
            .colours
            .iter()
            .flat_map(|c| [c[0], c[1], c[2]])
            .collect::<Vec<u8>>(),
    );
    if photo.channels.has_alpha() {
        encoder.set_trns(indexed.colours.iter().map(|c| c[3]).collect::<Vec<u8>>());
    }
    let mut writer = encoder.write_header()?;
    write_packed(&mut writer, &indexed.indices, photo.width, depth, 1)
}

fn write_low(
    out: &mut Splice,
    photo: &Photo,
    samples: &[u8],
    depth: u8,
) -> Result<(), png::EncodingError> {
    let mut writer = encoder(out, photo, ColorType::Grayscale, bit_depth(depth)).write_header()?;
    write_packed(&mut writer, samples, photo.width, depth, step(depth))
}

/// Packs `depth` bits per sample: the nearest multiple of `step`.
fn write_packed(
    writer: &mut png::Writer<&mut Splice>,
    samples: &[u8],
    width: usize,
    depth: u8,
    step: u8,
) -> Result<(), png::EncodingError> {
    let per_byte = 8 / usize::from(depth);
    // Of the values that so few bits can hold.
    let nearest = |v: u8| ((u16::from(v) + u16::from(step) / 2) / u16::from(step)) as u8;
    let mut stream = writer.stream_writer()?;
    for row in samples.chunks_exact(width.max(1)) {
        let pack = |group: &[u8]| {
            group.iter().enumerate().fold(0, |b, (i, v)| {
                b | nearest(*v) << (8 - usize::from(depth) * (i + 1))
            })
        };
        let line: Vec<u8> = row.chunks(per_byte).map(pack).collect();
        stream.write_all(&line)?;
    }
    stream.finish()
}

/// Distance between neighbouring gray values of `depth` bits on the 8-bit scale.
fn step(depth: u8) -> u8 {
    (255u16 / ((1u16 << depth) - 1)) as u8
}

fn bit_depth(depth: u8) -> BitDepth {
    match depth {
        1 => BitDepth::One,
        2 => BitDepth::Two,
        4 => BitDepth::Four,
        _ => BitDepth::Eight,
    }
}

/// Whether a chunk fits an image of so many samples a pixel, 0 for a palette image: two depend on it, and the background of a
/// palette image cannot be given before its palette.
fn fits_kind(kind: [u8; 4], body: &[u8], samples: usize) -> bool {
    match (&kind, samples) {
        (b"sBIT", 0) => body.len() == 3,
        (b"sBIT", n) => body.len() == n,
        (b"bKGD", 0) => false,
        (b"bKGD", 1 | 2) => body.len() == 2,
        (b"bKGD", _) => body.len() == 6,
        _ => true,
    }
}

/// Colour, EXIF, XMP and text chunks for an image of so many samples a pixel, 0 for a palette image.
fn metadata_chunks(metadata: &Metadata, samples: usize) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(icc) = &metadata.icc {
        let profile = [
            b"ICC profile\0\0".as_slice(),
            &compress_to_vec_zlib(icc, PROFILE_LEVEL),
        ]
        .concat();
        push_chunk(&mut out, *b"iCCP", &profile);
    }
    for (kind, body) in metadata
        .png_chunks
        .iter()
        .filter(|(kind, body)| !is_text(kind) && fits_kind(*kind, body, samples))
    {
        push_chunk(&mut out, *kind, body);
    }
    if let Some(exif) = &metadata.exif {
        push_chunk(&mut out, *b"eXIf", exif);
    }
    if let Some(xmp) = &metadata.xmp {
        push_chunk(
            &mut out,
            *b"iTXt",
            &[b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), xmp].concat(),
        );
    }
    for (kind, body) in metadata.png_chunks.iter().filter(|(kind, _)| is_text(kind)) {
        push_chunk(&mut out, *kind, body);
    }
    out
}

fn push_chunk(out: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    let start = out.len() + 4;
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(kind);
    out.extend_from_slice(body);
    let crc = crc32fast::hash(&out[start..]);
    out.extend(crc.to_be_bytes());
}

/// Collects the encoder's output and puts the metadata right behind the header chunk: before palette and pixels, where all of
/// it is allowed.
struct Splice {
    bytes: Vec<u8>,
    insert: Vec<u8>,
}

impl Write for Splice {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.insert.is_empty() || self.bytes.len() >= PREFIX_BYTES {
            self.bytes.append(&mut self.insert);
            self.bytes.extend_from_slice(data);
            return Ok(data.len());
        }
        let head = data.len().min(PREFIX_BYTES - self.bytes.len());
        self.bytes.extend_from_slice(&data[..head]);
        Ok(head)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
