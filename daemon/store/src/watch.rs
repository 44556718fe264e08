//! Telling others of changes as soon as they are on disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::JobId;
use crate::jobs::Job;

/// How far an attempt at a job is. It is told while it is news, and stored nowhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobProgress {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// Step under way; empty before the first.
    pub stage: String,
    /// Share of that step that is done, 0 to 1.
    pub fraction: f32,
    /// Share of the whole job that is done, 0 to 1.
    pub done: f64,
    /// Time until the job ends, as far as that can be told, ms.
    pub left_ms: u64,
}

/// Someone who is told of changes.
///
/// Calls come from the threads that write, in the order of the commits, while no other write can begin: they must return
/// at once and must not call the store.
pub trait Watcher: Send + Sync {
    /// A job was accepted, claimed, put back or ended; this is its state now.
    fn job_changed(&self, job: &Job);

    /// Another process has come so far with a job. Some of it may be lost, and it may come after the job's end.
    fn job_advanced(&self, _progress: &JobProgress) {}
}

/// Letting others watch. Changes made through this object are told at once; those of other processes as soon as the store learns of
/// them, where it does, several changes of one job as one.
pub trait Watched {
    /// From now on tells `watcher` too.
    fn watch(&self, watcher: Arc<dyn Watcher>);

    /// Tells the watchers of other processes how far jobs of this one are, where there are such. Returns at once.
    fn tell_progress(&self, progress: Vec<JobProgress>);
}
