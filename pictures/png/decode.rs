//! Decoding at full depth with the png crate.

use png::{ColorType, Decoder, InterlaceInfo, Reader, Transformations};

use super::PngFile;
use crate::deadline::{Deadline, Pieces};
use crate::mask_file;
use crate::memory::{with_capacity, zeroed};
use crate::{Channels, Format, ImageError, Limits, Palette, PngSource, Samples};

const F: Format = Format::Png;

/// A decoder behind the header: it sees nothing but what pixels need, no doubled, damaged or long metadata.
struct Open<'a> {
    reader: Reader<Pieces<'a>>,
    deadline: Deadline,
    /// Colours of a palette image, RGBA.
    palette: Vec<[u8; 4]>,
    /// Transparent colour: one byte per sample below 16 bits, two from there.
    key: Option<Vec<u8>>,
}

fn open<'a>(file: &PngFile<'a>, limits: &Limits) -> Result<Open<'a>, ImageError> {
    let deadline = Deadline::after(limits.decode_max);
    let mut decoder = Decoder::new(Pieces::new(file.critical.clone(), deadline));
    decoder.set_transformations(Transformations::IDENTITY);
    let reader = decoder.read_info().map_err(|e| deadline.fault(F, e))?;
    let info = reader.info();
    if (info.width, info.height, info.bit_depth as u8) != (file.width, file.height, file.bit_depth)
    {
        return Err(ImageError::corrupt(F, "its headers contradict each other"));
    }
    let trns = info.trns.as_ref().map(|t| t.to_vec());
    let table = info
        .palette
        .as_ref()
        .map(|p| p.to_vec())
        .unwrap_or_default();
    let (palette, key) = match info.color_type {
        ColorType::Indexed => (colours(&table, trns.as_deref()), None),
        color => {
            let bytes = (usize::from(file.bit_depth == 16) + 1) * samples_of(color);
            let opaque = matches!(color, ColorType::Grayscale | ColorType::Rgb);
            let key = trns.filter(|k| k.len() >= bytes && opaque);
            (Vec::new(), key.map(|k| k[..bytes].to_vec()))
        }
    };
    Ok(Open {
        reader,
        deadline,
        palette,
        key,
    })
}

fn samples_of(color: ColorType) -> usize {
    match color {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    }
}

fn colours(table: &[u8], alpha: Option<&[u8]>) -> Vec<[u8; 4]> {
    let alpha_of = |i: usize| alpha.and_then(|a| a.get(i)).copied().unwrap_or(255);
    let colour = |(i, c): (usize, &[u8])| [c[0], c[1], c[2], alpha_of(i)];
    table.chunks_exact(3).enumerate().map(colour).collect()
}

/// Decodes to stored orientation. Palettes are expanded and kept; a transparent colour becomes an alpha channel.
pub(crate) fn decode(
    file: &PngFile<'_>,
    limits: &Limits,
) -> Result<(Channels, Samples, PngSource), ImageError> {
    let mut open = open(file, limits)?;
    let (depth, width, height) = (file.bit_depth, file.width as usize, file.height as usize);
    let mut source = PngSource {
        bit_depth: depth,
        palette: None,
    };
    let channels = match open.reader.info().color_type {
        ColorType::Indexed => {
            let indices = unpack(open.read8()?, width, height, depth, 1)?;
            let transparent = file.transparency;
            let (channels, samples) = expand(&indices, &open.palette, transparent)?;
            let colours = open.palette;
            source.palette = Some(Palette { colours, indices });
            return Ok((channels, Samples::U8(samples), source));
        }
        ColorType::Grayscale => Channels::Gray,
        ColorType::GrayscaleAlpha => Channels::GrayAlpha,
        ColorType::Rgb => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
    };
    let (channels, samples) = if depth == 16 {
        let key = open.key.take().map(|k| pairs(&k));
        let (channels, samples) = add_alpha(channels, open.read16()?, key, u16::MAX)?;
        (channels, Samples::U16(samples))
    } else {
        let scale = u8::MAX / ((1u16 << depth) - 1) as u8;
        let key = open.key.take();
        let key = key.map(|k| k.iter().map(|&v| v.wrapping_mul(scale)).collect());
        let packed = open.read8()?;
        let samples = match depth {
            8 => packed,
            _ => unpack(packed, width, height, depth, scale)?,
        };
        let (channels, samples) = add_alpha(channels, samples, key, u8::MAX)?;
        (channels, Samples::U8(samples))
    };
    Ok((channels, samples, source))
}

/// Decodes to one byte per pixel, stored orientation: what `reader` makes of each. Rows are never kept, so a mask costs one byte
/// per pixel whatever its kind.
pub(crate) fn decode_cut(
    file: &PngFile<'_>,
    limits: &Limits,
    reader: &mut mask_file::Reader,
) -> Result<Vec<u8>, ImageError> {
    let mut open = open(file, limits)?;
    let width = file.width as usize;
    let mut out = zeroed(width * file.height as usize)?;
    let mut line = vec![0; width];
    let (key, palette, deadline) = (open.key.take(), open.palette, open.deadline);
    let color = open.reader.info().color_type;
    let mut table = small_table(color, file.bit_depth, &palette, key.as_deref(), reader);
    let mut y = 0;
    while let Some(row) = open
        .reader
        .next_interlaced_row()
        .map_err(|e| deadline.fault(F, e))?
    {
        let data = row.data();
        match &mut table {
            Some(table) => cut_small(data, file.bit_depth, table, &mut line)?,
            None if file.bit_depth == 16 => {
                cut_wide(data, color, key.as_deref(), reader, &mut line)
            }
            None => cut_bytes(data, color, key.as_deref(), reader, &mut line),
        }
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                out[y * width..(y + 1) * width].copy_from_slice(&line);
                y += 1;
            }
            InterlaceInfo::Adam7(info) => {
                png::expand_interlaced_row(&mut out, width, &line, info, 8)
            }
        }
    }
    let entries = table.into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.count > 0) {
        reader.note(entry.rgb, entry.alpha, entry.count);
    }
    Ok(out)
}

/// What a value of up to 8 bits stands for, what it becomes, and how often it occurs.
struct Entry {
    rgb: [f32; 3],
    alpha: f32,
    value: u8,
    count: u64,
}

/// An entry for each value of up to 8 bits, `None` for one outside of the palette; no table for several samples.
fn small_table(
    color: ColorType,
    depth: u8,
    palette: &[[u8; 4]],
    key: Option<&[u8]>,
    reader: &mask_file::Reader,
) -> Option<Vec<Option<Entry>>> {
    let entry = |rgb: [f32; 3], alpha: f32| {
        Some(Entry {
            rgb,
            alpha,
            value: reader.value(rgb, alpha),
            count: 0,
        })
    };
    let unit = |v: u8| f32::from(v) / 255.0;
    let max = ((1u32 << depth.min(8)) - 1) as f32;
    match color {
        ColorType::Indexed => {
            let known = palette.iter().map(|c| {
                let [r, g, b, a] = c.map(unit);
                entry([r, g, b], a)
            });
            let outside = std::iter::repeat_with(|| None);
            Some(known.chain(outside).take(256).collect())
        }
        ColorType::Grayscale if depth <= 8 => {
            let value = |v: u8| {
                let alpha = if key == Some(&[v]) { 0.0 } else { 1.0 };
                entry([f32::from(v) / max; 3], alpha)
            };
            Some((0..=255).map(value).collect())
        }
        _ => None,
    }
}

fn cut_small(
    row: &[u8],
    depth: u8,
    table: &mut [Option<Entry>],
    line: &mut [u8],
) -> Result<(), ImageError> {
    let per_byte = 8 / usize::from(depth);
    let max = ((1u16 << depth) - 1) as u8;
    for (x, out) in line.iter_mut().enumerate() {
        // Rows of an interlaced image are shorter than the line.
        let Some(byte) = row.get(x / per_byte) else {
            break;
        };
        let shift = 8 - usize::from(depth) * (x % per_byte + 1);
        let entry = table[usize::from(byte >> shift & max)].as_mut();
        // Unused bits at the end of such a row may hold anything.
        if entry.is_none() && (x / per_byte) + 1 < row.len() {
            return Err(ImageError::corrupt(F, "a pixel lies outside its palette"));
        }
        *out = entry.map_or(0, |entry| {
            entry.count += 1;
            entry.value
        });
    }
    Ok(())
}

fn cut_bytes(
    row: &[u8],
    color: ColorType,
    key: Option<&[u8]>,
    reader: &mut mask_file::Reader,
    line: &mut [u8],
) {
    for (px, out) in row.chunks_exact(samples_of(color)).zip(line) {
        let unit = |i: usize| f32::from(px[i]) / 255.0;
        *out = cut_pixel(color, key == Some(px), unit, reader);
    }
}

fn cut_wide(
    row: &[u8],
    color: ColorType,
    key: Option<&[u8]>,
    reader: &mut mask_file::Reader,
    line: &mut [u8],
) {
    for (px, out) in row.chunks_exact(2 * samples_of(color)).zip(line) {
        let unit = |i: usize| f32::from(u16::from_be_bytes([px[2 * i], px[2 * i + 1]])) / 65535.0;
        *out = cut_pixel(color, key == Some(px), unit, reader);
    }
}

fn cut_pixel(
    color: ColorType,
    is_key: bool,
    unit: impl Fn(usize) -> f32,
    reader: &mut mask_file::Reader,
) -> u8 {
    let alpha = match color {
        ColorType::GrayscaleAlpha => unit(1),
        ColorType::Rgba => unit(3),
        _ if is_key => 0.0,
        _ => 1.0,
    };
    match color {
        ColorType::Rgb | ColorType::Rgba => reader.take([unit(0), unit(1), unit(2)], alpha),
        _ => reader.take([unit(0); 3], alpha),
    }
}

impl Open<'_> {
    /// The packed rows, interlacing undone.
    fn read8(&mut self) -> Result<Vec<u8>, ImageError> {
        let mut out = zeroed(self.buffer_bytes()?)?;
        self.fill(&mut out)?;
        Ok(out)
    }

    fn read16(&mut self) -> Result<Vec<u16>, ImageError> {
        let mut out = zeroed(self.buffer_bytes()? / 2)?;
        self.fill(bytemuck::cast_slice_mut(&mut out))?;
        out.iter_mut().for_each(|v: &mut u16| *v = u16::from_be(*v));
        Ok(out)
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), ImageError> {
        let done = self.reader.next_frame(out);
        done.map(drop).map_err(|e| self.deadline.fault(F, e))
    }

    fn buffer_bytes(&self) -> Result<usize, ImageError> {
        let bytes = self.reader.output_buffer_size();
        bytes.ok_or_else(|| ImageError::corrupt(F, "its size does not fit this machine"))
    }
}

/// One byte per sample from rows of 1, 2, 4 or 8 bits, times `scale`.
fn unpack(
    packed: Vec<u8>,
    width: usize,
    height: usize,
    depth: u8,
    scale: u8,
) -> Result<Vec<u8>, ImageError> {
    if depth == 8 {
        return Ok(packed);
    }
    let per_byte = 8 / usize::from(depth);
    let stride = width.div_ceil(per_byte);
    let max = ((1u16 << depth) - 1) as u8;
    let mut out = with_capacity(width * height)?;
    for row in packed.chunks_exact(stride).take(height) {
        out.extend((0..width).map(|x| {
            let shift = 8 - usize::from(depth) * (x % per_byte + 1);
            (row[x / per_byte] >> shift & max) * scale
        }));
    }
    Ok(out)
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
) -> Result<(Channels, Vec<T>), ImageError> {
    let Some(key) = key else {
        return Ok((channels, samples));
    };
    let n = channels.count();
    let mut out = with_capacity(samples.len() / n * (n + 1))?;
    for px in samples.chunks_exact(n) {
        out.extend_from_slice(px);
        out.push(if px == key.as_slice() {
            T::default()
        } else {
            opaque
        });
    }
    let channels = match n {
        1 => Channels::GrayAlpha,
        _ => Channels::Rgba,
    };
    Ok((channels, out))
}

/// Looks every index up: RGB, or RGBA when the palette has transparency.
fn expand(
    indices: &[u8],
    colours: &[[u8; 4]],
    transparent: bool,
) -> Result<(Channels, Vec<u8>), ImageError> {
    if indices.iter().any(|&i| usize::from(i) >= colours.len()) {
        let detail = format!(
            "a pixel lies outside its palette of {} colours",
            colours.len()
        );
        return Err(ImageError::corrupt(F, detail));
    }
    let channels = match transparent {
        true => Channels::Rgba,
        false => Channels::Rgb,
    };
    let mut samples = with_capacity(indices.len() * channels.count())?;
    for &i in indices {
        samples.extend_from_slice(&colours[usize::from(i)][..channels.count()]);
    }
    Ok((channels, samples))
}
