//! Sizes of a MI-GAN generator.

use serde::{Deserialize, Serialize};

use super::ARCH;
use crate::error::ModelError;
use crate::import::Weights;

/// What distinguishes one MI-GAN generator from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MiganConfig {
    /// Side of the photos that it was trained on, in pixels: a power of two, the first level.
    pub resolution: usize,
    /// Channels times side of a level, up to `ch_max` channels.
    pub ch_base: usize,
    /// Most channels of a level.
    pub ch_max: usize,
}

/// The last level.
pub(super) const LEVEL_MIN: usize = 4;

impl MiganConfig {
    /// Refuses sizes that no network of this family has.
    pub fn validate(&self) -> Result<(), ModelError> {
        let fail = |why: String| Err(ModelError::Config { arch: ARCH, why });
        if !self.resolution.is_power_of_two() || !(8..=4096).contains(&self.resolution) {
            return fail(format!(
                "resolution {}, wanted a power of two from 8 to 4096",
                self.resolution
            ));
        }
        if !(1..=4096).contains(&self.ch_max) || self.channels(self.resolution) == 0 {
            return fail(format!(
                "ch_base {} and ch_max {}, wanted a channel at the first level and at most 4096",
                self.ch_base, self.ch_max
            ));
        }
        Ok(())
    }

    /// The configuration that the tensors' names and shapes imply.
    pub fn infer(weights: &Weights) -> Result<Self, ModelError> {
        let first = |name: &str| {
            weights
                .get(name)
                .and_then(|tensor| tensor.shape().first().copied())
        };
        let levels = (3..=12).map(|power| 1usize << power);
        let mut found = levels.filter_map(|r| {
            first(&format!("encoder.b{r}.fromrgb.weight")).map(|channels| (r, channels))
        });
        let (Some((resolution, channels)), Some(ch_max)) =
            (found.next_back(), first("encoder.b4.conv1.conv1.weight"))
        else {
            return Err(ModelError::Config {
                arch: ARCH,
                why: "encoder.bN.fromrgb.weight or encoder.b4.conv1.conv1.weight is missing: this is no MI-GAN generator".into(),
            });
        };
        let config = MiganConfig {
            resolution,
            ch_base: channels.saturating_mul(resolution),
            ch_max,
        };
        config.validate()?;
        Ok(config)
    }

    /// Channels of a level.
    pub fn channels(&self, level: usize) -> usize {
        (self.ch_base / level).min(self.ch_max)
    }

    /// Levels from the first, `resolution`, to 4.
    pub fn levels(&self) -> impl Iterator<Item = usize> + use<> {
        let last = (self.resolution / LEVEL_MIN).trailing_zeros();
        let resolution = self.resolution;
        (0..=last).map(move |halvings| resolution >> halvings)
    }

    /// Sides of a crop are padded to multiples of this many pixels.
    pub fn multiple(&self) -> usize {
        self.resolution / LEVEL_MIN
    }
}
