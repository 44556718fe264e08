//! Colours of a photo as those of sRGB, which networks know, and back.
//!
//! A photo is worked on in its own space: only what a network sees and says goes through here.

mod cmyk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use moxcms::{
    CmsError, ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformExecutor,
    TransformOptions,
};
use rayon::prelude::*;

pub(crate) use cmyk::Cmyk;

use super::Photo;

type Transform = Arc<dyn TransformExecutor<f32> + Send + Sync>;

/// Pixels converted at a time.
const PIXELS: usize = 4096;
/// Profiles whose colours are nowhere farther from sRGB than this are sRGB: a quarter of an 8-bit step.
const SAME: f32 = 0.25 / 255.0;
/// Values per channel at which a profile is held against sRGB.
const PROBES: usize = 9;

/// The way between a photo's own colours and sRGB, both 0 to 1.
#[derive(Clone)]
pub struct Colours {
    to: Transform,
    from: Transform,
    /// The profile is for gray: of three equal samples one counts.
    gray: bool,
}

impl std::fmt::Debug for Colours {
    /// The kind only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.gray {
            "Colours(gray)"
        } else {
            "Colours(RGB)"
        })
    }
}

impl Photo {
    /// The way to sRGB; `None` when there is nothing to do: the profile is sRGB, or there is none. An error says why a profile
    /// cannot be used.
    pub fn colours(&self) -> Result<Option<Colours>, String> {
        match &self.metadata.icc {
            Some(profile) => Colours::of(profile),
            None => Ok(None),
        }
    }
}

impl Colours {
    /// Of a profile for RGB or gray.
    fn of(profile: &[u8]) -> Result<Option<Colours>, String> {
        let colours = guarded(|| {
            let profile = ColorProfile::new_from_slice(profile).map_err(|e| e.to_string())?;
            let gray = match profile.color_space {
                DataColorSpace::Rgb => false,
                DataColorSpace::Gray => true,
                other => return Err(format!("it is for {other:?}")),
            };
            let layout = if gray { Layout::Gray } else { Layout::Rgb };
            let (to, from) = both(&profile, layout)?;
            Ok(Colours { to, from, gray })
        })?;
        let probes: Vec<f32> = (0..PROBES.pow(3))
            .flat_map(|i| match colours.gray {
                true => [i; 3],
                false => [i, i / PROBES, i / PROBES / PROBES],
            })
            .map(|v| (v % PROBES) as f32 / (PROBES - 1) as f32)
            .collect();
        let mut seen = probes.clone();
        colours.to_srgb(&mut seen)?;
        if seen.iter().any(|v| !v.is_finite()) {
            return Err("its colours are no numbers".to_string());
        }
        let same = seen.iter().zip(&probes).all(|(a, b)| (a - b).abs() <= SAME);
        Ok((!same).then_some(colours))
    }

    /// Own colours to sRGB, `[.., 3]`, in place. Colours outside of sRGB become the nearest inside by each channel.
    pub fn to_srgb(&self, rgb: &mut [f32]) -> Result<(), String> {
        let wide = |from: &[f32], to: &mut [f32]| self.to.transform(from, to);
        let gray = self.gray;
        convert(rgb, |part| {
            let mut out = vec![0.0; part.len()];
            let done = match gray {
                true => {
                    let gray: Vec<f32> = part.chunks_exact(3).map(|px| px[0]).collect();
                    wide(&gray, &mut out)
                }
                false => wide(part, &mut out),
            };
            part.iter_mut()
                .zip(out)
                .for_each(|(to, v)| *to = v.clamp(0.0, 1.0));
            done.map_err(|e| e.to_string())
        })
    }

    /// sRGB to own colours, `[.., 3]`, in place; three equal samples for gray.
    pub fn from_srgb(&self, rgb: &mut [f32]) -> Result<(), String> {
        let gray = self.gray;
        convert(rgb, |part| {
            let mut out = vec![0.0; if gray { part.len() / 3 } else { part.len() }];
            let done = self.from.transform(part, &mut out);
            for (i, to) in part.iter_mut().enumerate() {
                *to = out[if gray { i / 3 } else { i }].clamp(0.0, 1.0);
            }
            done.map_err(|e| e.to_string())
        })
    }
}

/// Part by part, on several cores.
fn convert(
    rgb: &mut [f32],
    part: impl Fn(&mut [f32]) -> Result<(), String> + Sync,
) -> Result<(), String> {
    guarded(|| rgb.par_chunks_mut(3 * PIXELS).try_for_each(&part))
}

/// To sRGB and back, both with the same intent: profiles may hold tables of one only.
fn both(profile: &ColorProfile, layout: Layout) -> Result<(Transform, Transform), String> {
    let srgb = ColorProfile::new_srgb();
    let with = |rendering_intent| {
        let options = TransformOptions {
            rendering_intent,
            prefer_fixed_point: false,
            ..TransformOptions::default()
        };
        let to = profile.create_transform_f32(layout, &srgb, Layout::Rgb, options)?;
        Ok((
            to,
            srgb.create_transform_f32(Layout::Rgb, profile, layout, options)?,
        ))
    };
    with(RenderingIntent::RelativeColorimetric)
        .or_else(|_| with(RenderingIntent::Perceptual))
        .map_err(|e: CmsError| e.to_string())
}

/// Profiles are anybody's bytes: code that panics on one met a profile it cannot read.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it is damaged".to_string()))
}

#[cfg(test)]
mod tests;
