//! Encoding: into the input's own file where that can be, else anew with its quantisation tables, subsampling and scan order.

use jpeg_encoder::{
    ChromaSubsamplingMethod, Encoder, ImageBuffer, JpegColorType, PixelDensity, PixelDensityUnit,
    QuantizationTableType, SamplingFactor, rgb_to_ycbcr,
};

use super::parse::PHOTOSHOP;
use super::splice::splice;
use crate::photoshop;
use crate::{Format, ImageError, JpegSource, Metadata, Photo, Samples, Source};

/// Quality of a JPEG made from another format when none is asked for.
const QUALITY: u8 = 92;
/// Longest payload of one segment.
const SEGMENT_BYTES_MAX: usize = 65_533;
/// Start of image and the JFIF segment, behind which our segments go.
const PREFIX_BYTES: usize = 2 + 18;

/// Encodes an opaque photo. With `quality`, the standard tables at that quality; without, what was a JPEG is spliced into its
/// own file. A JPEG that is encoded as a whole is one of the `warnings`.
pub(crate) fn encode(
    photo: &Photo,
    quality: Option<u8>,
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, ImageError> {
    let Source::Jpeg(source) = &photo.source else {
        return encode_whole(photo, None, quality);
    };
    let why = match quality {
        Some(quality) => format!("quality {quality} was asked for"),
        None => {
            let mut stored = photo.metadata.stored(source.original.orientation);
            if let Some(inks) = &source.original.inks {
                stored.icc = inks.profile.as_deref().map(<[u8]>::to_vec);
            }
            let mut segments = stored.jfif_density.map(jfif).unwrap_or_default();
            segments.extend(metadata_segments(&stored)?);
            match splice(photo, source, &segments) {
                Ok(bytes) => return Ok(bytes),
                Err(obstacle) => obstacle.to_string(),
            }
        }
    };
    let became = match source.original.inks {
        Some(_) => " and became RGB",
        None => "",
    };
    warnings.push(format!(
        "the whole JPEG was encoded again{became}, so pixels outside of the mask changed slightly: {why}"
    ));
    encode_whole(photo, Some(source), quality)
}

/// The JFIF segment.
fn jfif((unit, x, y): (u8, u16, u16)) -> Vec<u8> {
    let ([x1, x0], [y1, y0]) = (x.to_be_bytes(), y.to_be_bytes());
    let head = [0xff, 0xe0, 0, 16];
    let body = [1, 1, unit, x1, x0, y1, y0, 0, 0];
    [&head[..], b"JFIF\0", &body].concat()
}

fn encode_whole(
    photo: &Photo,
    source: Option<&JpegSource>,
    quality: Option<u8>,
) -> Result<Vec<u8>, ImageError> {
    let fail = |e: jpeg_encoder::EncodingError| ImageError::encode(Format::Jpeg, e);
    let (Ok(width), Ok(height)) = (u16::try_from(photo.width), u16::try_from(photo.height)) else {
        return Err(ImageError::encode(
            Format::Jpeg,
            format!(
                "{}x{} exceeds 65535 pixels per side",
                photo.width, photo.height
            ),
        ));
    };
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, quality.unwrap_or(QUALITY).clamp(1, 100));
    if let Some((unit, x, y)) = photo.metadata.jfif_density {
        let unit = [
            PixelDensityUnit::PixelAspectRatio,
            PixelDensityUnit::Inches,
            PixelDensityUnit::Centimeters,
        ][usize::from(unit.min(2))];
        encoder.set_density(PixelDensity {
            density: (x.max(1), y.max(1)),
            unit,
        });
    }
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    if let Some(source) = source {
        repeat(&mut encoder, source, quality.is_none());
    }
    encoder
        .encode_image(Rows {
            photo,
            width,
            height,
        })
        .map_err(fail)?;
    let segments = metadata_segments(&photo.metadata)?;
    out.splice(PREFIX_BYTES..PREFIX_BYTES, segments);
    Ok(out)
}

fn repeat(encoder: &mut Encoder<&mut Vec<u8>>, source: &JpegSource, tables: bool) {
    if tables {
        // The encoder writes 8-bit tables.
        let table =
            |t: &[u16; 64]| QuantizationTableType::Custom(Box::new(t.map(|v| v.clamp(1, 255))));
        encoder.set_quantization_tables(table(&source.luma), table(&source.chroma));
    }
    let (h, v) = source.subsampling;
    encoder
        .set_sampling_factor(SamplingFactor::from_factors(h, v).unwrap_or(SamplingFactor::R_4_4_4));
    encoder.set_progressive(source.progressive);
    // Only for progressive: in sequential files the encoder would write one scan per component, which some decoders misread.
    encoder.set_optimized_huffman_tables(source.progressive);
}

/// EXIF, XMP, ICC, then the segments carried as they were.
fn metadata_segments(metadata: &Metadata) -> Result<Vec<u8>, ImageError> {
    let mut out = Vec::new();
    if let Some(exif) = &metadata.exif {
        push(&mut out, 0xe1, &[b"Exif\0\0", exif.as_slice()], "EXIF")?;
    }
    if let Some(xmp) = &metadata.xmp {
        push(
            &mut out,
            0xe1,
            &[b"http://ns.adobe.com/xap/1.0/\0", xmp.as_slice()],
            "XMP",
        )?;
    }
    if let Some(icc) = &metadata.icc {
        let part_bytes = SEGMENT_BYTES_MAX - 14;
        let count = icc.len().div_ceil(part_bytes);
        if count > 255 {
            return Err(ImageError::encode(
                Format::Jpeg,
                format!(
                    "its ICC profile of {} bytes does not fit 255 segments",
                    icc.len()
                ),
            ));
        }
        for (i, part) in icc.chunks(part_bytes).enumerate() {
            push(
                &mut out,
                0xe2,
                &[b"ICC_PROFILE\0", &[i as u8 + 1, count as u8], part],
                "ICC",
            )?;
        }
    }
    let resources = metadata.photoshop.clone();
    let resources = resources.or_else(|| metadata.iptc.as_deref().map(photoshop::of_iptc));
    for part in resources
        .unwrap_or_default()
        .chunks(SEGMENT_BYTES_MAX - PHOTOSHOP.len())
    {
        push(&mut out, 0xed, &[PHOTOSHOP, part], "Photoshop resources")?;
    }
    for (marker, body) in &metadata.jpeg_segments {
        push(&mut out, *marker, &[body.as_slice()], "segment")?;
    }
    Ok(out)
}

fn push(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]], what: &str) -> Result<(), ImageError> {
    let bytes: usize = parts.iter().map(|p| p.len()).sum();
    if bytes > SEGMENT_BYTES_MAX {
        return Err(ImageError::encode(
            Format::Jpeg,
            format!("{what} of {bytes} bytes exceeds {SEGMENT_BYTES_MAX}; choose png or webp"),
        ));
    }
    out.extend([0xff, marker]);
    out.extend((bytes as u16 + 2).to_be_bytes());
    parts.iter().for_each(|p| out.extend_from_slice(p));
    Ok(())
}

/// Feeds the encoder row by row, so that no converted copy of the photo is made.
struct Rows<'a> {
    photo: &'a Photo,
    width: u16,
    height: u16,
}

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.photo.channels.is_gray() {
            JpegColorType::Luma
        } else {
            JpegColorType::Ycbcr
        }
    }
    fn width(&self) -> u16 {
        self.width
    }
    fn height(&self) -> u16 {
        self.height
    }
    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let n = self.photo.channels.count();
        let stride = self.photo.width * n;
        let row = usize::from(y) * stride..(usize::from(y) + 1) * stride;
        match &self.photo.samples {
            Samples::U8(v) => push_row(&v[row], n, |s| s, buffers),
            Samples::U16(v) => {
                push_row(&v[row], n, |s| ((u32::from(s) + 128) / 257) as u8, buffers)
            }
        }
    }
}

fn push_row<S: Copy>(row: &[S], n: usize, narrow: impl Fn(S) -> u8, buffers: &mut [Vec<u8>; 4]) {
    for px in row.chunks_exact(n) {
        if n < 3 {
            buffers[0].push(narrow(px[0]));
        } else {
            let (y, cb, cr) = rgb_to_ycbcr(narrow(px[0]), narrow(px[1]), narrow(px[2]));
            buffers[0].push(y);
            buffers[1].push(cb);
            buffers[2].push(cr);
        }
    }
}
