//! Processes that share the store.

mod rows;

use cleanplate_api::admin::{ListWorkers, WorkerRow};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Context;
use super::{Entry, ROWS_MAX, Screen, Shared, panel};
use crate::net::{Call, Change};
use crate::text;
use crate::widget::table::{List, Rest, Table};

pub(super) const ENTRY: Entry = Entry {
    name: "workers",
    what: "Processes that share the database",
    make: || Box::new(Workers::new()),
    actions: Vec::new,
    commands: &[],
};

/// Processes that share the store.
#[derive(Debug)]
pub struct Workers {
    table: Table<WorkerRow>,
}

impl Workers {
    fn new() -> Workers {
        Workers {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
        }
    }
}

/// Everything about a process.
fn particulars(worker: &WorkerRow) -> Vec<String> {
    let answers = if worker.answers {
        " (the one that answers here)"
    } else {
        ""
    };
    let mut lines = vec![
        format!("role     {}{answers}", worker.role),
        format!(
            "device   {}",
            worker.device.as_deref().unwrap_or(rows::NO_DEVICE)
        ),
        format!("version  {}", worker.version),
        format!("started  {}", text::date(worker.started_at_ms)),
        format!("heard    {} ago", text::span_ms(worker.silent_s * 1000.0)),
    ];
    if !worker.alive {
        lines.push("silent   for longer than a lease: others take its jobs".to_string());
    }
    lines.extend(worker.jobs.iter().map(|job| format!("job      {job}")));
    lines
}

impl Screen for Workers {
    fn context(&self) -> Option<Context> {
        Some(Context("workers"))
    }

    fn act(&mut self, _: usize, _: &mut Shared) {}

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        self.table.refresh(now_ms, |_| true);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let nothing = "no process has reported itself";
        panel::framed(&mut self.table, shared, buf, area, "workers", nothing);
    }

    fn open(&mut self, shared: &mut Shared) {
        if let Some(worker) = self.table.current() {
            shared.notice(worker.name.clone(), particulars(worker));
        }
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(|worker| worker.name.clone())
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        vec![Call::plain::<ListWorkers>(&[])]
    }

    fn poll(&mut self) -> Vec<Call> {
        self.calls()
    }

    fn absorb(&mut self, change: &Change, _: &mut Shared) {
        if let Some((_, Json(reply))) = change.reply::<ListWorkers>() {
            self.table.snapshot(reply.workers.clone(), true);
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListWorkers>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
