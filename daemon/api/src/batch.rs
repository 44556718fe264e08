//! Reply of the batch service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::{JobStatus, RemovalResult};

/// Reply of `POST /v1/services/object-removal/batch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchReply {
    /// The batch.
    pub batch_id: String,
    /// Its state.
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
