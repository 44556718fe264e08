//! The newest log lines, kept in memory for administrators.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use cleanplate_api::admin::{LogLevel, LogLine};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::{escaped, short};

use cleanplate_basics::lock;

const TEXT_CHARS_MAX: usize = 1_000;
const FIELD_CHARS_MAX: usize = 300;
const FIELDS_MAX: usize = 24;

struct Lines {
    newest: u64,
    lines: VecDeque<LogLine>,
}

/// The newest log lines.
pub struct Tail {
    lines_max: usize,
    lines: Mutex<Lines>,
}

impl Tail {
    /// Keeps up to `lines_max` lines.
    pub fn new(lines_max: usize) -> Arc<Tail> {
        Arc::new(Tail {
            lines_max,
            lines: Mutex::new(Lines {
                newest: 0,
                lines: VecDeque::new(),
            }),
        })
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        lock(&self.lines)
    }

    /// Number of the newest line.
    pub fn newest(&self) -> u64 {
        self.lines().newest
    }

    /// Lines after this number that are still there, oldest first.
    pub fn after(&self, number: u64) -> Vec<LogLine> {
        let lines = self.lines();
        let new = usize::try_from(lines.newest - number.min(lines.newest)).unwrap_or(usize::MAX);
        lines
            .lines
            .iter()
            .skip(lines.lines.len().saturating_sub(new))
            .cloned()
            .collect()
    }

    /// The newest `rows` lines of this weight and above that hold `text` in any case, oldest first; and the number of the
    /// oldest line there is.
    pub fn newest_of(&self, level: LogLevel, text: &str, rows: usize) -> (Vec<LogLine>, u64) {
        let text = text.to_lowercase();
        let holds = |line: &LogLine| {
            let fields = || {
                line.fields
                    .iter()
                    .any(|(name, value)| format!("{name}={value}").to_lowercase().contains(&text))
            };
            text.is_empty()
                || line.text.to_lowercase().contains(&text)
                || line.target.contains(&text)
                || fields()
        };
        let kept = self.lines();
        let mut found: Vec<LogLine> = kept
            .lines
            .iter()
            .rev()
            .filter(|line| line.level >= level && holds(line))
            .take(rows)
            .cloned()
            .collect();
        found.reverse();
        (
            found,
            kept.lines.front().map_or(kept.newest, |line| line.number),
        )
    }

    fn push(&self, mut line: LogLine) {
        let mut kept = self.lines();
        kept.newest += 1;
        line.number = kept.newest;
        if kept.lines.len() == self.lines_max {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
    }
}

#[derive(Default)]
struct Fields {
    text: String,
    fields: Vec<(String, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut shown = String::new();
        // Writing to a string cannot fail.
        let _ = write!(shown, "{value:?}");
        self.note(field.name(), &shown);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field.name(), value);
    }
}

impl Fields {
    fn note(&mut self, name: &str, value: &str) {
        if name == "message" {
            self.text = escaped(&short(value, TEXT_CHARS_MAX));
        } else if self.fields.len() < FIELDS_MAX {
            self.fields
                .push((name.to_string(), escaped(&short(value, FIELD_CHARS_MAX))));
        }
    }
}

/// Puts lines into a [`Tail`].
pub struct TailLayer(pub Arc<Tail>);

impl<S: Subscriber> Layer<S> for TailLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            Level::TRACE => LogLevel::Trace,
            Level::DEBUG => LogLevel::Debug,
            Level::INFO => LogLevel::Info,
            Level::WARN => LogLevel::Warn,
            Level::ERROR => LogLevel::Error,
        };
        let target = event.metadata().target().to_string();
        self.0.push(LogLine {
            number: 0,
            at_ms: crate::clock::now_ms(),
            level,
            target,
            text: fields.text,
            fields: fields.fields,
        });
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn lines_are_kept_escaped_and_bounded() {
        let tail = Tail::new(3);
        let subscriber = tracing_subscriber::registry().with(TailLayer(tail.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("first");
            tracing::info!(name = "a\x1b[31m", count = 3, "second");
            tracing::warn!("third");
            tracing::error!("fourth \r\n");
        });
        let (lines, oldest) = tail.newest_of(LogLevel::Trace, "", 10);
        assert_eq!((oldest, lines.len(), tail.newest()), (2, 3, 4));
        assert_eq!(
            lines[0].fields,
            [
                ("name".to_string(), "a\\u{1b}[31m".to_string()),
                ("count".to_string(), "3".to_string())
            ]
        );
        assert_eq!(lines[2].text, "fourth \\u{d}\\u{a}");
        let texts =
            |lines: Vec<LogLine>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(
            texts(tail.newest_of(LogLevel::Warn, "", 1).0),
            ["fourth \\u{d}\\u{a}"]
        );
        assert_eq!(
            texts(tail.newest_of(LogLevel::Info, "COUNT=3", 9).0),
            ["second"]
        );
        assert_eq!(texts(tail.after(3)), ["fourth \\u{d}\\u{a}"]);
        assert_eq!(tail.after(0).len(), 3);
        assert_eq!(tail.after(99).len(), 0);
    }
}
