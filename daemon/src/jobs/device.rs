//! The device behind the engine thread.

use std::sync::Arc;

use cleanplate_engine::{Backend, BackendChoice, EngineError, EngineOptions};

use crate::config;
use crate::files::Dirs;

/// Whether there is a device.
#[derive(Clone)]
pub enum DeviceState {
    /// Being opened.
    Opening,
    /// In use.
    Ready(Arc<dyn Backend>),
    /// Not there; opened again after a while.
    Failed(String),
}

fn options(config: &config::Engine, dirs: Option<&Dirs>, backend: BackendChoice) -> EngineOptions {
    EngineOptions {
        backend,
        memory_bytes_max: config.memory_bytes_max,
        cache_dir: dirs
            .filter(|_| config.pipeline_cache)
            .map(|dirs| dirs.cache.clone()),
        checked_shaders: config.checked,
        wait_s_max: config.wait_s_max,
    }
}

/// Opens the configured device. A panic of a driver binding is an error like any other.
pub fn open(
    config: &config::Engine,
    dirs: Option<&Dirs>,
    backend: BackendChoice,
) -> Result<Arc<dyn Backend>, EngineError> {
    let options = options(config, dirs, backend);
    std::panic::catch_unwind(|| cleanplate_engine::open(&options)).unwrap_or_else(|_| {
        Err(EngineError::NoAdapter {
            wanted: "usable",
            detail: "the driver panicked while opening".to_string(),
        })
    })
}
