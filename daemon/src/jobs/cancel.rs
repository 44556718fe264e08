//! Cancelling, and what is known of the jobs under way.

use std::time::Instant;

use cleanplate_api::ErrorCode;
use cleanplate_store::{AccountId, Ended, Failure, FailureCode, Job, JobId, JobProgress};

use super::step_times::Advance;
use super::{Finished, Jobs, lock};
use crate::files::remove_inputs;
use crate::refusal::Refusal;

/// A job under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// The job.
    pub id: JobId,
    /// The attempt.
    pub attempt: u32,
    /// It is no longer wanted, or no longer ours.
    pub cancelled: bool,
    /// Stage under way.
    pub stage: String,
    /// Share of the stage that is done, 0 to 1.
    pub fraction: f32,
    /// Since when it is under way.
    pub since: Instant,
    /// How far it is as a whole.
    pub advance: Advance,
}

impl Current {
    /// A job that was just taken from the queue.
    pub fn new(job: &Job) -> Current {
        Current {
            id: job.id,
            attempt: job.attempt,
            cancelled: false,
            stage: String::new(),
            fraction: 0.0,
            since: Instant::now(),
            advance: Advance::default(),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> JobProgress {
        let left = self.advance.left(self.since.elapsed());
        JobProgress {
            job: self.id,
            attempt: self.attempt,
            stage: self.stage.clone(),
            fraction: self.fraction,
            done: self.advance.done(),
            left_ms: left.as_millis() as u64,
        }
    }

    /// Whether it is this attempt: another one at the same job may be under way beside one that was taken from this process.
    pub fn is(&self, job: JobId, attempt: u32) -> bool {
        self.id == job && self.attempt == attempt
    }
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It waits for this many jobs.
    Waiting(u32),
    /// It is under way, here or in another process.
    Running(JobProgress),
}

/// What a client is told whose job was cancelled.
pub fn cancelled() -> Refusal {
    Refusal::new(
        ErrorCode::Conflict,
        "the job was cancelled; nothing was charged",
    )
}

impl Jobs {
    /// How far a job is that is under way, here or elsewhere.
    pub fn progress(&self, id: JobId) -> Option<JobProgress> {
        let current = lock(&self.current);
        let mine = current.iter().rfind(|current| current.id == id);
        let mine = mine.map(Current::progress);
        drop(current);
        mine.or_else(|| self.elsewhere.progress(id))
    }

    /// Where a job stands; `None` for one that waits and that this process does not have.
    pub fn standing(&self, id: JobId) -> Option<Standing> {
        if let Some(progress) = self.progress(id) {
            return Some(Standing::Running(progress));
        }
        let current = lock(&self.current);
        let reserved = lock(&self.reservations);
        let since = reserved.get(&id)?.since;
        let before = |(other, reserved): &(&JobId, &super::Reserved)| {
            reserved.since < since && current.iter().all(|current| current.id != **other)
        };
        Some(Standing::Waiting(
            reserved.iter().filter(before).count() as u32
        ))
    }

    /// Notes how far an attempt at a job is.
    pub(super) fn advance(&self, (id, attempt): (JobId, u32), stage: &str, fraction: f32) {
        let mut current = lock(&self.current);
        if let Some(current) = current.iter_mut().find(|current| current.is(id, attempt)) {
            if current.stage != stage {
                current.stage = stage.to_string();
            }
            current.fraction = fraction.clamp(0.0, 1.0);
            current.advance.step(stage, f64::from(fraction));
        }
    }

    /// Ends a waiting or running job, of this account if one is given, and returns its hold; `None` when there is no such job. Blocks.
    pub fn cancel(
        &self,
        account: Option<AccountId>,
        id: JobId,
        why: &str,
    ) -> Result<Option<Box<Job>>, Refusal> {
        let refuse = |error| self.refuse(&error);
        if self.store.job(account, id).map_err(refuse)?.is_none() {
            return Ok(None);
        }
        let failure = Failure::new(FailureCode::Cancelled, why);
        let (job, balance) = match self
            .insist(|| self.store.cancel(account, id, &failure))
            .map_err(refuse)?
        {
            Ended::Now { job, balance } => (job, balance),
            Ended::Stale { status, .. } => {
                return Err(Refusal::new(
                    ErrorCode::Conflict,
                    format!("the job has ended already: it is {}", status.as_str()),
                ));
            }
        };
        for current in lock(&self.current).iter_mut() {
            current.cancelled |= current.id == id;
        }
        if account.is_some() {
            self.failures.note(job.account, Instant::now());
        }
        lock(&self.reservations).remove(&id);
        remove_inputs(&self.blobs, id);
        let finished = Finished {
            job: job.clone(),
            balance,
            refusal: Some(cancelled()),
        };
        self.tell(id, Ok(finished));
        Ok(Some(job))
    }
}
