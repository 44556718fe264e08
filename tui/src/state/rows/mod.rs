//! What tables show of each kind of row. All of it is text from outside and is made safe where it is drawn.

mod accounts;
mod folders;
mod jobs;
mod keys;
mod log;
mod models;

pub use self::jobs::{job_span_ms, status, status_role};
pub use self::log::{level, log_text};
pub use self::models::model_task;

/// The first characters of an id: enough to tell jobs apart by eye.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}
