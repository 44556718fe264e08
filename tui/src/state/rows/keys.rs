//! Rows of keys.

use cleanplate_api::admin::{KeyRow, KeyState};

use crate::config::Role;
use crate::text;
use crate::widget::table::{Column, Row, SortKey};

fn key_state(state: KeyState) -> (&'static str, Role) {
    match state {
        KeyState::Active => ("active", Role::Good),
        KeyState::Revoked => ("revoked", Role::Bad),
        KeyState::Expired => ("expired", Role::Warn),
    }
}

fn limits(key: &KeyRow) -> String {
    let one = |limit: Option<u32>| limit.map_or("–".to_string(), |limit| limit.to_string());
    format!(
        "{}/{}",
        one(key.removals_per_minute),
        one(key.batches_per_minute)
    )
}

impl Row for KeyRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "No",
            width: 4,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| r.id.to_string(),
            key: |r| SortKey::whole(r.id),
            role: |_| Role::Dim,
        },
        Column {
            title: "Name",
            width: 14,
            grow: 2,
            drop: 0,
            right: false,
            text: |r, _| r.name.clone(),
            key: |r| SortKey::text(&r.name),
            role: |_| Role::Text,
        },
        Column {
            title: "Account",
            width: 12,
            grow: 1,
            drop: 3,
            right: false,
            text: |r, _| r.account_name.clone(),
            key: |r| SortKey::text(&r.account_name),
            role: |_| Role::Text,
        },
        Column {
            title: "Key",
            width: 19,
            grow: 0,
            drop: 4,
            right: false,
            text: |r, _| r.hint.clone(),
            key: |r| SortKey::text(&r.hint),
            role: |_| Role::Dim,
        },
        Column {
            title: "State",
            width: 7,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| key_state(r.state).0.to_string(),
            key: |r| SortKey::text(key_state(r.state).0),
            role: |r| key_state(r.state).1,
        },
        Column {
            title: "Used",
            width: 5,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, now| {
                r.last_used_at_ms
                    .map_or("never".to_string(), |at| text::age(at, now))
            },
            key: |r| SortKey::whole(r.last_used_at_ms.unwrap_or(0)),
            role: |_| Role::Text,
        },
        Column {
            title: "Per min",
            width: 9,
            grow: 0,
            drop: 5,
            right: true,
            text: |r, _| limits(r),
            key: |r| SortKey::whole(r.removals_per_minute.map_or(-1, i64::from)),
            role: |_| Role::Text,
        },
        Column {
            title: "Expires",
            width: 16,
            grow: 0,
            drop: 6,
            right: false,
            text: |r, _| r.expires_at_ms.map_or("never".to_string(), text::date),
            key: |r| SortKey::whole(r.expires_at_ms.unwrap_or(i64::MAX)),
            role: |_| Role::Dim,
        },
        Column {
            title: "Pipelines",
            width: 10,
            grow: 1,
            drop: 7,
            right: false,
            text: |r, _| {
                r.pipelines
                    .as_ref()
                    .map_or("all".to_string(), |names| names.join(" "))
            },
            key: |r| SortKey::whole(r.pipelines.as_ref().map_or(0, |names| names.len() as i64)),
            role: |_| Role::Dim,
        },
        Column {
            title: "Made",
            width: 16,
            grow: 0,
            drop: 8,
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
