//! Compiled graphs, reused between crops and runs.

use std::sync::Arc;

use cleanplate_engine::{Backend, EngineError, Executable, Graph};

use crate::PluginError;
use crate::lru::Lru;

/// Identity of a compiled graph: weights and size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecutableKey {
    /// Hash of the weights.
    pub sha256: String,
    /// Height of the crop in pixels.
    pub height: usize,
    /// Width of the crop in pixels.
    pub width: usize,
}

/// Least-recently-used executables, bounded in number and in planned bytes.
pub struct ExecutableCache(Lru<ExecutableKey, Arc<dyn Executable>>);

impl ExecutableCache {
    /// An empty cache.
    pub fn new(count_max: usize, bytes_max: u64) -> Self {
        ExecutableCache(Lru::new(count_max, bytes_max, |kept| kept.peak_bytes()))
    }

    /// The executable for `key`, compiled from `graph()` when it is not kept. When memory is short, everything kept is
    /// given up and the compilation tried once more.
    pub fn get(
        &self,
        key: ExecutableKey,
        backend: &dyn Backend,
        graph: impl FnOnce() -> Result<Graph, PluginError>,
    ) -> Result<Arc<dyn Executable>, PluginError> {
        self.compiled(key, backend, graph, |e| is_memory(e) && self.clear() > 0)
    }

    /// As [`ExecutableCache::get`], but gives nothing up for it.
    pub fn get_if_room(
        &self,
        key: ExecutableKey,
        backend: &dyn Backend,
        graph: impl FnOnce() -> Result<Graph, PluginError>,
    ) -> Result<Arc<dyn Executable>, PluginError> {
        self.compiled(key, backend, graph, |_| false)
    }

    fn compiled(
        &self,
        key: ExecutableKey,
        backend: &dyn Backend,
        graph: impl FnOnce() -> Result<Graph, PluginError>,
        again: impl FnOnce(&EngineError) -> bool,
    ) -> Result<Arc<dyn Executable>, PluginError> {
        if let Some(found) = self.0.get(&key) {
            return Ok(found);
        }
        let graph = graph()?;
        let compiled = match backend.compile(&graph) {
            Err(e) if again(&e) => backend.compile(&graph),
            other => other,
        };
        let during = || format!("compiling for {}x{} pixels", key.width, key.height);
        let executable = compiled.map_err(|source| PluginError::Engine {
            during: during(),
            source: Box::new(source),
        })?;
        self.0.put(key, executable.clone());
        Ok(executable)
    }

    /// Drops everything kept, for instance after the device was lost. Returns how many there were.
    pub fn clear(&self) -> usize {
        self.0.forget(|_| true)
    }

    /// Drops the executables of these weights; runs under way keep theirs. Returns how many there were.
    pub fn forget(&self, sha256: &str) -> usize {
        self.0.forget(|key| key.sha256 == sha256)
    }
}

/// Whether less memory in use, or a smaller graph, could help.
pub fn is_memory(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Memory { .. } | EngineError::OutOfMemory { .. }
    )
}
