//! Decoding with zune-jpeg, within our own limits.

use std::borrow::Cow;

use rayon::prelude::*;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::JpegFile;
use super::coefficients::{Obstacle, read};
use super::timed::Timed;
use crate::deadline::Deadline;
use crate::memory::zeroed;
use crate::{Channels, Format, ImageError, JpegOriginal, JpegSource, Orientation};

/// The pixels of a file whose header was checked: stored orientation, 8-bit gray or RGB.
pub(crate) fn pixels(
    file: &JpegOriginal,
    (width, height): (usize, usize),
    channels: Channels,
    deadline: Deadline,
) -> Result<Vec<u8>, ImageError> {
    let Some(inks) = &file.inks else {
        let space = match channels {
            Channels::Gray => ColorSpace::Luma,
            _ => ColorSpace::RGB,
        };
        return samples(file, (width, height), space, deadline);
    };
    let stored = stored_inks(file, (width, height), deadline)?;
    let cmyk = inks.cmyk();
    let mut rgb = zeroed(width * height * 3)?;
    rgb.par_chunks_exact_mut(width * 3)
        .zip(stored.par_chunks_exact(width * 4))
        .for_each(|(rgb, stored)| inks.view(&cmyk, stored, rgb));
    Ok(rgb)
}

/// The four components of a file of inks, as they are stored.
pub(crate) fn stored_inks(
    file: &JpegOriginal,
    size: (usize, usize),
    deadline: Deadline,
) -> Result<Vec<u8>, ImageError> {
    let transformed = file.inks.as_ref().is_some_and(|inks| inks.transformed);
    let space = match transformed {
        true => ColorSpace::YCCK,
        false => ColorSpace::CMYK,
    };
    samples(file, size, space, deadline)
}

fn samples(
    file: &JpegOriginal,
    (width, height): (usize, usize),
    space: ColorSpace,
    deadline: Deadline,
) -> Result<Vec<u8>, ImageError> {
    let fail = |e: &dyn std::fmt::Debug| deadline.fault(Format::Jpeg, format!("{e:?}"));
    let bytes = match file.separate_scans {
        true => {
            let joined = joined(&file.bytes, deadline);
            Cow::from(joined.map_err(|e| deadline.fault(Format::Jpeg, e))?)
        }
        false => Cow::from(&*file.bytes),
    };
    // Size and number of scans were held against the limits when the header was read.
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(space)
        .jpeg_set_max_scans(usize::MAX)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(Timed::new(&bytes, deadline), options);
    decoder.decode_headers().map_err(|e| fail(&e))?;
    let want = width * height * space.num_components();
    if decoder.output_buffer_size() != Some(want) {
        return Err(ImageError::corrupt(
            Format::Jpeg,
            "its headers contradict each other",
        ));
    }
    let mut samples = zeroed(want)?;
    decoder.decode_into(&mut samples).map_err(|e| fail(&e))?;
    // A decoder that met the end early may have filled in the rest.
    match deadline.passed() {
        true => Err(deadline.fault(Format::Jpeg, "")),
        false => Ok(samples),
    }
}

/// An error unless all coefficients are there: the decoder fills in what is missing from a file without end marker.
pub(crate) fn check_whole(
    file: &JpegFile<'_>,
    bytes: &[u8],
    deadline: Deadline,
) -> Result<(), ImageError> {
    match file.trailer {
        Some(_) => Ok(()),
        None => read(bytes, file.scans, deadline)
            .map(drop)
            .map_err(|e| deadline.fault(Format::Jpeg, e)),
    }
}

/// A sequential file with its components in one scan: zune-jpeg 0.5.15 answers others with garbage and no error (its issues
/// 419 and 422).
fn joined(bytes: &[u8], deadline: Deadline) -> Result<Vec<u8>, Obstacle> {
    let mut coded = read(bytes, usize::MAX, deadline)?;
    coded.interleave()?;
    coded.write(&[])
}

impl JpegFile<'_> {
    /// The file as it is kept for encoding: without what follows its end marker, with one if it had none.
    pub fn original(
        &self,
        bytes: &[u8],
        orientation: Orientation,
        profile: Option<&[u8]>,
    ) -> JpegOriginal {
        let bytes = match self.trailer {
            Some(trailer) => bytes[..bytes.len() - trailer.len()].into(),
            None => [bytes, &[0xff, 0xd9]].concat().into(),
        };
        JpegOriginal {
            bytes,
            orientation,
            separate_scans: !self.progressive && self.scans > 1,
            inks: self.inks(profile),
        }
    }

    /// The coding parameters to repeat, turned like the pixels: a turned picture needs transposed tables and factors.
    pub fn source(&self, original: JpegOriginal) -> JpegSource {
        let orientation = original.orientation;
        let table = |component: usize| {
            self.components
                .get(component)
                .and_then(|c| self.tables[usize::from(c.table)])
                .unwrap_or([1; 64])
        };
        let (luma, chroma) = (
            table(0),
            table(if self.components.len() >= 3 { 1 } else { 0 }),
        );
        let subsampling = match self.components.as_slice() {
            [y, cb, _, ..] => (y.h / cb.h.max(1), y.v / cb.v.max(1)),
            _ => (1, 1),
        };
        let turned = |t: [u16; 64]| {
            if orientation.turns() {
                std::array::from_fn(|i| t[(i % 8) * 8 + i / 8])
            } else {
                t
            }
        };
        JpegSource {
            luma: turned(luma),
            chroma: turned(chroma),
            subsampling: orientation.displayed(subsampling.0.max(1), subsampling.1.max(1)),
            progressive: self.progressive,
            original,
        }
    }
}
