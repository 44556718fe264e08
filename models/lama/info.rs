//! LaMa's row in [`crate::registry::ARCHS`].

use std::sync::Arc;

use cleanplate_engine::Graph;
use cleanplate_kernels::lama_input::MULTIPLE;
use serde_json::Value;

use super::config::PREFIX;
use super::{Lama, LamaConfig, LamaGraph, LamaOutput, SIDE_MIN, golden};
use crate::arch::{ArchInfo, Inpaint, Network, Role, stated, typed};
use crate::error::ModelError;
use crate::import::Weights;

/// Row of [`crate::registry::ARCHS`].
pub static INFO: ArchInfo = ArchInfo {
    name: "lama",
    aliases: &[],
    role: Role::Inpaint,
    roots: &["generator.model."],
    derived: &[".num_batches_tracked"],
    bare,
    identify: |weights| {
        weights.iter().any(|(name, _)| {
            name.strip_prefix(PREFIX)
                .is_some_and(|n| n.starts_with('.'))
        })
    },
    config,
    check: |weights| stated("lama", &Lama::check(weights)?),
    load: |weights: &Weights| Ok(Network::Inpaint(Arc::new(Lama::from_weights(weights)?))),
    random: |config, seed| {
        let lama = Lama::random(&typed("lama", config)?, seed)?;
        Ok(Network::Inpaint(Arc::new(lama)))
    },
    golden: golden::check,
};

/// `model.N.`: layer `N` of the sequence inside a generator that was saved by itself.
fn bare(name: &str) -> Option<String> {
    let (digits, _) = name.strip_prefix("model.")?.split_once('.')?;
    let numbered = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    numbered.then(|| format!("generator.{name}"))
}

fn config(stated_sizes: &Value) -> Result<Value, ModelError> {
    let config: LamaConfig = typed("lama", stated_sizes)?;
    config.validate()?;
    stated("lama", &config)
}

impl Inpaint for Lama {
    fn side_px_min(&self) -> usize {
        SIDE_MIN
    }
    fn side_px_multiple(&self) -> usize {
        MULTIPLE
    }
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, ModelError> {
        Lama::graph(
            self,
            LamaGraph {
                batch,
                height,
                width,
                output: LamaOutput::Prediction,
            },
        )
    }
}
