//! Samples of a TIFF as those of a photo, and back.

use super::TiffFile;
use super::layout::{Alpha, Layout, Photometric};
use super::raw::Sample;
use crate::colour::Cmyk;
use crate::deadline::Deadline;
use crate::memory::zeroed;
use crate::{Channels, Format, ImageError, Limits, Samples};

impl Layout {
    /// Samples per pixel of the photo.
    pub fn channels(&self) -> Channels {
        match (self.photometric, self.alpha) {
            (Photometric::Gray | Photometric::WhiteIsZero, None) => Channels::Gray,
            (Photometric::Gray | Photometric::WhiteIsZero, Some(_)) => Channels::GrayAlpha,
            (_, None) => Channels::Rgb,
            (_, Some(_)) => Channels::Rgba,
        }
    }

    /// Appends pixels of the file as pixels of a photo.
    pub fn view<S: Sample>(&self, raw: &[S], cmyk: Option<&Cmyk>, out: &mut Vec<S>) {
        if let Some(cmyk) = cmyk {
            return self.view_inks(raw, cmyk, out);
        }
        if !self.palette.is_empty() {
            for pixel in raw.chunks_exact(self.samples) {
                let colour = self.palette[pixel[0].number() as usize % self.palette.len()];
                out.extend(colour.map(|v| S::of(v.into())));
            }
            return;
        }
        let colours = self.photometric.count();
        for pixel in raw.chunks_exact(self.samples) {
            let alpha = self.alpha.map(|kind| (kind, pixel[colours]));
            for &sample in &pixel[..colours] {
                let sample = match self.photometric {
                    Photometric::WhiteIsZero => S::of(S::MAX - sample.number()),
                    _ => sample,
                };
                out.push(match alpha {
                    Some((Alpha::Associated, alpha)) => whole(sample, alpha),
                    _ => sample,
                });
            }
            out.extend(alpha.map(|(_, alpha)| alpha));
        }
    }

    /// Photometric as sRGB.
    fn view_inks<S: Sample>(&self, raw: &[S], cmyk: &Cmyk, out: &mut Vec<S>) {
        let inks: Vec<f32> = raw
            .chunks_exact(self.samples)
            .flat_map(|pixel| &pixel[..4])
            .map(|sample| sample.number() as f32 / S::MAX as f32)
            .collect();
        let mut rgb = vec![0.0; inks.len() / 4 * 3];
        cmyk.to_rgb(&inks, &mut rgb);
        out.extend(rgb.iter().map(|&v| sample_of::<S>(v)));
    }

    /// Puts a pixel of a photo over one of the file, which has no palette; samples of unknown meaning stay.
    pub fn enter<S: Sample>(&self, pixel: &[S], cmyk: Option<&Cmyk>, raw: &mut [S]) {
        if let Some(cmyk) = cmyk {
            let rgb = [0, 1, 2].map(|c| pixel[c].number() as f32 / S::MAX as f32);
            let mut inks = [0.0; 4];
            cmyk.to_inks(&rgb, &mut inks);
            raw[..4].copy_from_slice(&inks.map(sample_of));
            return;
        }
        let colours = self.photometric.count();
        for (slot, &sample) in raw[..colours].iter_mut().zip(pixel) {
            let sample = match self.alpha {
                Some(Alpha::Associated) => multiplied(sample, pixel[colours]),
                _ => sample,
            };
            *slot = match self.photometric {
                Photometric::WhiteIsZero => S::of(S::MAX - sample.number()),
                _ => sample,
            };
        }
        if self.alpha.is_some() {
            raw[colours] = pixel[colours];
        }
    }
}

/// Of 0 to 1.
fn sample_of<S: Sample>(value: f32) -> S {
    S::of((value.clamp(0.0, 1.0) * S::MAX as f32 + 0.5) as u32)
}

/// A colour that was multiplied by alpha.
fn whole<S: Sample>(sample: S, alpha: S) -> S {
    let (sample, alpha) = (u64::from(sample.number()), u64::from(alpha.number()));
    match alpha {
        0 => S::of(sample as u32),
        _ => {
            let max = u64::from(S::MAX);
            S::of(((sample * max + alpha / 2) / alpha).min(max) as u32)
        }
    }
}

fn multiplied<S: Sample>(sample: S, alpha: S) -> S {
    let max = u64::from(S::MAX);
    let product = u64::from(sample.number()) * u64::from(alpha.number());
    S::of(((product + max / 2) / max) as u32)
}

/// Decodes to stored orientation, at full depth.
pub(crate) fn decode(
    file: &TiffFile<'_>,
    limits: &Limits,
) -> Result<(Channels, Samples), ImageError> {
    let samples = match file.layout.bits {
        8 => Samples::U8(samples(file, limits)?),
        _ => Samples::U16(samples(file, limits)?),
    };
    Ok((file.layout.channels(), samples))
}

/// Strip by strip or tile by tile; the deadline is looked at between them.
fn samples<S: Sample>(file: &TiffFile<'_>, limits: &Limits) -> Result<Vec<S>, ImageError> {
    let (layout, deadline) = (&file.layout, Deadline::after(limits.decode_max));
    let channels = layout.channels().count();
    let cmyk = file.cmyk();
    let mut out = zeroed(layout.width * layout.height * channels)?;
    let mut row = Vec::with_capacity(layout.chunk.0 * channels);
    for position in 0..layout.positions() {
        if deadline.passed() {
            return Err(deadline.fault(Format::Tiff, "it took too long"));
        }
        let raw = layout.unpack::<S>(file.tiff.bytes, file.tiff.little, position)?;
        let ((x, y), (width, height)) = layout.shown(position);
        let rows = raw.chunks_exact(layout.chunk.0 * layout.samples);
        for (i, raw) in rows.take(height).enumerate() {
            row.clear();
            layout.view(&raw[..width * layout.samples], cmyk.as_ref(), &mut row);
            let at = ((y + i) * layout.width + x) * channels;
            out[at..at + row.len()].copy_from_slice(&row);
        }
    }
    Ok(out)
}
