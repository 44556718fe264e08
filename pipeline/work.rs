//! What stages share while one photo is worked on.

use std::time::Duration;

use cleanplate_engine::Backend;
use serde::Serialize;

use super::{
    Candidate, Choice, Crop, Embeddings, ExecutableCache, Gather, Observer, Pixel, Region, Shot,
    Transparency,
};
use crate::PluginError;
use crate::models::Networks;
use cleanplate_pictures::{Colours, Mask, Photo, Rect};

/// Points and a box that say what to remove, in pixels of the displayed photo.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Prompts {
    /// `(x, y, label)`: label 1 is on the object, 0 is background.
    pub points: Vec<(f64, f64, u8)>,
    /// `[x1, y1, x2, y2]`, any two opposite corners.
    pub boxes: Option<[f64; 4]>,
    /// What else is to be removed: each is found by itself, and the mask is all of them.
    pub others: Vec<Prompts>,
}

/// A network that took part in a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelUse {
    /// Model name.
    pub name: String,
    /// Hash of its weights, hexadecimal.
    pub sha256: String,
}

/// How a stage shared the device with other runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sharing {
    /// Time spent waiting for the device and for crops to go together with.
    pub waited: Duration,
    /// Most crops that went through the network together with one of this run's, that one included; 0 without a network.
    pub crops_together: usize,
}

/// The state that stages read and change. All masks have the photo's size.
pub struct Work<'a> {
    /// The photo, hidden colours left out. Stages do not change its pixels; fills are blended in after the last stage.
    pub photo: Photo,
    /// The way between the photo's colours and sRGB; `None` when they are the same. Networks see and say sRGB
    /// ([`Work::seen`], [`Work::own`]), everything else stays in the photo's own space.
    pub colours: Option<Colours>,
    /// The photo as it came and its alpha, unless it is opaque.
    pub transparency: Option<Box<Transparency>>,
    /// What was asked for.
    pub prompts: Option<Prompts>,
    /// The hard mask (0/255) as given by the user or found by the segment stage, never grown.
    pub user_mask: Mask,
    /// The hard mask (0/255) that is replaced completely: `user_mask` after the mask stages.
    pub mask: Mask,
    /// Share of the fill in the result, 0..=255: 255 all over `mask`, falling off in a ring outside. **The hole that inpaint
    /// and refine stages fill is every pixel with alpha above 0**: nothing of the object is blended back, and every blended pixel has a fill.
    pub alpha: Mask,
    /// Fills, one per group of mask regions; made by the inpaint stage, bettered by the later ones.
    pub crops: Vec<Crop>,
    /// Finished fills by each branch of the pipeline, for the curate stage to choose from.
    pub candidates: Vec<Candidate>,
    /// Whether candidates are finished by themselves too, so that what is kept of them is copied.
    pub copied: bool,
    /// What the curate stage chose.
    pub choices: Vec<Choice>,
    /// The device.
    pub backend: &'a dyn Backend,
    /// The networks at hand.
    pub networks: &'a dyn Networks,
    /// Compiled graphs, kept between runs.
    pub executables: &'a ExecutableCache,
    /// Brings crops of overlapping runs together.
    pub gather: &'a Gather,
    /// How the running stage shares the device.
    pub sharing: Sharing,
    /// Embeddings of photos, kept between runs.
    pub embeddings: &'a Embeddings,
    /// Progress and cancellation.
    pub observer: &'a dyn Observer,
    /// What the user should know about this result; never silent about a lesser quality.
    pub warnings: Vec<String>,
    /// Networks used so far.
    pub models: Vec<ModelUse>,
    /// How good the segment stage thinks its mask is: predicted overlap with the true one.
    pub predicted_iou: Option<f32>,
    /// What the frame before left and this one leaves, where the photo is a frame of a shot.
    pub shot: Option<Shot>,
}

impl Prompts {
    /// What was given, as requests name it: `points`, or `box` where there is nothing else.
    pub fn given(&self) -> &'static str {
        if self.points.is_empty() {
            "box"
        } else {
            "points"
        }
    }
}

impl Work<'_> {
    /// An error if the observer wants to stop; call it before each costly piece of work.
    pub fn check_cancelled(&self, before: &str) -> Result<(), PluginError> {
        if self.observer.cancelled() {
            return Err(PluginError::Cancelled {
                before: before.to_string(),
            });
        }
        Ok(())
    }

    /// Turns colours of the photo, `[.., 3]`, into those that networks see.
    pub fn seen(&self, rgb: &mut [f32]) -> Result<(), PluginError> {
        let convert = |colours: &Colours| colours.to_srgb(rgb);
        self.colours
            .as_ref()
            .map_or(Ok(()), convert)
            .map_err(colour)
    }

    /// Turns what a network says, `[.., 3]`, into colours of the photo.
    pub fn own(&self, rgb: &mut [f32]) -> Result<(), PluginError> {
        let convert = |colours: &Colours| colours.from_srgb(rgb);
        self.colours
            .as_ref()
            .map_or(Ok(()), convert)
            .map_err(colour)
    }

    /// The pixels of `rect` as networks see them, 8 bits, `[h, w, 3]`.
    pub fn seen_rgb8(&self, rect: Rect) -> Result<Vec<u8>, PluginError> {
        if self.colours.is_none() {
            return Ok(self.photo.crop_rgb8(rect));
        }
        let mut out = Vec::with_capacity(rect.pixels() * 3);
        let mut row = Vec::new();
        for y in rect.y0..rect.y1 {
            row.clear();
            self.photo.push_row_f32(&mut row, y, rect);
            self.seen(&mut row)?;
            out.extend(row.iter().map(|v| (v * 255.0 + 0.5) as u8));
        }
        Ok(out)
    }

    /// What each pixel of `rect` is to the fill of `crop`, `[rect.height(), rect.width()]`; transparent pixels of the photo are void.
    pub fn pixels(&self, crop: &Crop, rect: Rect) -> Vec<Pixel> {
        let mut pixels = crop.grid.pixels(crop.group, rect, &self.alpha);
        if let Some(transparency) = &self.transparency {
            transparency.veil(&mut pixels, rect);
        }
        pixels
    }

    /// Sets the mask found by a segment stage.
    pub fn set_user_mask(&mut self, mask: Mask) {
        self.user_mask = mask.clone();
        self.set_mask(mask);
    }

    /// Sets the hard mask; alpha becomes the same, without a soft ring.
    pub fn set_mask(&mut self, mask: Mask) {
        self.alpha.data.copy_from_slice(&mask.data);
        self.mask = mask;
    }

    /// Keeps candidate number `index` of the list for `region`.
    pub fn keep(&mut self, region: &Region, index: usize, choice: Choice) {
        for at in &region.crops[index] {
            let crop = &mut self.candidates[index].crops[*at];
            let fill = match self.copied {
                true => crop.fill.clone(),
                // No other region looks at it.
                false => std::mem::take(&mut crop.fill),
            };
            self.crops.push(Crop {
                rect: crop.rect,
                group: crop.group,
                grid: crop.grid.clone(),
                fill,
                alpha: crop.alpha.clone(),
            });
        }
        self.choices.push(choice);
    }

    /// Pixels of all fills that are held.
    pub fn fill_pixels(&self) -> usize {
        let waiting = self.candidates.iter().flat_map(|other| &other.crops);
        let all = waiting.chain(&self.crops);
        all.map(|crop| crop.fill.width * crop.fill.height).sum()
    }

    /// Brings back the photo as it came, hidden colours and all.
    pub(crate) fn restore(&mut self) {
        if let Some(transparency) = self.transparency.take() {
            self.photo = transparency.into_original();
        }
    }

    /// Notes a network as used, once.
    pub fn used_model(&mut self, name: &str, sha256: &str) {
        let used = ModelUse {
            name: name.to_string(),
            sha256: sha256.to_string(),
        };
        if !self.models.contains(&used) {
            self.models.push(used);
        }
    }
}

fn colour(detail: String) -> PluginError {
    PluginError::Output {
        plugin: "colour",
        detail: format!("the photo's colour profile failed: {detail}"),
    }
}

/// A plugin with its values, ready to run.
pub trait Stage: Send + Sync {
    /// An error unless what it needs is there now; asked before anything is held or queued for it.
    fn ready(&self, _networks: &dyn Networks) -> Result<(), PluginError> {
        Ok(())
    }

    /// Does its part on `work`.
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError>;
}
