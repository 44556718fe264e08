//! Logs and metrics.

mod log;
mod metrics;
mod text;

pub use log::start as start_log;
pub use metrics::{Metrics, names};
pub use text::{escaped, short};
