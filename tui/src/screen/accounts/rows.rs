//! Rows of accounts and of their ledgers.

use cleanplate_api::admin::{AccountRow, LedgerCause, LedgerRow};

use crate::config::Role;
use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

fn available_role(account: &AccountRow) -> Role {
    if account.available == 0 {
        Role::Bad
    } else {
        Role::Good
    }
}

type AccountCol = Column<AccountRow>;

impl Row for AccountRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        AccountCol::whole("No", 4, |r| r.id).drop(1).dim(),
        AccountCol::text("Name", 20, |r| r.name.clone()).grow(1),
        AccountCol::shown(
            "Available",
            13,
            |r, _| text::number(r.available),
            |r| SortKey::whole(r.available),
        )
        .right()
        .role(available_role),
        AccountCol::shown(
            "Held",
            9,
            |r, _| text::number(r.held),
            |r| SortKey::whole(r.held),
        )
        .right()
        .drop(2),
        AccountCol::date("Made", |r| r.created_at_ms).drop(3),
    ];
    fn id(&self) -> i64 {
        self.id
    }
}

fn cause(row: &LedgerRow) -> String {
    let cause = match &row.cause {
        LedgerCause::Job(id) => format!("job {}", text::short(id)),
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
    let sign = if change > 0 { "+" } else { "" };
    format!("{sign}{}", text::number(change))
}

fn change_role(row: &LedgerRow) -> Role {
    if row.available_change < 0 {
        Role::Warn
    } else {
        Role::Good
    }
}

type EntryCol = Column<LedgerRow>;

impl Row for LedgerRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        EntryCol::whole("No", 6, |r| r.id).drop(4).dim(),
        EntryCol::date("When", |r| r.created_at_ms).drop(1),
        EntryCol::text("Kind", 8, |r| r.kind.clone()),
        EntryCol::shown(
            "Available",
            10,
            |r, _| signed(r.available_change),
            |r| SortKey::whole(r.available_change),
        )
        .right()
        .role(change_role),
        EntryCol::shown(
            "Held",
            8,
            |r, _| signed(r.held_change),
            |r| SortKey::whole(r.held_change),
        )
        .right()
        .drop(2)
        .dim(),
        EntryCol::shown(
            "Balance",
            10,
            |r, _| text::number(r.available_after),
            |r| SortKey::whole(r.available_after),
        )
        .right(),
        EntryCol::text("Cause", 14, cause).grow(1).drop(3).dim(),
    ];
    fn id(&self) -> i64 {
        self.id
    }
}
