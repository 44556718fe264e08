//! Encodes a JPEG by changing, in its own file, the blocks that changed pixels reach. Every other coefficient is carried over
//! as it is.
//!
//! Which pixels may move: those of a luma block (8x8) or of a chroma block (8x8 times the subsampling) with a pixel that is
//! no longer what the file decodes to, and beside such a chroma block as far as decoders smooth chroma between samples:
//! one pixel at two pixels a sample. Nothing else decodes differently, whatever the decoder.
//!
//! In a touched block only the samples over changed pixels are made from the photo, as the mean of the pixels that a sample
//! stands for. The others keep the values that the old coefficients give, before any rounding, so that they do not drift.
//! Samples beyond the edge of the picture follow the pixel at the edge: nothing that was removed stays there.

use rayon::prelude::*;

use super::coefficients::{Block, Coded, Dct, Obstacle, SLOW, ZIGZAG, read};
use super::decode::{pixels, stored_inks};
use crate::deadline::Deadline;
use crate::memory::zeroed;
use crate::metadata::Inks;
use crate::{ImageError, JpegSource, Limits, Orientation, Photo, Samples};

/// Largest coefficient that is written; with 8-bit samples no encoder needs more.
const COEFFICIENT_MAX: f32 = 1023.0;

/// The photo's file with what has changed since it was decoded; `segments` are its metadata, ready to be written.
pub(super) fn splice(
    photo: &Photo,
    source: &JpegSource,
    segments: &[u8],
) -> Result<Vec<u8>, Obstacle> {
    // As long again as decoding it may have taken.
    let deadline = Deadline::after(Limits::default().decode_max);
    let changes = Changes::find(photo, source, deadline)?;
    // The file was accepted with this many scans.
    let mut coded = read(&source.original.bytes, usize::MAX, deadline)?;
    if (coded.frame.width, coded.frame.height) != (changes.width, changes.height)
        || !matches!(
            (coded.frame.planes.len(), changes.samples, &changes.inks),
            (1, 1, None) | (3, 3, None) | (4, 3, Some(_))
        )
    {
        return Err(KIND);
    }
    changes.enter(&mut coded)?;
    coded.write(segments)
}

const FULL: Obstacle = Obstacle("there is no memory to compare the photo with its file");
const KIND: Obstacle = Obstacle("the photo has another size or kind than its file");

/// Why the file could not be decoded again.
fn obstacle(error: &ImageError) -> Obstacle {
    match error {
        ImageError::TooSlow { .. } => SLOW,
        ImageError::OutOfMemory { .. } => FULL,
        _ => KIND,
    }
}

/// A photo beside what its file decodes to, in the file's orientation.
struct Changes<'a> {
    photo: &'a Photo,
    now: &'a [u8],
    /// Samples per pixel: 1 or 3.
    samples: usize,
    orientation: Orientation,
    width: usize,
    height: usize,
    /// A bit for every pixel, set if it has changed: rows of whole bytes, the leftmost pixel in the lowest bit.
    marks: Vec<u8>,
    /// Of a file of inks, its components of each pixel as they are to be now, in the file's orientation.
    inks: Option<Vec<u8>>,
}

impl<'a> Changes<'a> {
    fn find(photo: &'a Photo, source: &JpegSource, deadline: Deadline) -> Result<Self, Obstacle> {
        let orientation = source.original.orientation;
        let (width, height) = orientation.displayed(photo.width, photo.height);
        let Samples::U8(now) = &photo.samples else {
            return Err(KIND);
        };
        let before = pixels(&source.original, (width, height), photo.channels, deadline);
        let before = before.map_err(|error| obstacle(&error))?;
        let samples = photo.channels.count();
        let mut changes = Changes {
            photo,
            now,
            samples,
            orientation,
            width,
            height,
            marks: Vec::new(),
            inks: None,
        };
        let row_bytes = width.div_ceil(8);
        let mut marks = zeroed(row_bytes * height).map_err(|_| FULL)?;
        marks
            .par_chunks_exact_mut(row_bytes)
            .zip(before.par_chunks_exact(width * samples))
            .enumerate()
            .for_each(|(y, (marks, row))| {
                for (x, before) in row.chunks_exact(samples).enumerate() {
                    marks[x / 8] |= u8::from(changes.pixel(x, y) != before) << (x % 8);
                }
            });
        changes.marks = marks;
        if let Some(inks) = &source.original.inks {
            changes.inks = Some(changes.enter_inks(source, inks, deadline)?);
        }
        Ok(changes)
    }

    /// The components of a file of inks, with those of the changed pixels.
    fn enter_inks(
        &self,
        source: &JpegSource,
        inks: &Inks,
        deadline: Deadline,
    ) -> Result<Vec<u8>, Obstacle> {
        let size = (self.width, self.height);
        let mut stored =
            stored_inks(&source.original, size, deadline).map_err(|error| obstacle(&error))?;
        let cmyk = inks.cmyk();
        stored
            .par_chunks_exact_mut(self.width * 4)
            .enumerate()
            .for_each(|(y, row)| {
                for (x, slot) in row.chunks_exact_mut(4).enumerate() {
                    if self.any((x, y), (1, 1)) {
                        let new = inks.enter(&cmyk, self.pixel(x, y));
                        slot.copy_from_slice(&new.map(|v| (v + 0.5) as u8));
                    }
                }
            });
        Ok(stored)
    }

    /// One component of a pixel, 0 to 255: as it is for gray, RGB and inks, else luma and chroma of JFIF.
    fn value(&self, x: usize, y: usize, component: usize, rgb: bool) -> f32 {
        if let Some(inks) = &self.inks {
            let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
            return f32::from(inks[(y * self.width + x) * 4 + component]);
        }
        let pixel = self.pixel(x, y);
        if rgb || pixel.len() < 3 {
            return f32::from(pixel[component]);
        }
        ycc([0, 1, 2].map(|i| f32::from(pixel[i])))[component]
    }

    /// The samples of a pixel; places beyond the edge are those at the edge.
    fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let stored = (x.min(self.width - 1), y.min(self.height - 1));
        let (x, y) = self.orientation.place(stored, (self.width, self.height));
        &self.now[(y * self.photo.width + x) * self.samples..][..self.samples]
    }

    /// Whether any pixel of the rectangle has changed; beyond the edge it is the pixel at the edge that counts.
    fn any(&self, (x, y): (usize, usize), (w, h): (usize, usize)) -> bool {
        let within =
            |from: usize, length: usize, size: usize| from.min(size - 1)..(from + length).min(size);
        let columns = within(x, w, self.width);
        let (first, last) = (columns.start / 8, (columns.end - 1) / 8);
        within(y, h, self.height).any(|y| {
            let row = &self.marks[y * self.width.div_ceil(8)..];
            (first..=last).any(|at| {
                let from = if at == first { columns.start % 8 } else { 0 };
                let to = if at == last { (columns.end - 1) % 8 } else { 7 };
                row[at] & (0xff << from) & (0xff >> (7 - to)) != 0
            })
        })
    }

    /// Makes the touched blocks anew.
    fn enter(&self, coded: &mut Coded) -> Result<(), Obstacle> {
        let dct = Dct::new();
        let planes = coded.frame.planes.iter().enumerate();
        for ((component, plane), (blocks, steps)) in
            planes.zip(coded.blocks.iter_mut().zip(&coded.steps))
        {
            let (w, h) = coded.frame.pixels_per_sample(plane).ok_or(Obstacle(
                "its sampling factors are no multiples of each other",
            ))?;
            let value = |x: usize, y: usize| self.value(x, y, component, coded.rgb);
            // Mean of the pixels under a sample, if one of them has changed.
            let sample = |x: usize, y: usize| {
                let corner = (x * w, y * h);
                self.any(corner, (w, h)).then(|| {
                    let under = (0..w * h).map(|i| value(corner.0 + i % w, corner.1 + i / w));
                    under.sum::<f32>() / (w * h) as f32 - 128.0
                })
            };
            let columns = plane.padded.0;
            blocks
                .par_chunks_exact_mut(columns)
                .enumerate()
                .for_each(|(row, blocks)| {
                    for (column, block) in blocks.iter_mut().enumerate() {
                        if self.any((column * 8 * w, row * 8 * h), (8 * w, 8 * h)) {
                            remake(block, steps, &dct, |x, y| {
                                sample(column * 8 + x, row * 8 + y)
                            });
                        }
                    }
                });
        }
        Ok(())
    }
}

/// Luma and chroma of JFIF.
pub(super) fn ycc([r, g, b]: [f32; 3]) -> [f32; 3] {
    [
        0.299 * r + 0.587 * g + 0.114 * b,
        128.0 - 0.168_735_9 * r - 0.331_264_1 * g + 0.5 * b,
        128.0 + 0.5 * r - 0.418_687_6 * g - 0.081_312_4 * b,
    ]
}

/// Puts samples (level-shifted, by place in the block) over those that the block has and quantises it again.
fn remake(
    block: &mut Block,
    steps: &[u16; 64],
    dct: &Dct,
    sample: impl Fn(usize, usize) -> Option<f32>,
) {
    let mut coefficients = [0.0; 64];
    for (k, &natural) in ZIGZAG.iter().enumerate() {
        coefficients[natural] = f32::from(block[k]) * f32::from(steps[k]);
    }
    let mut samples = dct.inverse(&coefficients);
    for (i, slot) in samples.iter_mut().enumerate() {
        if let Some(new) = sample(i % 8, i / 8) {
            *slot = new;
        }
    }
    let coefficients = dct.forward(&samples);
    for (k, &natural) in ZIGZAG.iter().enumerate() {
        let quantised = (coefficients[natural] / f32::from(steps[k])).round();
        block[k] = quantised.clamp(-COEFFICIENT_MAX, COEFFICIENT_MAX) as i16;
    }
}
