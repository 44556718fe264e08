//! The `[wgsl]` table of a manifest.

use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, StageKind};
use crate::parameter::Kind;

/// A picture that a shader may read, as `array<f32>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Image {
    /// The photo, RGB 0..1, `[height, width, 3]`; the object is still in the hole.
    Photo,
    /// 1 where a fill is wanted, 0 elsewhere, `[height, width]`.
    Hole,
    /// The fill so far, RGB 0..1, `[height, width, 3]`.
    Fill,
}

/// What a shader is bound to and how it is dispatched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WgslTable {
    /// File in the plugin's folder.
    pub shader: String,
    /// Bindings 0.. of group 0, read-only. The result follows them, read-write, then the uniform block.
    pub images: Vec<Image>,
    /// The numbers of the uniform block behind `width: u32, height: u32`, one `f32` each.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Pixels that one workgroup serves, x and y: so many workgroups are dispatched that the crop is covered.
    pub group_px: [u32; 2],
    /// Millions of pixels in one crop; larger ones are worked on at a smaller size.
    #[serde(default = "megapixels")]
    pub megapixels_max: usize,
    /// Seconds for one crop; a dispatch that takes longer costs the device, which is opened anew, and fails the job.
    #[serde(default = "time_s")]
    pub time_s_max: u64,
    /// Mebibytes of device memory for one crop's images; larger crops are worked on at a smaller size.
    #[serde(default = "memory_mib")]
    pub memory_mib_max: usize,
}

fn megapixels() -> usize {
    8
}

fn time_s() -> u64 {
    30
}

fn memory_mib() -> usize {
    1024
}

impl WgslTable {
    pub(crate) fn check(&self, manifest: &Manifest) -> Result<(), String> {
        if !matches!(
            manifest.stage,
            StageKind::Inpaint | StageKind::Refine | StageKind::Finish
        ) {
            return Err(
                "a wgsl plugin runs as stage inpaint, refine or finish; for others use a process"
                    .to_string(),
            );
        }
        if self.shader.contains('/') || !self.shader.ends_with(".wgsl") {
            return Err(format!(
                "wgsl.shader = {:?}: expected a file *.wgsl in the plugin's folder",
                self.shader
            ));
        }
        if (1..self.images.len()).any(|i| self.images[..i].contains(&self.images[i])) {
            return Err("wgsl.images: each image can be bound once".to_string());
        }
        if self.group_px.iter().any(|px| !(1..=1024).contains(px)) {
            return Err(format!(
                "wgsl.group_px = {:?}: expected two numbers from 1 to 1024",
                self.group_px
            ));
        }
        if !(1..=64).contains(&self.megapixels_max) {
            return Err(format!(
                "wgsl.megapixels_max = {}: expected a whole number from 1 to 64",
                self.megapixels_max
            ));
        }
        if !(1..=600).contains(&self.time_s_max) {
            return Err(format!(
                "wgsl.time_s_max = {}: expected a whole number from 1 to 600",
                self.time_s_max
            ));
        }
        if !(16..=16384).contains(&self.memory_mib_max) {
            return Err(format!(
                "wgsl.memory_mib_max = {}: expected a whole number from 16 to 16384",
                self.memory_mib_max
            ));
        }
        for (name, parameter) in &manifest.parameters {
            if parameter.auto || parameter.kind == Kind::Text {
                return Err(format!(
                    "parameter {name:?}: a shader takes numbers, flags and choices, neither text nor auto"
                ));
            }
            if !self.parameters.contains(name) {
                return Err(format!(
                    "parameter {name:?} is not in wgsl.parameters, so the shader would not see it"
                ));
            }
        }
        match self
            .parameters
            .iter()
            .find(|name| !manifest.parameters.contains_key(*name))
        {
            Some(name) => Err(format!("wgsl.parameters: there is no [parameters.{name}]")),
            None => Ok(()),
        }
    }

    /// Pixels of the largest crop that stays within both limits.
    pub(crate) fn pixels_max(&self) -> usize {
        let bytes = |image: &Image| if *image == Image::Hole { 4 } else { 12 };
        // The fill is always there, as what the result starts from; the result has a copy for reading back.
        let others: usize = self
            .images
            .iter()
            .filter(|image| **image != Image::Fill)
            .map(bytes)
            .sum();
        let per_pixel = 3 * 12 + others;
        (self.megapixels_max * 1_000_000).min((self.memory_mib_max << 20) / per_pixel)
    }

    /// Binding of the result; the uniform block is the next one.
    pub(crate) fn result_binding(&self) -> u32 {
        self.images.len() as u32
    }
}
