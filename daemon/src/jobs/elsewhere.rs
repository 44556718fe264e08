//! What other processes do with the jobs of this store, and how far those of this one are, for others.

use std::collections::HashMap;
use std::sync::{Mutex, Weak};
use std::time::{Duration, Instant};

use cleanplate_store::{FailureCode, Job, JobId, JobProgress, JobStatus, Watcher};

use super::{Jobs, lock};

/// What was not told again for so long is no longer so: an attempt under way is told of each second.
const REMEMBERED: Duration = Duration::from_secs(30);

/// How far other processes are with their jobs.
#[derive(Default)]
pub(super) struct Elsewhere(Mutex<HashMap<JobId, (JobProgress, Instant)>>);

impl Elsewhere {
    pub(super) fn progress(&self, id: JobId) -> Option<JobProgress> {
        let known = lock(&self.0);
        let (progress, at) = known.get(&id)?;
        (at.elapsed() < REMEMBERED).then(|| progress.clone())
    }

    fn note(&self, progress: &JobProgress) {
        let mut known = lock(&self.0);
        // One that is told after the end of its job stays no longer than that.
        known.retain(|_, (_, at)| at.elapsed() < REMEMBERED);
        known.insert(progress.job, (progress.clone(), Instant::now()));
    }

    /// Forgets what is of another state of the job.
    fn keep_if_of(&self, job: &Job) {
        let is_of = |progress: &JobProgress| {
            job.status == JobStatus::Processing && job.attempt == progress.attempt
        };
        let mut known = lock(&self.0);
        if known
            .get(&job.id)
            .is_some_and(|(progress, _)| !is_of(progress))
        {
            known.remove(&job.id);
        }
    }
}

impl Jobs {
    /// Tells other processes, where there are some, how far the jobs under way here are.
    pub fn tell_progress(&self) {
        if !self.shares_store() {
            return;
        }
        let current = lock(&self.current);
        let wanted = current.iter().filter(|current| !current.cancelled);
        let progress: Vec<_> = wanted.map(|current| current.progress()).collect();
        drop(current);
        self.store.tell_progress(progress);
    }
}

/// Learns from the store of jobs that wait, whichever process took them, and of what other processes do with them; ends that this
/// one brings about are told with all that is known of them.
pub struct JobsElsewhere(pub Weak<Jobs>);

impl Watcher for JobsElsewhere {
    fn job_changed(&self, job: &Job) {
        let Some(jobs) = self.0.upgrade() else { return };
        jobs.elsewhere.keep_if_of(job);
        if job.status == JobStatus::Pending {
            jobs.wake_one();
        }
        if !job.status.is_final() {
            return;
        }
        jobs.note_failed(job);
        // Cancelled through another process: the attempt ends at its next step, not at its next sign of life.
        let failure = job.failure.as_ref();
        if failure.is_some_and(|failure| failure.code == FailureCode::Cancelled) {
            jobs.stop_attempt(job.id, job.attempt);
        }
        // Whoever ended it, nothing of it is to come.
        lock(&jobs.reservations).remove(&job.id);
        if job.worker.as_deref() != Some(jobs.name()) {
            jobs.tell_to_look(job.id);
        }
    }

    fn job_advanced(&self, progress: &JobProgress) {
        if let Some(jobs) = self.0.upgrade() {
            jobs.elsewhere.note(progress);
        }
    }
}
