//! Telling others of changes as soon as they are on disk.

use std::sync::Arc;

use crate::jobs::Job;

/// Someone who is told of changes.
///
/// Calls come from the threads that write, in the order of the commits, while no other write can begin: they must return
/// at once and must not call the store.
pub trait Watcher: Send + Sync {
    /// A job was accepted, claimed, put back or ended; this is its state now.
    fn job_changed(&self, job: &Job);
}

/// Letting others watch. Only changes made through this object are told, not those of other processes.
pub trait Watched {
    /// From now on tells `watcher`. The first one stays: `false` when there was one.
    fn watch(&self, watcher: Arc<dyn Watcher>) -> bool;
}
