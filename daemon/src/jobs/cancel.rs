//! Cancelling, and what is known of the jobs under way.

use cleanplate_api::ErrorCode;
use cleanplate_store::{AccountId, CODE_CANCELLED, Ended, Failure, Job, JobId};

use super::{Finished, Jobs, lock};
use crate::files::remove_inputs;
use crate::refusal::Refusal;

/// A job under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// The job.
    pub id: JobId,
    /// Its client no longer wants it.
    pub cancelled: bool,
    /// Stage under way.
    pub stage: String,
    /// Share of the stage that is done, 0 to 1.
    pub fraction: f32,
}

/// What a client is told whose job was cancelled.
pub fn cancelled() -> Refusal {
    Refusal::new(
        ErrorCode::Conflict,
        "the job was cancelled; nothing was charged",
    )
}

impl Jobs {
    /// Stage and share done of a job that is under way.
    pub fn progress(&self, id: JobId) -> Option<(String, f32)> {
        let current = lock(&self.current);
        current
            .iter()
            .find(|current| current.id == id)
            .map(|current| (current.stage.clone(), current.fraction))
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
        let failure = Failure::new(CODE_CANCELLED, why);
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
        if let Some(current) = lock(&self.current)
            .iter_mut()
            .find(|current| current.id == id)
        {
            current.cancelled = true;
        }
        lock(&self.reservations).remove(&id);
        if job.asynchronous {
            remove_inputs(&self.dirs, id);
        }
        let waiting = lock(&self.inputs).remove(&id);
        if let Some(work) = waiting {
            work.answer(Ok(Finished {
                job: job.clone(),
                balance,
                refusal: Some(cancelled()),
            }));
        }
        Ok(Some(job))
    }
}
