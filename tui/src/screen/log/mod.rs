//! The log.

mod rows;

use cleanplate_api::admin::{GetLog, LogLevel, LogLine, LogQuery};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::rows::{level, text};
use super::action::{Act, Context};
use super::{Entry, Screen, Shared, panel};
use crate::net::{Call, Change};
use crate::widget::table::{List, Rest, Table};

/// Log lines that are kept.
const LINES_MAX: usize = 2_000;
/// Log lines that are asked for.
const LINES_ASKED: u32 = 1_000;

const LOG: Context = Context("log");

pub(super) const ENTRY: Entry = Entry {
    name: "log",
    what: "Log",
    make: || Box::new(Log::new()),
    actions: || Act::rows(ACTS),
    commands: &[],
};

const ACTS: &[Act<Log>] = &[Act::view(
    LOG,
    "next-level",
    "Only lines of the next level and above",
    |log, _| log.next_level(),
)];

/// The log.
#[derive(Debug)]
pub struct Log {
    table: Table<LogLine>,
    /// Only lines of this level and above.
    level: LogLevel,
}

impl Log {
    fn new() -> Log {
        Log {
            table: Table::new(LINES_MAX, 0, false, Rest::Last),
            level: LogLevel::Info,
        }
    }

    fn next_level(&mut self) {
        self.level = match self.level {
            LogLevel::Trace | LogLevel::Debug | LogLevel::Error => LogLevel::Info,
            LogLevel::Info => LogLevel::Warn,
            LogLevel::Warn => LogLevel::Error,
        };
        self.table.outdate();
    }
}

impl Screen for Log {
    fn context(&self) -> Option<Context> {
        Some(LOG)
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        let level = self.level;
        self.table.refresh(now_ms, |line| line.level >= level);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let title = format!("log · {} and above", level(self.level).0);
        panel::framed(&mut self.table, shared, buf, area, &title, "no lines");
    }

    fn open(&mut self, shared: &mut Shared) {
        let Some(line) = self.table.current() else {
            return;
        };
        let fields = line
            .fields
            .iter()
            .map(|(name, value)| format!("{name} = {value}"));
        let lines = [line.text.clone(), String::new()].into_iter().chain(fields);
        let at = crate::text::clock(line.at_ms);
        let title = format!("{at} {} {}", level(line.level).0, line.target);
        shared.notice(title, lines.collect());
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(text)
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        let query = LogQuery {
            rows: Some(LINES_ASKED),
            ..LogQuery::default()
        };
        vec![Call::of::<GetLog>(&[], &query, &())]
    }

    fn absorb(&mut self, change: &Change, _: &mut Shared) {
        if let Some((_, Json(tail))) = change.reply::<GetLog>() {
            self.table.snapshot(tail.lines.clone(), false);
        }
        if let Change::Log(lines) = change {
            lines.iter().for_each(|line| self.table.put(line.clone()));
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<GetLog>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
