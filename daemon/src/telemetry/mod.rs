//! Logs and metrics.

mod log;
mod metrics;
mod tail;
mod text;

pub use log::start as start_log;
pub use metrics::{Metrics, names};
pub use tail::Tail;
pub use text::{escaped, escaped_lines, short};
