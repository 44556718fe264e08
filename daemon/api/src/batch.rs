//! Reply of the batch service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::{JobStatus, RemovalResult};

/// Reply of `POST /v1/services/object-removal/batch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchReply {
    /// The batch.
    pub batch_id: String,
    /// Pending until a pair was started, processing until all have ended; failed when none was done.
    pub status: JobStatus,
    /// Pairs given.
    pub total_files: u32,
    /// Pairs done.
    pub completed: u32,
    /// Pairs that failed; each says why.
    pub failed: u32,
    /// One result per pair, in order.
    pub results: Vec<RemovalResult>,
    /// Time for all, in milliseconds.
    pub total_processing_time_ms: f64,
    /// Credits charged for all.
    pub total_credits_used: i64,
    /// Why the batch as a whole failed.
    pub error: Option<String>,
}

/// Reply of a batch with `dry_run=true`: what it would cost. Nothing is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchQuoteReply {
    /// Always true.
    pub dry_run: bool,
    /// Pairs given.
    pub total_files: u32,
    /// Pairs that passed the checks; only these cost.
    pub valid: u32,
    /// Credits that the valid pairs cost.
    pub credits: i64,
    /// Credits the account could spend when asked.
    pub credits_available: i64,
    /// Whether they suffice for all valid pairs.
    pub sufficient: bool,
    /// What is wrong with each pair, in order; null for valid ones.
    pub errors: Vec<Option<String>>,
}
