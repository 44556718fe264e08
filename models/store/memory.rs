//! Which networks are in memory, and loading and unloading them by hand.

use std::sync::{PoisonError, TryLockError};

use super::ModelStore;
use crate::error::ModelError;

impl ModelStore {
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

    /// Drops the network `name` from memory; those who use it keep it as long as they do. `false` when it was not there.
    pub fn unload(&self, name: &str) -> bool {
        self.loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name)
            .is_some()
    }
}
