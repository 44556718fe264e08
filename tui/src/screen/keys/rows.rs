//! Rows of keys.

use cleanplate_api::admin::{KeyRow, KeyState};

use crate::config::Role;
use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

fn state(key: &KeyRow) -> (&'static str, Role) {
    match key.state {
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

fn used(key: &KeyRow, now_ms: i64) -> String {
    key.last_used_at_ms
        .map_or("never".to_string(), |at| text::age(at, now_ms))
}

fn pipelines(key: &KeyRow) -> String {
    key.pipelines
        .as_ref()
        .map_or("all".to_string(), |names| names.join(" "))
}

type Col = Column<KeyRow>;

impl Row for KeyRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::whole("No", 4, |r| r.id).drop(2).dim(),
        Col::text("Name", 14, |r| r.name.clone()).grow(2),
        Col::text("Account", 12, |r| r.account_name.clone())
            .grow(1)
            .drop(3),
        Col::text("Key", 19, |r| r.hint.clone()).drop(4).dim(),
        Col::text("State", 7, |r| state(r).0.to_string()).role(|r| state(r).1),
        Col::shown("Used", 5, used, |r| {
            SortKey::whole(r.last_used_at_ms.unwrap_or(0))
        })
        .right()
        .drop(1),
        Col::shown(
            "Per min",
            9,
            |r, _| limits(r),
            |r| SortKey::whole(r.removals_per_minute.map_or(-1, i64::from)),
        )
        .right()
        .drop(5),
        Col::shown(
            "Expires",
            16,
            |r, _| r.expires_at_ms.map_or("never".to_string(), text::date),
            |r| SortKey::whole(r.expires_at_ms.unwrap_or(i64::MAX)),
        )
        .drop(6)
        .dim(),
        Col::shown(
            "Pipelines",
            10,
            |r, _| pipelines(r),
            |r| SortKey::whole(r.pipelines.as_ref().map_or(0, |names| names.len() as i64)),
        )
        .grow(1)
        .drop(7)
        .dim(),
        Col::date("Made", |r| r.created_at_ms).drop(8),
    ];
    fn id(&self) -> i64 {
        self.id
    }
}
