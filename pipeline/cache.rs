//! Compiled graphs, reused between crops and runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cleanplate_engine::{Backend, EngineError, Executable, Graph};

use crate::PluginError;

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

struct Entry {
    key: ExecutableKey,
    executable: Arc<dyn Executable>,
}

/// Least-recently-used executables, bounded in number and in planned bytes.
pub struct ExecutableCache {
    count_max: usize,
    bytes_max: u64,
    /// Oldest first.
    entries: Mutex<Vec<Entry>>,
}

impl ExecutableCache {
    /// An empty cache.
    pub fn new(count_max: usize, bytes_max: u64) -> Self {
        ExecutableCache {
            count_max,
            bytes_max,
            entries: Mutex::new(Vec::new()),
        }
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
        if let Some(found) = self.find(&key) {
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
        self.put(Entry {
            key,
            executable: executable.clone(),
        });
        Ok(executable)
    }

    /// Drops everything kept, for instance after the device was lost. Returns how many there were.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut *self.lock()).len()
    }

    /// Drops the executables of these weights; runs under way keep theirs. Returns how many there were.
    pub fn forget(&self, sha256: &str) -> usize {
        let mut entries = self.lock();
        let before = entries.len();
        entries.retain(|entry| entry.key.sha256 != sha256);
        before - entries.len()
    }

    fn find(&self, key: &ExecutableKey) -> Option<Arc<dyn Executable>> {
        let mut entries = self.lock();
        let at = entries.iter().position(|e| e.key == *key)?;
        let entry = entries.remove(at);
        let executable = entry.executable.clone();
        entries.push(entry);
        Some(executable)
    }

    fn put(&self, entry: Entry) {
        let mut entries = self.lock();
        entries.retain(|e| e.key != entry.key);
        entries.push(entry);
        let bytes = |entries: &[Entry]| {
            entries
                .iter()
                .map(|e| e.executable.peak_bytes())
                .sum::<u64>()
        };
        while entries.len() > self.count_max
            || (entries.len() > 1 && bytes(&entries) > self.bytes_max)
        {
            entries.remove(0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // A panic elsewhere cannot leave the list half-changed: every step above is complete before the lock is given up.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether less memory in use, or a smaller graph, could help.
pub fn is_memory(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Memory { .. } | EngineError::OutOfMemory { .. }
    )
}
