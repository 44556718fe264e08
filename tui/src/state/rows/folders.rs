//! Rows of watched folders.

use cleanplate_api::FolderStatus;

use crate::config::Role;
use crate::widget::table::{Column, Row, SortKey};

fn folder_state(folder: &FolderStatus) -> String {
    folder
        .paused
        .as_ref()
        .map_or("watched".to_string(), |why| format!("paused: {why}"))
}

impl Row for FolderStatus {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "Name",
            width: 12,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| r.name.clone(),
            key: |r| SortKey::text(&r.name),
            role: |_| Role::Text,
        },
        Column {
            title: "State",
            width: 12,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| folder_state(r),
            key: |r| SortKey::text(&folder_state(r)),
            role: |r| {
                if r.paused.is_some() {
                    Role::Warn
                } else {
                    Role::Good
                }
            },
        },
        Column {
            title: "Settling",
            width: 8,
            grow: 0,
            drop: 3,
            right: true,
            text: |r, _| r.settling.to_string(),
            key: |r| SortKey::whole(r.settling as i64),
            role: |_| Role::Dim,
        },
        Column {
            title: "No mask",
            width: 7,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| r.waiting_for_mask.to_string(),
            key: |r| SortKey::whole(r.waiting_for_mask as i64),
            role: |r| {
                if r.waiting_for_mask > 0 {
                    Role::Warn
                } else {
                    Role::Dim
                }
            },
        },
        Column {
            title: "Ready",
            width: 6,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| r.ready.to_string(),
            key: |r| SortKey::whole(r.ready as i64),
            role: |_| Role::Text,
        },
        Column {
            title: "Working",
            width: 7,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, _| r.working.to_string(),
            key: |r| SortKey::whole(r.working as i64),
            role: |_| Role::Busy,
        },
        Column {
            title: "Done",
            width: 6,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| r.done.to_string(),
            key: |r| SortKey::whole(r.done as i64),
            role: |_| Role::Good,
        },
        Column {
            title: "Failed",
            width: 6,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| r.failed.to_string(),
            key: |r| SortKey::whole(r.failed as i64),
            role: |r| if r.failed > 0 { Role::Bad } else { Role::Dim },
        },
        Column {
            title: "Acct",
            width: 5,
            grow: 0,
            drop: 5,
            right: true,
            text: |r, _| r.account.map(|id| id.to_string()).unwrap_or_default(),
            key: |r| SortKey::whole(r.account.unwrap_or(0)),
            role: |_| Role::Dim,
        },
        Column {
            title: "Pipeline",
            width: 10,
            grow: 0,
            drop: 6,
            right: false,
            text: |r, _| r.pipeline.clone(),
            key: |r| SortKey::text(&r.pipeline),
            role: |_| Role::Dim,
        },
        Column {
            title: "Path",
            width: 20,
            grow: 2,
            drop: 4,
            right: false,
            text: |r, _| r.path.clone(),
            key: |r| SortKey::text(&r.path),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> String {
        self.name.clone()
    }
}
