//! Sizes of a LaMa generator.

use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::import::Weights;

/// What distinguishes one LaMa generator from another. Field names are those of the published configuration files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LamaConfig {
    /// Input channels: RGB and the mask.
    pub input_nc: usize,
    /// Output channels: RGB.
    pub output_nc: usize,
    /// Channels at full resolution; they double with each down-sampling.
    pub ngf: usize,
    /// Halvings of the resolution.
    pub n_downsampling: usize,
    /// Residual blocks at the lowest resolution.
    pub n_blocks: usize,
    /// Share of the channels at the lowest resolution that take the spectral path.
    pub ratio_global: f64,
}

/// Prefix of all weight names.
pub(super) const PREFIX: &str = "generator.model";

impl LamaConfig {
    /// The sizes that the metadata of a file state.
    pub(super) fn stated(weights: &Weights) -> Result<LamaConfig, ModelError> {
        let fail = |why: String| ModelError::Config {
            arch: "lama",
            why: format!("metadata `config` of the file: {why}"),
        };
        let text = weights.metadata().get("config");
        let text = text.ok_or_else(|| fail("it is missing".to_string()))?;
        let stated: LamaConfig = serde_json::from_str(text).map_err(|e| fail(e.to_string()))?;
        stated.validate()?;
        Ok(stated)
    }

    /// The published big-lama: 51.0 M parameters.
    pub fn big_lama() -> Self {
        LamaConfig {
            input_nc: 4,
            output_nc: 3,
            ngf: 64,
            n_downsampling: 3,
            n_blocks: 18,
            ratio_global: 0.75,
        }
    }

    /// Refuses sizes that the kernels' fixed input layout or any sane network does not have.
    pub fn validate(&self) -> Result<(), ModelError> {
        let fail = |why: String| Err(ModelError::Config { arch: "lama", why });
        if self.input_nc != 4 || self.output_nc != 3 {
            return fail(format!(
                "{} input and {} output channels, wanted 4 and 3",
                self.input_nc, self.output_nc
            ));
        }
        if !(1..=3).contains(&self.n_downsampling) {
            return fail(format!(
                "{} down-samplings, wanted 1 to 3: sides are padded to multiples of 8",
                self.n_downsampling
            ));
        }
        if !(1..=128).contains(&self.ngf) || !(1..=64).contains(&self.n_blocks) {
            return fail(format!(
                "ngf {} and {} blocks, wanted 1 to 128 and 1 to 64",
                self.ngf, self.n_blocks
            ));
        }
        if self.local_channels() == 0 || self.spectral_channels() == 0 {
            return fail(format!(
                "ratio_global {} leaves one of the paths without channels",
                self.ratio_global
            ));
        }
        Ok(())
    }

    /// The configuration that the tensors' names and shapes imply.
    pub fn infer(weights: &Weights) -> Result<Self, ModelError> {
        let shape = |name: String| weights.get(&name).map(|tensor| tensor.shape());
        let axis = |name: String, axis: usize| {
            let missing = || ModelError::Config {
                arch: "lama",
                why: format!("{name} is missing: this is no LaMa generator"),
            };
            shape(name.clone())
                .and_then(|dims| dims.get(axis).copied())
                .ok_or_else(missing)
        };
        let count = |from: usize, path: &str| {
            (from..)
                .take_while(|i| shape(format!("{PREFIX}.{i}.{path}")).is_some())
                .count()
        };

        let stem = format!("{PREFIX}.1.ffc.convl2l.weight");
        let n_downsampling = count(2, "ffc.convl2l.weight");
        let n_blocks = count(2 + n_downsampling, "conv1.ffc.convl2l.weight");
        let split = 1 + n_downsampling;
        let local = axis(format!("{PREFIX}.{split}.ffc.convl2l.weight"), 0)?;
        let global = axis(format!("{PREFIX}.{split}.ffc.convl2g.weight"), 0)?;
        let head = 4 + 4 * n_downsampling + n_blocks;
        let config = LamaConfig {
            input_nc: axis(stem.clone(), 1)?,
            output_nc: axis(format!("{PREFIX}.{head}.weight"), 0)?,
            ngf: axis(stem, 0)?,
            n_downsampling,
            n_blocks,
            ratio_global: global as f64 / (local as f64 + global as f64),
        };
        config.validate()?;
        Ok(config)
    }

    /// Channels after `halvings` down-samplings.
    pub(super) fn channels(&self, halvings: usize) -> usize {
        self.ngf << halvings
    }

    /// Channels of the spectral path at the lowest resolution.
    pub(super) fn global_channels(&self) -> usize {
        let total = self.channels(self.n_downsampling) as f64;
        // A ratio that was itself computed from channels must give them back.
        (total * self.ratio_global.clamp(0.0, 1.0) + 1e-6) as usize
    }

    /// Channels of the convolutional path at the lowest resolution.
    pub(super) fn local_channels(&self) -> usize {
        self.channels(self.n_downsampling) - self.global_channels()
    }

    /// Channels inside a spectral transform.
    pub(super) fn spectral_channels(&self) -> usize {
        self.global_channels() / 2
    }

    /// Index of the first residual block in the generator's sequence: padding, stem and down-samplings come before it.
    pub(super) fn first_block(&self) -> usize {
        2 + self.n_downsampling
    }

    /// Index of up-sampling `i`'s transposed convolution; its batch norm follows. A concatenation stands before the first.
    pub(super) fn up(&self, i: usize) -> usize {
        self.first_block() + self.n_blocks + 1 + 3 * i
    }

    /// Index of the last convolution; its padding layer stands before it.
    pub(super) fn head(&self) -> usize {
        self.up(self.n_downsampling) + 1
    }
}
