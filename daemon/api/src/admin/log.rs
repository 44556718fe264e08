//! Log lines.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Weight of a line. The order is that of severity: `Error` is greatest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For finding faults.
    Debug,
    /// What happens.
    Info,
    /// What may need a look.
    Warn,
    /// What went wrong.
    Error,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its number since the start of the daemon, from 1, rising by one.
    pub number: u64,
    /// When.
    pub at_ms: i64,
    /// Its weight.
    pub level: LogLevel,
    /// The part of the program.
    pub target: String,
    /// The message.
    pub text: String,
    /// Its fields, in order: name and value. Control characters are escaped.
    #[schema(value_type = Vec<Vec<String>>)]
    pub fields: Vec<(String, String)>,
}

/// Query of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Only lines of this level and above.
    pub level: Option<LogLevel>,
    /// Text to look for, without regard to case, at most 100 characters.
    pub text: Option<String>,
    /// Lines, 1 to 1000; 200 if not given.
    pub rows: Option<u32>,
}

/// Reply of `GET /log`: the newest lines that match, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogTail {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Number of the oldest line that is still kept; lines before it are in the daemon's own log only.
    pub oldest: u64,
}
