//! Processes that share the store.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerRow {
    /// Its name.
    pub name: String,
    /// `all`, `api` or `worker`.
    pub role: String,
    /// The device it computes on, once it has one open.
    pub device: Option<String>,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at_ms: i64,
    /// Seconds since its last sign of life.
    pub silent_s: f64,
    /// Whether it counts as alive: what others have under way goes back into the queue.
    pub alive: bool,
    /// Jobs that it has under way.
    pub jobs: Vec<String>,
    /// Whether it is the one that answers.
    pub answers: bool,
}

/// Reply of `GET /workers`: every process that was there in the last days and did not end by itself, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkersReply {
    /// The processes.
    pub workers: Vec<WorkerRow>,
}
