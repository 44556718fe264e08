//! Jobs: accepted and paid for in one transaction, claimed under an attempt number, ended once.

mod failure;
mod new;
mod outcome;
mod result;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::failure::{Failure, FailureCode};
pub use self::new::{BatchSlot, Completion, Inquiry, NewJob, QueueLimits};
pub use self::outcome::{Accept, Ended};
pub use self::result::{
    CANDIDATES_MAX, ExpiredResult, JobResult, KeptCandidate, KeptResult, StoredFile,
};

use crate::error::Result;
use crate::idempotency::Reply;
use crate::leases::Heartbeat;
use crate::maintenance::Recovered;
use crate::{AccountId, BatchId, Credits, JobId, KeyId, Page, PageRequest, UnixMs};

/// Where a job stands. Credits are held in the first two states only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits in the queue.
    Pending,
    /// A worker has it.
    Processing,
    /// Done and charged.
    Completed,
    /// Ended without result and without charge; the error code says why (cancelled too).
    Failed,
}

impl JobStatus {
    /// The name used in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether the job has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its identifier.
    pub id: JobId,
    /// Who pays.
    pub account: AccountId,
    /// The key that asked.
    pub key: Option<KeyId>,
    /// Its place in a batch.
    pub batch: Option<BatchSlot>,
    /// What was asked for.
    pub service: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Whether the client does not wait.
    pub asynchronous: bool,
    /// Where it stands.
    pub status: JobStatus,
    /// How often it was claimed: 0 before the first time. The fence against late workers.
    pub attempt: u32,
    /// Credits held for it.
    pub price: Credits,
    /// Name of the uploaded file.
    pub input_filename: Option<String>,
    /// Width of the uploaded image as displayed, pixels.
    pub original_width: u32,
    /// Height of the uploaded image as displayed, pixels.
    pub original_height: u32,
    /// What the daemon noted to run it.
    pub request: Value,
    /// The process of the last attempt.
    pub worker: Option<String>,
    /// When it was accepted.
    pub created_at_ms: UnixMs,
    /// When the last attempt began.
    pub started_at_ms: Option<UnixMs>,
    /// When it ended.
    pub finished_at_ms: Option<UnixMs>,
    /// Why it failed; set exactly when it did.
    pub failure: Option<Failure>,
    /// What it left; set exactly when it completed.
    pub result: Option<KeptResult>,
}

impl Job {
    /// Whether a file of this name in the results folder belongs to the job and has not been swept.
    pub fn owns_file(&self, name: &str) -> bool {
        self.result.as_ref().is_some_and(|kept| {
            kept.swept_at_ms.is_none() && kept.result.files().iter().any(|file| file.name == name)
        })
    }
}

/// Which jobs a listing shows; `None` = any.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// In this state.
    pub status: Option<JobStatus>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Failed with this code.
    pub code: Option<String>,
    /// Accepted at this time or later.
    pub created_from_ms: Option<UnixMs>,
    /// Accepted before this time.
    pub created_before_ms: Option<UnixMs>,
    /// With this text in the file name, the failure, or at the front of the identifier, in any case of A to Z.
    pub text: Option<String>,
}

/// Numbers of jobs by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobCounts {
    /// In the queue.
    pub pending: u64,
    /// With a worker.
    pub processing: u64,
    /// Ended well since the beginning.
    pub completed: u64,
    /// Ended otherwise since the beginning.
    pub failed: u64,
}

impl JobCounts {
    /// Notes how many are in this state.
    pub(crate) fn set(&mut self, status: JobStatus, number: u64) {
        *match status {
            JobStatus::Pending => &mut self.pending,
            JobStatus::Processing => &mut self.processing,
            JobStatus::Completed => &mut self.completed,
            JobStatus::Failed => &mut self.failed,
        } = number;
    }
}

/// Operations on jobs.
pub trait Jobs {
    /// Accepts a job in one transaction: idempotency row, hold, reserve entry, job row; or nothing at all.
    fn accept(&self, new: &NewJob, limits: &QueueLimits) -> Result<Accept>;

    /// Why [`accept`](Jobs::accept) would refuse a job now, as far as can be told before its request is complete; `None` when
    /// nothing stands against it. Nothing stands against a request whose idempotency key was used before: it may be answered
    /// with what was kept. Changes nothing.
    fn foresee(&self, inquiry: &Inquiry, limits: &QueueLimits) -> Result<Option<Accept>>;

    /// Notes a job that failed before anything was held, such as a bad pair of a batch. Nothing is charged.
    fn record_failed(&self, new: &NewJob, failure: &Failure) -> Result<Job>;

    /// Takes the next pending job, in turn between keys, and gives it a new attempt and a lease of `lease_ms` (1 to
    /// [`crate::LEASE_MS_MAX`]) from now. `worker` is the name of the process that takes it.
    fn claim(&self, worker: &str, lease_ms: i64) -> Result<Option<Job>>;

    /// Takes this job if it is pending.
    fn claim_job(&self, job: JobId, worker: &str, lease_ms: i64) -> Result<Option<Job>>;

    /// Renews the lease of an attempt for `lease_ms` from now, and tells whether it is still wanted. A lease that was over before
    /// is renewed like any other as long as nobody took the job: only [`reclaim_expired`](Jobs::reclaim_expired) takes it away.
    fn heartbeat(&self, job: JobId, attempt: u32, lease_ms: i64) -> Result<Heartbeat>;

    /// Takes jobs whose lease is over from their processes, which are dead or stand still: they go back into the queue to their
    /// old places, their holds kept, or fail after `attempts_max` attempts or more. What the old attempt still reports is refused
    /// as stale. Any process may call it at any time.
    fn reclaim_expired(&self, attempts_max: u32) -> Result<Recovered>;

    /// Ends a processing job well: charges it and returns the rest of the hold. Refused (stale) for another attempt.
    fn finish(&self, job: JobId, attempt: u32, completion: &Completion) -> Result<Ended>;

    /// Ends a processing job without success and returns its hold. With a `reply`, the idempotency key keeps it; without
    /// one the key is freed, also of asynchronous work that was answered before, so that the client may try again.
    fn fail(
        &self,
        job: JobId,
        attempt: u32,
        failure: &Failure,
        reply: Option<&Reply>,
    ) -> Result<Ended>;

    /// Ends a pending or processing job, of `account` if given, and returns its hold. A worker's later `finish` is stale.
    /// The usual code is [`FailureCode::Cancelled`]; shutting down and full queues use their own.
    fn cancel(&self, account: Option<AccountId>, job: JobId, failure: &Failure) -> Result<Ended>;

    /// Puts a processing job back into the queue, its hold kept. `false` when the attempt is stale.
    fn requeue(&self, job: JobId, attempt: u32) -> Result<bool>;

    /// One job, of `account` if given: another account's job does not exist.
    fn job(&self, account: Option<AccountId>, job: JobId) -> Result<Option<Job>>;

    /// Jobs that pass the filter, newest first.
    fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<Job>>;

    /// Numbers of jobs by state, for metrics.
    fn job_counts(&self) -> Result<JobCounts>;

    /// Results past their time whose files are still there, oldest first. Remove the files, then
    /// [`mark_swept`](Jobs::mark_swept): a crash in between only repeats the removal.
    fn expired_results(&self, rows_max: u32) -> Result<Vec<ExpiredResult>>;

    /// Notes that the files of a job were removed. Marking again changes nothing.
    fn mark_swept(&self, job: JobId) -> Result<()>;
}
