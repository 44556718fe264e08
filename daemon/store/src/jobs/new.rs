//! What a job starts and ends with, as the caller says it.

use serde_json::Value;

use super::JobResult;
use crate::idempotency::{Idempotency, IdempotencyKey, IdempotencyScope, Reply};
use crate::{AccountId, BatchId, Credits, JobId, KeyId};

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
    /// Whether the client does not wait. Such jobs run again after a crash of the process that accepted them, others fail.
    pub asynchronous: bool,
    /// Name of the process that accepts it, 1 to 100 characters.
    pub origin: String,
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

/// What is known of a job to come before its pictures are there.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// Who would pay.
    pub account: AccountId,
    /// The key that asks; `None` for work without one.
    pub key: Option<KeyId>,
    /// Credits to hold.
    pub price: Credits,
    /// The idempotency key of the request.
    pub idempotency: Option<(IdempotencyScope, IdempotencyKey)>,
}

/// Bounds that accepting keeps.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Most pending jobs altogether.
    pub pending_max: u32,
    /// Most pending and processing jobs of one key (of one account where there is no key).
    pub in_flight_per_key_max: u32,
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
