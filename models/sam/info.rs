//! SAM's row in [`crate::registry::ARCHS`].

use std::sync::Arc;

use serde_json::Value;

use super::config::ARCH;
use super::{Sam, SamConfig, golden};
use crate::arch::{ArchInfo, Network, Role, stated, typed};
use crate::error::ModelError;
use crate::import::Weights;

/// Row of [`crate::registry::ARCHS`].
pub static INFO: ArchInfo = ArchInfo {
    name: ARCH,
    aliases: &["mobile-sam", "sam-vit", "sam-small"],
    role: Role::Segment,
    roots: &["image_encoder.", "prompt_encoder.", "mask_decoder."],
    derived: &[".num_batches_tracked", ".attention_bias_idxs", ".ab"],
    bare: |_| None,
    identify: |weights| {
        let starts = |prefix| weights.iter().any(|(name, _)| name.starts_with(prefix));
        starts("image_encoder.patch_embed.") && starts("prompt_encoder.") && starts("mask_decoder.")
    },
    config,
    // Its layers are many and their sizes follow from one another: what cannot be built does not fit.
    check: |weights| stated(ARCH, Sam::from_weights(weights)?.config()),
    load: |weights: &Weights| Ok(Network::Segment(Arc::new(Sam::from_weights(weights)?))),
    random: |config, seed| {
        let config = SamConfig::complete(typed(ARCH, config)?)?;
        Ok(Network::Segment(Arc::new(Sam::random(&config, seed)?)))
    },
    golden: golden::check,
};

fn config(stated_sizes: &Value) -> Result<Value, ModelError> {
    stated(ARCH, &SamConfig::complete(typed(ARCH, stated_sizes)?)?)
}
