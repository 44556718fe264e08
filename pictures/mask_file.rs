//! Mask files: which of their pixels remove, and what they look like when that is not what was meant.

use std::str::FromStr;

use super::{ImageError, Mask};

/// What of a mask file marks the pixels to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskChannel {
    /// The same as luma; a picture that looks like a photo is refused.
    #[default]
    Auto,
    /// Brightness, seen on black: 128 of 255 and more removes.
    Luma,
    /// Opacity, whatever the colours: half of the mask's most opaque pixel and more removes.
    Alpha,
}

impl FromStr for MaskChannel {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(MaskChannel::Auto),
            "luma" => Ok(MaskChannel::Luma),
            "alpha" => Ok(MaskChannel::Alpha),
            other => Err(format!("{other:?} is not one of auto, luma, alpha")),
        }
    }
}

/// A mask that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskFile {
    /// 255 removes, 0 keeps.
    pub mask: Mask,
    /// What looks as if it was meant otherwise, one sentence each.
    pub warnings: Vec<String>,
}

/// Less than this counts as transparent.
const CLEAR: f32 = 0.1;
/// From this difference between the greatest and the least of its channels on, a pixel counts as coloured.
const COLOURED: f32 = 0.2;
/// Brightnesses that are neither nearly black nor nearly white: noise of a JPEG stays outside of them.
const MIDDLE: std::ops::Range<usize> = 40..216;
/// Shares of a photo's pixels in the middle, and the least of its brightnesses there that occur.
const PHOTO_MIDDLE: f64 = 0.4;
const PHOTO_LEVELS: usize = 64;
/// Share of the border that removes where a mask looks inverted.
const BORDER: f64 = 0.9;

/// Reads pixels of a mask file and remembers what was seen.
pub(crate) struct Reader {
    channel: MaskChannel,
    /// Greatest value of a sample in the file.
    sample_max: f32,
    pixels: u64,
    /// How many pixels have each brightness on black, 0 to 255.
    levels: [u64; 256],
    clear: u64,
    coloured: u64,
    colour: [f64; 3],
    /// Greatest sample of colour, and of alpha, 0 to 1.
    brightest: f32,
    opaquest: f32,
    least_opaque: f32,
}

impl Reader {
    pub(crate) fn new(channel: MaskChannel, bits: u8) -> Self {
        Reader {
            channel,
            sample_max: if bits == 16 { 65535.0 } else { 255.0 },
            pixels: 0,
            levels: [0; 256],
            clear: 0,
            coloured: 0,
            colour: [0.0; 3],
            brightest: 0.0,
            opaquest: 0.0,
            least_opaque: 1.0,
        }
    }

    /// The byte that is kept for a pixel, from its samples 0 to 1: cut already, or its opacity.
    pub(crate) fn value(&self, rgb: [f32; 3], alpha: f32) -> u8 {
        match self.channel {
            MaskChannel::Alpha => (alpha * 255.0).round() as u8,
            // Compared on the 8-bit scale, rounded: 128 of 255 removes, 127 keeps.
            _ if level(rgb, alpha) >= 128 => 255,
            _ => 0,
        }
    }

    /// Remembers `count` pixels of a kind.
    pub(crate) fn note(&mut self, rgb: [f32; 3], alpha: f32, count: u64) {
        self.pixels += count;
        self.levels[level(rgb, alpha)] += count;
        self.opaquest = self.opaquest.max(alpha);
        self.least_opaque = self.least_opaque.min(alpha);
        let greatest = rgb[0].max(rgb[1]).max(rgb[2]);
        let least = rgb[0].min(rgb[1]).min(rgb[2]);
        if alpha < CLEAR {
            self.clear += count;
            return;
        }
        self.brightest = self.brightest.max(greatest);
        if greatest - least > COLOURED {
            self.coloured += count;
            (0..3).for_each(|c| self.colour[c] += f64::from(rgb[c]) * count as f64);
        }
    }

    /// The value for a pixel that is remembered.
    pub(crate) fn take(&mut self, rgb: [f32; 3], alpha: f32) -> u8 {
        self.note(rgb, alpha, 1);
        self.value(rgb, alpha)
    }

    /// The mask of the values of all pixels, or why it cannot have been meant.
    pub(crate) fn finish(self, mut mask: Mask) -> Result<MaskFile, ImageError> {
        if self.channel == MaskChannel::Alpha {
            if self.least_opaque > 1.0 - CLEAR {
                return Err(refused(
                    "value_error.mask.no_alpha",
                    "mask_channel=alpha was asked for, and the mask is opaque everywhere: paint on a transparent layer, or send white on black without mask_channel",
                ));
            }
            let half = ((self.opaquest * 255.0).round() as u8).div_ceil(2).max(1);
            mask.data
                .iter_mut()
                .for_each(|v| *v = if *v >= half { 255 } else { 0 });
        }
        let removed = mask.count() as u64;
        if removed == 0 {
            return match self.why_empty() {
                Some(why) => Err(refused("value_error.mask.empty", &why)),
                None => Ok(MaskFile {
                    mask,
                    warnings: Vec::new(),
                }),
            };
        }
        if self.channel == MaskChannel::Auto && self.is_photo() {
            let middle = self.middle() as f64 / self.pixels as f64 * 100.0;
            return Err(refused(
                "value_error.mask.photo",
                &format!(
                    "the mask looks like a photo: {middle:.0} % of its pixels are neither black nor white. Send white where something is to be removed and black elsewhere; if it is meant so, send mask_channel=luma"
                ),
            ));
        }
        let mut warnings = Vec::new();
        if is_inverted(&mask, removed) {
            let share = removed as f64 / mask.data.len() as f64 * 100.0;
            warnings.push(format!("the mask looks inverted: it removes {share:.0} % of the image, its border too, and keeps what lies inside; white is removed, black is kept"));
        }
        if self.channel != MaskChannel::Alpha
            && self.clear > 0
            && self.coloured > self.levels[128..].iter().sum::<u64>()
        {
            warnings.push(format!("the mask is painted in colour ({}), and only its brighter part removes; send it with mask_channel=alpha, or white", self.hex()));
        }
        Ok(MaskFile { mask, warnings })
    }

    /// What was painted where nothing removes; `None` if nothing was.
    fn why_empty(&self) -> Option<String> {
        let drawn = self.pixels - self.clear;
        let brightest = (self.brightest * self.sample_max).round() as u32;
        let max = self.sample_max as u32;
        if self.pixels == 0 || drawn == 0 {
            return None;
        }
        if self.coloured > 0 {
            let percent = self.coloured as f64 / self.pixels as f64 * 100.0;
            let how = if self.clear > 0 {
                "send it with mask_channel=alpha, or paint in opaque white"
            } else {
                "paint in white"
            };
            return Some(format!(
                "the mask removes nothing: {percent:.1} % of it is painted in colour ({}), which is darker than 128 of 255 as it is seen on black; {how}",
                self.hex()
            ));
        }
        if self.clear > 0 {
            return Some(format!(
                "the mask removes nothing: it is drawn in its alpha channel, and its {drawn} visible pixels are darker than 128 of 255 as they are seen on black; send it with mask_channel=alpha, or paint in opaque white"
            ));
        }
        let remedy = match (brightest, max) {
            (0, _) => return None,
            (1, _) => "a mask of 0 and 1 must be multiplied by the greatest value first",
            (..=255, 65535) => "8-bit values in a 16-bit file must be multiplied by 257 first",
            _ => "128 of 255 and brighter is removed",
        };
        Some(format!(
            "the mask removes nothing: its brightest value is {brightest} of {max}; {remedy}"
        ))
    }

    fn middle(&self) -> u64 {
        self.levels[MIDDLE].iter().sum()
    }

    fn is_photo(&self) -> bool {
        let least = self.pixels / 10_000;
        let levels = self.levels[MIDDLE].iter().filter(|n| **n > least).count();
        levels >= PHOTO_LEVELS && self.middle() as f64 > PHOTO_MIDDLE * self.pixels as f64
    }

    /// The mean of what is coloured, as `#rrggbb`.
    fn hex(&self) -> String {
        let [r, g, b] = self
            .colour
            .map(|sum| (sum / self.coloured.max(1) as f64 * 255.0).round() as u8);
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

/// Brightness of a colour seen on black, 0 to 255.
fn level([r, g, b]: [f32; 3], alpha: f32) -> usize {
    let gray = 0.299 * r + 0.587 * g + 0.114 * b;
    ((gray * alpha * 255.0).round() as usize).min(255)
}

/// Whether most of the mask removes, its border too, and something is kept.
fn is_inverted(mask: &Mask, removed: u64) -> bool {
    let (all, width, height) = (mask.data.len() as u64, mask.width, mask.height);
    if removed * 2 <= all || removed == all || width < 3 || height < 3 {
        return false;
    }
    let rows = mask.row(0).iter().chain(mask.row(height - 1));
    let sides = (1..height - 1).flat_map(|y| [&mask.row(y)[0], &mask.row(y)[width - 1]]);
    let set = rows.chain(sides).filter(|v| **v != 0).count();
    set as f64 >= BORDER * (2 * (width + height) - 4) as f64
}

fn refused(kind: &'static str, detail: &str) -> ImageError {
    ImageError::Mask {
        kind,
        detail: detail.to_string(),
    }
}
