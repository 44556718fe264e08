//! Logs and metrics.

mod log;
mod metrics;
mod once_per_minute;
mod tail;
mod text;

pub use log::{set_level, start as start_log};
pub use metrics::{Metrics, names};
pub use once_per_minute::{tell_files_away, tell_full, tell_store_error};
pub use tail::Tail;
pub use text::{escaped, escaped_lines, short};
