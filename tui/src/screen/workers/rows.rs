//! Rows of processes.

use cleanplate_api::admin::WorkerRow;

use crate::config::Role;
use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

/// What stands for the device of a process that has none open.
pub const NO_DEVICE: &str = "none";

fn state(worker: &WorkerRow) -> (&'static str, Role) {
    match (worker.alive, worker.jobs.is_empty()) {
        (false, _) => ("silent", Role::Bad),
        (true, true) => ("idle", Role::Good),
        (true, false) => ("works", Role::Busy),
    }
}

type Col = Column<WorkerRow>;

impl Row for WorkerRow {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::text("Name", 12, |r| r.name.clone()).grow(1),
        Col::text("State", 6, |r| state(r).0.to_string()).role(|r| state(r).1),
        Col::shown(
            "Heard",
            8,
            |r, _| text::span_ms(r.silent_s * 1000.0),
            |r| SortKey::Number(r.silent_s),
        )
        .right()
        .role(|r| if r.alive { Role::Dim } else { Role::Bad }),
        Col::text("Role", 6, |r| r.role.clone()).drop(3),
        Col::whole("Jobs", 4, |r| r.jobs.len() as i64),
        Col::text("Under way", 8, |r| {
            let short: Vec<String> = r.jobs.iter().map(|id| text::short(id)).collect();
            short.join(" ")
        })
        .grow(2)
        .drop(2),
        Col::text("Device", 12, |r| {
            let device = r.device.as_deref();
            device.unwrap_or(NO_DEVICE).to_string()
        })
        .grow(2)
        .drop(1),
        Col::text("Version", 8, |r| r.version.clone()).drop(4).dim(),
        Col::date("Started", |r| r.started_at_ms).drop(5),
    ];
    fn id(&self) -> String {
        self.name.clone()
    }
}
