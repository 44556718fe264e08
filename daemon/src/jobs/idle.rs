//! Memory given back when nothing was asked for a while.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Jobs, lock};
use crate::process;

/// Since when no job has run here; `None` when there is nothing to give back.
#[derive(Default)]
pub(super) struct Idle(Mutex<Option<Instant>>);

impl Idle {
    /// A job has ended.
    pub fn begin(&self) {
        *lock(&self.0) = Some(Instant::now());
    }
}

impl Jobs {
    /// Drops networks and what is compiled of them, if no job has run for `engine.idle_unload_s`. The next job loads them again.
    pub(super) fn unload_when_idle(&self) {
        let idle_max = self.config.engine.idle_unload;
        let mut since = lock(&self.idle.0);
        let over = since.is_some_and(|since| since.elapsed() >= idle_max);
        if idle_max.is_zero() || !over || self.running.load(Ordering::Relaxed) > 0 {
            return;
        }
        *since = None;
        drop(since);
        let before = process::rss_bytes();
        self.devices
            .runners()
            .for_each(|runner| runner.forget_all());
        let networks = self.models.unload_all();
        // What fusion made of the networks goes when the devices next count their bytes.
        let device_bytes = self.device_bytes();
        process::give_memory_back();
        tracing::info!(
            networks,
            device_mib = device_bytes >> 20,
            rss_mib_before = before >> 20,
            rss_mib = process::rss_bytes() >> 20,
            "idle: networks unloaded"
        );
    }
}
