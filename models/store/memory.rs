//! Networks by name and by role, which of them are in memory, and loading and unloading them by hand.

use std::sync::{Arc, PoisonError, TryLockError};

use super::{ModelInfo, ModelStore};
use crate::arch::{ArchInfo, Inpaint, Network, Role, Segment};
use crate::error::ModelError;
use crate::manifest::Manifest;
use crate::registry;
use crate::weights::MODELS;

impl ModelStore {
    /// The best model of a role that is there, as the manifests rank them; `None` when none of them is.
    pub fn auto(&self, role: Role) -> Result<Option<ModelInfo>, ModelError> {
        self.first(|manifest| manifest.auto.filter(|_| manifest.arch.role == role))
    }

    /// The network that is there which finds best what a single click means, as the manifests rank them.
    pub fn auto_for_click(&self) -> Result<Option<ModelInfo>, ModelError> {
        self.first(|manifest| manifest.click.and_then(|click| click.rank))
    }

    /// Of a program without embedded weights: that the best network of this kind which comes with it lacks its file. `None` where
    /// none comes with it.
    pub fn lacks(&self, role: Role) -> Result<Option<ModelError>, ModelError> {
        let ranked = ranked(|manifest| {
            let shipped = manifest
                .file
                .as_ref()
                .is_some_and(|file| file.embedded.is_some());
            manifest
                .auto
                .filter(|_| shipped && manifest.arch.role == role)
        })?;
        Ok(ranked.first().map(|name| self.absent(name)))
    }

    fn first(
        &self,
        rank: impl Fn(&Manifest) -> Option<u32>,
    ) -> Result<Option<ModelInfo>, ModelError> {
        for name in ranked(rank)? {
            if let Some(info) = self.describe(name)?.filter(|info| info.present) {
                return Ok(Some(info));
            }
        }
        Ok(None)
    }

    /// A network that fills holes, loaded and verified on first use.
    pub fn inpaint(&self, name: &str) -> Result<Arc<dyn Inpaint>, ModelError> {
        match self.network_for(name, Role::Inpaint)? {
            Network::Inpaint(network) => Ok(network),
            other => Err(self.unfit(name, other.role(), Role::Inpaint)?),
        }
    }

    /// A network that turns points and boxes into masks, loaded and verified on first use.
    pub fn segment(&self, name: &str) -> Result<Arc<dyn Segment>, ModelError> {
        match self.network_for(name, Role::Segment)? {
            Network::Segment(network) => Ok(network),
            other => Err(self.unfit(name, other.role(), Role::Segment)?),
        }
    }

    /// As [`ModelStore::network`]; one for something else is not loaded.
    fn network_for(&self, name: &str, wanted: Role) -> Result<Network, ModelError> {
        match self.arch(&self.info(name)?)?.role {
            role if role != wanted => Err(self.unfit(name, role, wanted)?),
            _ => self.network(name),
        }
    }

    fn unfit(&self, name: &str, role: Role, wanted: Role) -> Result<ModelError, ModelError> {
        Ok(ModelError::Role {
            name: name.to_string(),
            arch: self.info(name)?.arch,
            does: role.does(),
            wanted: wanted.does(),
        })
    }

    /// The network `name`, loaded and verified on first use.
    pub fn network(&self, name: &str) -> Result<Network, ModelError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = loaded.get(name) {
            return Ok(network.clone());
        }
        let info = self.info(name)?;
        let arch = self.arch(&info)?;
        let weights = self.weights(name)?;
        let network = (arch.load)(&weights)?;
        tracing::info!(
            model = name,
            sha256 = info.sha256,
            tensors = weights.len(),
            "model loaded"
        );
        loaded.insert(name.to_string(), network.clone());
        Ok(network)
    }

    /// The family that a listing or record names.
    fn arch(&self, info: &ModelInfo) -> Result<&'static ArchInfo, ModelError> {
        registry::named(&info.arch).ok_or_else(|| ModelError::Record {
            file: self.record_path(&info.name),
            why: format!(
                "this program has no architecture {:?}; known are {}",
                info.arch,
                registry::names()
            ),
        })
    }

    /// Names of the networks in memory; `None` while one is being loaded.
    pub fn loaded(&self) -> Option<Vec<String>> {
        let loaded = match self.loaded.try_lock() {
            Ok(loaded) => loaded,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let mut names: Vec<String> = loaded.keys().cloned().collect();
        names.sort();
        Some(names)
    }

    /// Loads and verifies the network `name`, if it is not in memory.
    pub fn load(&self, name: &str) -> Result<(), ModelError> {
        self.network(name).map(drop)
    }

    /// Drops all networks from memory; those who use one keep it as long as they do. Returns how many there were.
    pub fn unload_all(&self) -> usize {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *loaded).len()
    }

    /// Drops the network `name` from memory; those who use it keep it as long as they do. `false` when it was not there.
    pub fn unload(&self, name: &str) -> bool {
        self.loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name)
            .is_some()
    }
}

/// Names of the known networks that have a rank, by it.
fn ranked(rank: impl Fn(&Manifest) -> Option<u32>) -> Result<Vec<&'static str>, ModelError> {
    let mut ranked = Vec::new();
    for model in MODELS {
        ranked.extend(rank(&model.parse()?).map(|rank| (rank, model.name)));
    }
    ranked.sort_unstable();
    Ok(ranked.into_iter().map(|(_, name)| name).collect())
}
