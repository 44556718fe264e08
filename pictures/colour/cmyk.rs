//! Inks as colours and back.

use moxcms::{ColorProfile, DataColorSpace, Layout};

use super::{Transform, both, guarded};

/// The way between CMYK (0 = no ink) and sRGB, all 0 to 1.
pub(crate) struct Cmyk {
    /// Through the file's profile: to sRGB and back.
    profile: Option<(Transform, Transform)>,
}

impl Cmyk {
    /// By a profile; without one that can be used, plainly: each ink takes its colour away from white. With it comes what is to be
    /// said of that.
    pub fn of(profile: Option<&[u8]>) -> (Cmyk, String) {
        let made = match profile {
            None => Err("it has no profile".to_string()),
            Some(profile) => guarded(|| {
                let cmyk = ColorProfile::new_from_slice(profile).map_err(|e| e.to_string())?;
                if cmyk.color_space != DataColorSpace::Cmyk {
                    return Err("its profile is not for CMYK".to_string());
                }
                let both = both(&cmyk, Layout::Rgba)?;
                // Tables that panic or give no numbers show themselves here.
                let mut colours = [0.0; 6];
                both.0
                    .transform(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.25], &mut colours)
                    .map_err(|e| e.to_string())?;
                let mut inks = [0.0; 8];
                both.1
                    .transform(&colours, &mut inks)
                    .map_err(|e| e.to_string())?;
                match inks.iter().chain(&colours).all(|v| v.is_finite()) {
                    true => Ok(both),
                    false => Err("its profile gives no numbers".to_string()),
                }
            }),
        };
        let how = match &made {
            Ok(_) => "through its profile".to_string(),
            Err(why) => format!("plainly, because {why}"),
        };
        let said = format!(
            "the fill of a CMYK photo is made in RGB; colours were converted {how}, in the hole only"
        );
        (Cmyk { profile: made.ok() }, said)
    }

    /// Inks `[.., 4]` to colours `[.., 3]`. The same inks give the same colours in every call with as many of them.
    pub fn to_rgb(&self, inks: &[f32], rgb: &mut [f32]) {
        let through = |(to, _): &(Transform, Transform)| to.transform(inks, rgb).is_ok();
        if self.profile.as_ref().is_some_and(through) {
            return;
        }
        for (ink, px) in inks.chunks_exact(4).zip(rgb.chunks_exact_mut(3)) {
            for (to, c) in px.iter_mut().zip(ink) {
                *to = (1.0 - c) * (1.0 - ink[3]);
            }
        }
    }

    /// Colours `[.., 3]` to inks `[.., 4]`.
    pub fn to_inks(&self, rgb: &[f32], inks: &mut [f32]) {
        let through = |(_, from): &(Transform, Transform)| from.transform(rgb, inks).is_ok();
        if self.profile.as_ref().is_some_and(through) {
            return;
        }
        for (px, ink) in rgb.chunks_exact(3).zip(inks.chunks_exact_mut(4)) {
            let light = px.iter().fold(0.0f32, |a, &b| a.max(b));
            for (to, c) in ink.iter_mut().zip(px) {
                *to = if light > 0.0 { 1.0 - c / light } else { 0.0 };
            }
            ink[3] = 1.0 - light;
        }
    }
}
