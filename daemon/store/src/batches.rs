//! Batches: jobs of one request. Each pair is a job of its own, accepted one by one.

use crate::error::Result;
use crate::idempotency::{Idempotency, Reply};
use crate::jobs::Job;
use crate::{AccountId, BatchId, KeyId, UnixMs};

/// Most pairs of a batch that the store takes.
pub const BATCH_PAIRS_MAX: u32 = 1_000;

/// A batch to be started.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// Its identifier.
    pub id: BatchId,
    /// Who pays.
    pub account: AccountId,
    /// The key that asked; it must belong to the account.
    pub key: Option<KeyId>,
    /// Number of pairs, 1 ..= [`BATCH_PAIRS_MAX`].
    pub pairs: u32,
    /// Whether the client does not wait.
    pub asynchronous: bool,
    /// Name of the process that answers it, 1 to 100 characters.
    pub origin: String,
    /// The wish to be done once.
    pub idempotency: Option<Idempotency>,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its identifier.
    pub id: BatchId,
    /// Who pays.
    pub account: AccountId,
    /// The key that asked.
    pub key: Option<KeyId>,
    /// Number of pairs.
    pub pairs: u32,
    /// Whether the client does not wait.
    pub asynchronous: bool,
    /// When it was started.
    pub created_at_ms: UnixMs,
    /// When its request was answered: all pairs had ended or, if asynchronous, been accepted.
    pub answered_at_ms: Option<UnixMs>,
    /// Whether its request was cut short and not repeated since.
    pub interrupted: bool,
}

/// What became of a batch to be started. Only `Started` and `Resumed` changed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum BatchStart {
    /// Started.
    Started(Batch),
    /// The same request was cut short: go on with this batch. Slots whose job has not failed are not accepted again.
    Resumed(Batch),
    /// The same request was answered before with this.
    Replay(Reply),
    /// The same request was answered before, its reply was not kept: it follows from the jobs.
    Done(Batch),
    /// The same request is under way (409).
    InFlight(BatchId),
    /// The idempotency key was used for another request (422).
    KeyReused,
    /// The API key was revoked or expired since it was checked (401).
    KeyRefused,
}

/// Operations on batches.
pub trait Batches {
    /// Starts a batch; its jobs are accepted with [`crate::Jobs::accept`] and [`crate::jobs::NewJob::batch`].
    fn start_batch(&self, new: &NewBatch) -> Result<BatchStart>;

    /// Notes that the request of a batch was answered (200 with all pairs ended, 202 with all accepted) and keeps the
    /// reply for its idempotency key. Whether the batch is complete always follows from its jobs.
    fn answer_batch(&self, batch: BatchId, reply: Option<&Reply>) -> Result<()>;

    /// Notes that an unanswered request was cut short (the client went away in the middle), so that repeating it
    /// resumes the batch. Start-up recovery does the same for all that its process left unanswered; those of a process whose
    /// last [report](crate::Leases::report_worker) is over count as cut short too.
    fn interrupt_batch(&self, batch: BatchId) -> Result<()>;

    /// Forgets a batch without jobs, and its idempotency key (no credit for the first pair). `false` when it has jobs.
    fn discard_batch(&self, batch: BatchId) -> Result<bool>;

    /// One batch, of `account` if given: another account's batch does not exist.
    fn batch(&self, account: Option<AccountId>, batch: BatchId) -> Result<Option<Batch>>;

    /// The jobs of a batch in order of their slots; the newest one where a slot was tried again.
    fn batch_jobs(&self, batch: BatchId) -> Result<Vec<Job>>;
}
