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

/// Letting others watch. Changes made through this object are told at once; those of other processes as soon as the store learns of
/// them, where it does, several changes of one job as one.
pub trait Watched {
    /// From now on tells `watcher` too.
    fn watch(&self, watcher: Arc<dyn Watcher>);
}
