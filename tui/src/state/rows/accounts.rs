//! Rows of accounts and of their ledgers.

use cleanplate_api::admin::{AccountRow, LedgerCause, LedgerRow};

use super::short;
use crate::config::Role;
use crate::text;
use crate::widget::table::{Column, Row, SortKey};

impl Row for AccountRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "No",
            width: 4,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, _| r.id.to_string(),
            key: |r| SortKey::whole(r.id),
            role: |_| Role::Dim,
        },
        Column {
            title: "Name",
            width: 20,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| r.name.clone(),
            key: |r| SortKey::text(&r.name),
            role: |_| Role::Text,
        },
        Column {
            title: "Available",
            width: 13,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| text::number(r.available),
            key: |r| SortKey::whole(r.available),
            role: |r| {
                if r.available == 0 {
                    Role::Bad
                } else {
                    Role::Good
                }
            },
        },
        Column {
            title: "Held",
            width: 9,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| text::number(r.held),
            key: |r| SortKey::whole(r.held),
            role: |_| Role::Text,
        },
        Column {
            title: "Made",
            width: 16,
            grow: 0,
            drop: 3,
            right: false,
            text: |r, _| text::date(r.created_at_ms),
            key: |r| SortKey::whole(r.created_at_ms),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> i64 {
        self.id
    }
}

fn cause(row: &LedgerRow) -> String {
    let cause = match &row.cause {
        LedgerCause::Job(id) => format!("job {}", short(id)),
        LedgerCause::Audit(number) => format!("action {number}"),
    };
    [Some(cause), row.actor.clone(), row.note.clone()]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}

fn signed(change: i64) -> String {
    if change > 0 {
        format!("+{}", text::number(change))
    } else {
        text::number(change)
    }
}

impl Row for LedgerRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "No",
            width: 6,
            grow: 0,
            drop: 4,
            right: true,
            text: |r, _| r.id.to_string(),
            key: |r| SortKey::whole(r.id),
            role: |_| Role::Dim,
        },
        Column {
            title: "When",
            width: 16,
            grow: 0,
            drop: 1,
            right: false,
            text: |r, _| text::date(r.created_at_ms),
            key: |r| SortKey::whole(r.created_at_ms),
            role: |_| Role::Dim,
        },
        Column {
            title: "Kind",
            width: 8,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| r.kind.clone(),
            key: |r| SortKey::text(&r.kind),
            role: |_| Role::Text,
        },
        Column {
            title: "Available",
            width: 10,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| signed(r.available_change),
            key: |r| SortKey::whole(r.available_change),
            role: |r| {
                if r.available_change < 0 {
                    Role::Warn
                } else {
                    Role::Good
                }
            },
        },
        Column {
            title: "Held",
            width: 8,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| signed(r.held_change),
            key: |r| SortKey::whole(r.held_change),
            role: |_| Role::Dim,
        },
        Column {
            title: "Balance",
            width: 10,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| text::number(r.available_after),
            key: |r| SortKey::whole(r.available_after),
            role: |_| Role::Text,
        },
        Column {
            title: "Cause",
            width: 14,
            grow: 1,
            drop: 3,
            right: false,
            text: |r, _| cause(r),
            key: |r| SortKey::text(&cause(r)),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> i64 {
        self.id
    }
}
