//! Rows of the log.

use cleanplate_api::admin::{LogLevel, LogLine};

use crate::config::Role;
use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

/// Name and style of a level.
pub fn level(level: LogLevel) -> (&'static str, Role) {
    match level {
        LogLevel::Trace => ("trace", Role::Dim),
        LogLevel::Debug => ("debug", Role::Dim),
        LogLevel::Info => ("info", Role::Text),
        LogLevel::Warn => ("warn", Role::Warn),
        LogLevel::Error => ("error", Role::Bad),
    }
}

/// A log line with its fields.
pub fn text(line: &LogLine) -> String {
    let fields = line
        .fields
        .iter()
        .map(|(name, value)| format!(" {name}={value}"));
    std::iter::once(line.text.clone()).chain(fields).collect()
}

fn message_role(line: &LogLine) -> Role {
    if line.level >= LogLevel::Warn {
        level(line.level).1
    } else {
        Role::Text
    }
}

type Col = Column<LogLine>;

impl Row for LogLine {
    type Id = u64;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::shown(
            "Time",
            8,
            |r, _| text::clock(r.at_ms),
            |r| SortKey::Number(r.number as f64),
        )
        .drop(1)
        .dim(),
        Col::shown(
            "Level",
            5,
            |r, _| level(r.level).0.to_string(),
            |r| SortKey::whole(r.level as i64),
        )
        .role(|r| level(r.level).1),
        Col::text("From", 16, |r| r.target.clone()).drop(2).dim(),
        Col::shown("Message", 30, |r, _| text(r), |r| SortKey::text(&r.text))
            .grow(1)
            .role(message_role),
    ];
    fn id(&self) -> u64 {
        self.number
    }
}
