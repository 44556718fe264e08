//! Jobs: accepted and paid for in one transaction, claimed under an attempt number, ended once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::accounts::Balance;
use crate::error::Result;
use crate::idempotency::{Idempotency, Reply};
use crate::{AccountId, BatchId, Credits, JobId, KeyId, Page, PageRequest, UnixMs};

/// Error code of a job that its client or an administrator cancelled.
pub const CODE_CANCELLED: &str = "cancelled";
/// Error code of a synchronous job that was under way when the daemon died.
pub const CODE_INTERRUPTED: &str = "interrupted";
/// Error code of an asynchronous job under which the daemon died as often as attempts are allowed.
pub const CODE_ATTEMPTS: &str = "attempts_exhausted";
/// Error code of a job that was processed for longer than holds may last.
pub const CODE_TIMED_OUT: &str = "timed_out";

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

/// A job's place in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSlot {
    /// The batch.
    pub batch: BatchId,
    /// Position of the pair, from 0.
    pub index: u32,
}

/// A job to be accepted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its identifier, made by the caller so that files can be named before.
    pub id: JobId,
    /// Who pays.
    pub account: AccountId,
    /// The key that asked; `None` for work without one (watched folders). It must belong to the account.
    pub key: Option<KeyId>,
    /// Its place in a batch.
    pub batch: Option<BatchSlot>,
    /// What is asked for, such as `object-removal`; at most 64 characters.
    pub service: String,
    /// Name of the pipeline; at most 64 characters.
    pub pipeline: String,
    /// Whether the client does not wait. Such jobs run again after a crash, others fail.
    pub asynchronous: bool,
    /// Credits to hold, 0 or more.
    pub price: Credits,
    /// Name of the uploaded file, at most 255 characters.
    pub input_filename: Option<String>,
    /// Width of the uploaded image as displayed, pixels.
    pub original_width: u32,
    /// Height of the uploaded image as displayed, pixels.
    pub original_height: u32,
    /// Whatever the daemon needs to run the job (again): parameters, names of stored inputs. At most 64 KiB as JSON.
    pub request: Value,
    /// The wish to be done once.
    pub idempotency: Option<Idempotency>,
}

/// Bounds that accepting keeps.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Most pending jobs altogether.
    pub pending_max: u32,
    /// Most pending and processing jobs of one key (of one account where there is no key).
    pub in_flight_per_key_max: u32,
}

/// A file of a result, stored outside of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Name within the results folder, at most 255 characters.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Length in bytes, 1 or more.
    pub bytes: u64,
    /// Media type, such as `image/png`.
    pub media_type: String,
}

/// What a successful job leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct JobResult {
    /// The picture.
    pub output: StoredFile,
    /// The mask that was used.
    pub mask: Option<StoredFile>,
    /// Width of the picture, pixels.
    pub width: u32,
    /// Height of the picture, pixels.
    pub height: u32,
    /// Credits charged: 0 ..= the job's price.
    pub credits: Credits,
    /// Time from acceptance to result as told to the client, ms.
    pub processing_ms: f64,
    /// Time of each stage. At most 64 KiB as JSON, like the next three.
    pub timings: Value,
    /// Name and hash of each model used.
    pub models: Value,
    /// The device that did the work.
    pub device: Value,
    /// Remarks for the client.
    pub warnings: Value,
}

/// A result and its fate.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptResult {
    /// What the job left.
    pub result: JobResult,
    /// From when on its files may be removed.
    pub expires_at_ms: UnixMs,
    /// When they were removed; the download is then gone (410).
    pub swept_at_ms: Option<UnixMs>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code for programs, lower case with underscores; cut at 64 characters.
    pub code: String,
    /// One line for people; cut at 1,000 characters.
    pub detail: String,
}

impl Failure {
    /// A failure of this code.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into() }
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
    /// The worker of the last attempt.
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
            let mask = kept.result.mask.as_ref();
            kept.swept_at_ms.is_none() && (kept.result.output.name == name || mask.is_some_and(|mask| mask.name == name))
        })
    }
}

/// What became of a job to be accepted. Only `Accepted` changed anything.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Accept {
    /// Accepted, pending, its price held.
    Accepted {
        /// The job.
        job: Box<Job>,
        /// The account after the hold.
        balance: Balance,
    },
    /// The same request was answered before with this.
    Replay(Reply),
    /// The same request was completed before, its reply was not kept: it follows from the job.
    Done(Box<Job>),
    /// The same request is under way (409).
    InFlight(JobId),
    /// The idempotency key was used for another request (422).
    KeyReused,
    /// Not enough credits (402).
    InsufficientCredits {
        /// Credits available.
        available: Credits,
        /// Credits needed.
        price: Credits,
    },
    /// Too many pending jobs (429).
    QueueFull {
        /// The bound.
        pending_max: u32,
    },
    /// Too many jobs of this key in flight (429).
    TooManyInFlight {
        /// The bound.
        in_flight_max: u32,
    },
    /// The API key was revoked or expired since it was checked (401).
    KeyRefused,
}

/// What became of the end of a job.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Ended {
    /// This call ended the job.
    Now {
        /// The job, final.
        job: Box<Job>,
        /// The account after settling or releasing.
        balance: Balance,
    },
    /// Someone else has, or another attempt is running; nothing was changed. The caller drops its files.
    Stale {
        /// Where the job stands.
        status: JobStatus,
        /// Its attempt.
        attempt: u32,
    },
}

/// How a successful attempt ends.
#[derive(Debug, Clone)]
pub struct Completion {
    /// What it left; the files are on disk and forced to it.
    pub result: JobResult,
    /// How long the files are kept from now on, ms.
    pub keep_ms: i64,
    /// The reply to keep for the job's idempotency key, if it has one without reply.
    pub reply: Option<Reply>,
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
    /// Failed with this code.
    pub code: Option<String>,
    /// Accepted at this time or later.
    pub created_from_ms: Option<UnixMs>,
    /// Accepted before this time.
    pub created_before_ms: Option<UnixMs>,
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

/// A job whose files may be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredResult {
    /// The job.
    pub job: JobId,
    /// Names of its files within the results folder.
    pub files: Vec<String>,
}

/// Operations on jobs.
pub trait Jobs {
    /// Accepts a job in one transaction: idempotency row, hold, reserve entry, job row; or nothing at all.
    fn accept(&self, new: &NewJob, limits: &QueueLimits) -> Result<Accept>;

    /// Notes a job that failed before anything was held, such as a bad pair of a batch. Nothing is charged.
    fn record_failed(&self, new: &NewJob, failure: &Failure) -> Result<Job>;

    /// Takes the next pending job, in turn between keys, and gives it a new attempt. `worker` names the taker.
    fn claim(&self, worker: &str) -> Result<Option<Job>>;

    /// Takes this job if it is pending.
    fn claim_job(&self, job: JobId, worker: &str) -> Result<Option<Job>>;

    /// Ends a processing job well: charges it and returns the rest of the hold. Refused (stale) for another attempt.
    fn finish(&self, job: JobId, attempt: u32, completion: &Completion) -> Result<Ended>;

    /// Ends a processing job without success and returns its hold. With a `reply`, the idempotency key keeps it; without
    /// one the key is freed, so that the client may try again.
    fn fail(&self, job: JobId, attempt: u32, failure: &Failure, reply: Option<&Reply>) -> Result<Ended>;

    /// Ends a pending or processing job, of `account` if given, and returns its hold. A worker's later `finish` is stale.
    /// The usual code is [`CODE_CANCELLED`]; shutting down and full queues use their own.
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
