//! Rows of watched folders.

use cleanplate_api::FolderStatus;

use crate::config::Role;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

fn state(folder: &FolderStatus) -> String {
    folder
        .paused
        .as_ref()
        .map_or("watched".to_string(), |why| format!("paused: {why}"))
}

fn state_role(folder: &FolderStatus) -> Role {
    if folder.paused.is_some() {
        Role::Warn
    } else {
        Role::Good
    }
}

/// The style of a count that should be 0.
fn unless_none(count: u64, role: Role) -> Role {
    if count > 0 { role } else { Role::Dim }
}

type Col = Column<FolderStatus>;

impl Row for FolderStatus {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::text("Name", 12, |r| r.name.clone()).grow(1),
        Col::text("State", 12, state).grow(1).role(state_role),
        Col::whole("Settling", 8, |r| r.settling as i64)
            .drop(3)
            .dim(),
        Col::whole("No mask", 7, |r| r.waiting_for_mask as i64)
            .drop(2)
            .role(|r| unless_none(r.waiting_for_mask, Role::Warn)),
        Col::whole("Ready", 6, |r| r.ready as i64).drop(2),
        Col::whole("Working", 7, |r| r.working as i64)
            .drop(1)
            .role(|_| Role::Busy),
        Col::whole("Done", 6, |r| r.done as i64).role(|_| Role::Good),
        Col::whole("Failed", 6, |r| r.failed as i64).role(|r| unless_none(r.failed, Role::Bad)),
        Col::whole("/min", 5, |r| r.ended_last_minute as i64)
            .drop(3)
            .dim(),
        Col::shown(
            "Acct",
            5,
            |r, _| r.account.map(|id| id.to_string()).unwrap_or_default(),
            |r| SortKey::whole(r.account.unwrap_or(0)),
        )
        .right()
        .drop(5)
        .dim(),
        Col::text("Pipeline", 10, |r| r.pipeline.clone())
            .drop(6)
            .dim(),
        Col::text("Path", 20, |r| r.path.clone())
            .grow(2)
            .drop(4)
            .dim(),
    ];
    fn id(&self) -> String {
        self.name.clone()
    }
}
