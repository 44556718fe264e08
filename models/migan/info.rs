//! MI-GAN's row in [`crate::registry::ARCHS`].

use std::sync::Arc;

use cleanplate_engine::Graph;
use serde_json::Value;

use super::{ARCH, Migan, MiganConfig, golden};
use crate::arch::{ArchInfo, Inpaint, Network, Role, stated, typed};
use crate::error::ModelError;
use crate::import::Weights;

/// Row of [`crate::registry::ARCHS`].
pub static INFO: ArchInfo = ArchInfo {
    name: ARCH,
    aliases: &[],
    role: Role::Inpaint,
    roots: ROOTS,
    derived: DERIVED,
    bare: |_| None,
    identify: |weights| {
        let starts = |prefix| weights.iter().any(|(name, _)| name.starts_with(prefix));
        ROOTS.iter().all(starts)
    },
    config,
    check: |weights| stated(ARCH, &Migan::check(weights)?),
    load: |weights: &Weights| Ok(Network::Inpaint(Arc::new(Migan::from_weights(weights)?))),
    random: |config, seed| {
        let network = Migan::random(&typed(ARCH, config)?, seed)?;
        Ok(Network::Inpaint(Arc::new(network)))
    },
    golden: golden::check,
};

pub(super) const ROOTS: &[&str] = &["encoder.b", "synthesis.b"];
/// The fixed filters that halve and double.
pub(super) const DERIVED: &[&str] = &[".filter.weight", ".filter_const"];

fn config(stated_sizes: &Value) -> Result<Value, ModelError> {
    let config: MiganConfig = typed(ARCH, stated_sizes)?;
    config.validate()?;
    stated(ARCH, &config)
}

impl Inpaint for Migan {
    fn side_px_multiple(&self) -> usize {
        self.config().multiple()
    }
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, ModelError> {
        Migan::graph(self, batch, height, width)
    }
}
