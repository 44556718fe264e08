//! Rows of the log.

use cleanplate_api::admin::{LogLevel, LogLine};

use crate::config::Role;
use crate::text;
use crate::widget::table::{Column, Row, SortKey};

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
pub fn log_text(line: &LogLine) -> String {
    let fields = line
        .fields
        .iter()
        .map(|(name, value)| format!(" {name}={value}"));
    std::iter::once(line.text.clone()).chain(fields).collect()
}

impl Row for LogLine {
    type Id = u64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "Time",
            width: 8,
            grow: 0,
            drop: 1,
            right: false,
            text: |r, _| text::clock(r.at_ms),
            key: |r| SortKey::Number(r.number as f64),
            role: |_| Role::Dim,
        },
        Column {
            title: "Level",
            width: 5,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| level(r.level).0.to_string(),
            key: |r| SortKey::whole(r.level as i64),
            role: |r| level(r.level).1,
        },
        Column {
            title: "From",
            width: 16,
            grow: 0,
            drop: 2,
            right: false,
            text: |r, _| r.target.clone(),
            key: |r| SortKey::text(&r.target),
            role: |_| Role::Dim,
        },
        Column {
            title: "Message",
            width: 30,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| log_text(r),
            key: |r| SortKey::text(&r.text),
            role: |r| {
                if r.level >= LogLevel::Warn {
                    level(r.level).1
                } else {
                    Role::Text
                }
            },
        },
    ];
    fn id(&self) -> u64 {
        self.number
    }
}
