//! Decoding at full depth with the png crate.

use std::io::Cursor;

use png::{ColorType, Decoder, Reader, Transformations};

use super::PngFile;
use crate::{Channels, Format, ImageError, Palette, PngSource, Samples};

const F: Format = Format::Png;

/// Decodes to stored orientation. Palettes are expanded and kept; a transparent colour becomes an alpha channel.
pub(crate) fn decode(
    bytes: &[u8],
    file: &PngFile,
) -> Result<(Channels, Samples, PngSource), ImageError> {
    let fail = |e: png::DecodingError| ImageError::corrupt(F, e);
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(fail)?;
    let info = reader.info();
    if (info.width, info.height, info.bit_depth as u8) != (file.width, file.height, file.bit_depth)
    {
        return Err(ImageError::corrupt(F, "its headers contradict each other"));
    }
    let color = info.color_type;
    let key = info.trns.as_ref().map(|t| t.to_vec());
    let table = info.palette.as_ref().map(|p| p.to_vec());
    let depth = file.bit_depth;
    let width = file.width as usize;
    let mut source = PngSource {
        bit_depth: depth,
        palette: None,
    };
    if color == ColorType::Indexed {
        let indices = unpack(&read8(&mut reader)?, width, file.height as usize, depth, 1);
        let (channels, samples, palette) =
            expand(indices, &table.unwrap_or_default(), key.as_deref())?;
        source.palette = Some(palette);
        return Ok((channels, Samples::U8(samples), source));
    }
    let channels = match color {
        ColorType::Grayscale => Channels::Gray,
        ColorType::GrayscaleAlpha => Channels::GrayAlpha,
        ColorType::Rgb | ColorType::Indexed => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
    };
    // The png crate gives one byte per sample of the key below 16 bits, two from there.
    let wide = usize::from(depth == 16) + 1;
    let key = key
        .filter(|k| k.len() >= wide * channels.count() && !channels.has_alpha())
        .map(|k| k[..wide * channels.count()].to_vec());
    Ok(match depth {
        16 => {
            let samples = read16(&mut reader)?;
            let (channels, samples) =
                add_alpha(channels, samples, key.map(|k| pairs(&k)), u16::MAX);
            (channels, Samples::U16(samples), source)
        }
        8 => {
            let samples = read8(&mut reader)?;
            let (channels, samples) = add_alpha(channels, samples, key, u8::MAX);
            (channels, Samples::U8(samples), source)
        }
        _ => {
            let scale = u8::MAX / ((1 << depth) - 1);
            let samples = unpack(
                &read8(&mut reader)?,
                width,
                file.height as usize,
                depth,
                scale,
            );
            let key = key.map(|k| k.iter().map(|&v| v.wrapping_mul(scale)).collect());
            let (channels, samples) = add_alpha(channels, samples, key, u8::MAX);
            (channels, Samples::U8(samples), source)
        }
    })
}

type PngReader<'a> = Reader<Cursor<&'a [u8]>>;

/// The packed rows, interlacing undone.
fn read8(reader: &mut PngReader<'_>) -> Result<Vec<u8>, ImageError> {
    let mut out = vec![0; buffer_bytes(reader)?];
    reader
        .next_frame(&mut out)
        .map_err(|e| ImageError::corrupt(F, e))?;
    Ok(out)
}

fn read16(reader: &mut PngReader<'_>) -> Result<Vec<u16>, ImageError> {
    let mut out = vec![0u16; buffer_bytes(reader)? / 2];
    reader
        .next_frame(bytemuck::cast_slice_mut(&mut out))
        .map_err(|e| ImageError::corrupt(F, e))?;
    out.iter_mut().for_each(|v| *v = u16::from_be(*v));
    Ok(out)
}

fn buffer_bytes(reader: &PngReader<'_>) -> Result<usize, ImageError> {
    reader
        .output_buffer_size()
        .ok_or_else(|| ImageError::corrupt(F, "its size does not fit this machine"))
}

/// One byte per sample from rows of 1, 2, 4 or 8 bits, times `scale`.
fn unpack(packed: &[u8], width: usize, height: usize, depth: u8, scale: u8) -> Vec<u8> {
    let per_byte = 8 / usize::from(depth);
    let stride = width.div_ceil(per_byte);
    let max = ((1u16 << depth) - 1) as u8;
    let mut out = Vec::with_capacity(width * height);
    for row in packed.chunks_exact(stride).take(height) {
        out.extend((0..width).map(|x| {
            let shift = 8 - usize::from(depth) * (x % per_byte + 1);
            (row[x / per_byte] >> shift & max) * scale
        }));
    }
    out
}

fn pairs(bytes: &[u8]) -> Vec<u16> {
    bytes
        .chunks_exact(2)
        .map(|p| u16::from_be_bytes([p[0], p[1]]))
        .collect()
}

/// Adds an alpha channel that is 0 where the samples equal `key`.
fn add_alpha<T: Copy + PartialEq + Default>(
    channels: Channels,
    samples: Vec<T>,
    key: Option<Vec<T>>,
    opaque: T,
) -> (Channels, Vec<T>) {
    let Some(key) = key else {
        return (channels, samples);
    };
    let n = channels.count();
    let mut out = Vec::with_capacity(samples.len() / n * (n + 1));
    for px in samples.chunks_exact(n) {
        out.extend_from_slice(px);
        out.push(if px == key.as_slice() {
            T::default()
        } else {
            opaque
        });
    }
    (
        if n == 1 {
            Channels::GrayAlpha
        } else {
            Channels::Rgba
        },
        out,
    )
}

/// Looks every index up: RGB, or RGBA when the palette has transparency.
fn expand(
    indices: Vec<u8>,
    table: &[u8],
    alpha: Option<&[u8]>,
) -> Result<(Channels, Vec<u8>, Palette), ImageError> {
    let alpha_of = |i: usize| alpha.and_then(|a| a.get(i)).copied().unwrap_or(255);
    let colours: Vec<[u8; 4]> = table
        .chunks_exact(3)
        .enumerate()
        .map(|(i, c)| [c[0], c[1], c[2], alpha_of(i)])
        .collect();
    if indices.iter().any(|&i| usize::from(i) >= colours.len()) {
        return Err(ImageError::corrupt(
            F,
            format!(
                "a pixel lies outside its palette of {} colours",
                colours.len()
            ),
        ));
    }
    let channels = if alpha.is_some() {
        Channels::Rgba
    } else {
        Channels::Rgb
    };
    let mut samples = Vec::with_capacity(indices.len() * channels.count());
    for &i in &indices {
        samples.extend_from_slice(&colours[usize::from(i)][..channels.count()]);
    }
    Ok((channels, samples, Palette { colours, indices }))
}
