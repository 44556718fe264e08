//! API keys.

mod forms;
mod rows;

use cleanplate_api::admin::{
    ChangeKey, CreateKey, DeleteKey, KeyRow, KeysQuery, ListKeys, RevokeKey,
};
use cleanplate_api::endpoint::{Endpoint, Json, NoQuery};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::{Act, Context};
use super::overlay::{Overlay, Secret};
use super::{Entry, POLL_ROWS_MAX, ROWS_MAX, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::text;
use crate::widget::table::{List, Rest, Table};

const KEYS: Context = Context("keys");

pub(super) const ENTRY: Entry = Entry {
    name: "keys",
    what: "Keys",
    make: || Box::new(Keys::new()),
    actions: || Act::rows(ACTS),
    commands: &[],
};

const ACTS: &[Act<Keys>] = &[
    Act::change(KEYS, "create", "Make a key", |keys, shared| {
        forms::create(keys.table.current(), shared)
    }),
    Act::change(
        KEYS,
        "change",
        "Rename, limits, pipelines, expiry",
        |keys, shared| {
            if let Some(key) = keys.table.current() {
                forms::change(key, shared);
            }
        },
    ),
    Act::change(
        KEYS,
        "revoke",
        "Revoke the key or the marked ones",
        |keys, shared| {
            let note = "Clients that use them are refused at once; result addresses die too.";
            keys.ask::<RevokeKey>("Revoke", note, shared);
        },
    ),
    Act::change(
        KEYS,
        "delete",
        "Delete the key or the marked ones",
        |keys, shared| {
            let note = "They are revoked and leave all lists. This cannot be undone.";
            keys.ask::<DeleteKey>("Delete", note, shared);
        },
    ),
];

/// API keys.
#[derive(Debug)]
pub struct Keys {
    /// All that are kept.
    pub table: Table<KeyRow>,
}

impl Keys {
    fn new() -> Keys {
        Keys {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
        }
    }

    /// Asks whether something is to be done with the chosen keys.
    fn ask<E>(&mut self, verb: &str, note: &str, shared: &mut Shared)
    where
        E: Endpoint<Query = NoQuery, Body = (), Reply = Json<KeyRow>>,
    {
        let chosen = self.table.chosen();
        if chosen.is_empty() {
            return;
        }
        let names = chosen
            .iter()
            .map(|key| format!("{}  {}", key.name, key.hint));
        let calls = chosen
            .iter()
            .map(|key| Call::plain::<E>(&[&key.id.to_string()]));
        let question = Overlay::question(verb, "key", names.collect(), note, calls.collect());
        shared.overlay = Some(question);
    }

    /// A key was changed as asked.
    fn changed(&mut self, done: &str, key: &KeyRow, shared: &mut Shared) {
        shared.toast(Role::Good, format!("{done} the key {}", key.name));
        self.table.put(key.clone());
    }
}

fn page(after: Option<String>) -> Call {
    let query = KeysQuery {
        after,
        ..KeysQuery::default()
    };
    Call::of::<ListKeys>(&[], &query, &())
}

/// Everything about a key.
fn particulars(key: &KeyRow) -> Vec<String> {
    let date = |at: Option<i64>| at.map_or("never".to_string(), text::date);
    let limit = |limit: Option<u32>| {
        limit.map_or("as configured".to_string(), |limit| {
            format!("{limit} a minute")
        })
    };
    let pipelines = key.pipelines.as_ref();
    let pipelines = pipelines.map_or("all".to_string(), |names| names.join(", "));
    vec![
        format!("key        {}", key.hint),
        format!("account    {} {}", key.account_id, key.account_name),
        format!("removals   {}", limit(key.removals_per_minute)),
        format!("batches    {}", limit(key.batches_per_minute)),
        format!("pipelines  {pipelines}"),
        format!("made       {}", text::date(key.created_at_ms)),
        format!("last used  {}", date(key.last_used_at_ms)),
        format!("expires    {}", date(key.expires_at_ms)),
        format!("revoked    {}", date(key.revoked_at_ms)),
    ]
}

impl Screen for Keys {
    fn context(&self) -> Option<Context> {
        Some(KEYS)
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        self.table.refresh(now_ms, |_| true);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        panel::framed(&mut self.table, shared, buf, area, "keys", "no keys yet");
    }

    fn open(&mut self, shared: &mut Shared) {
        if let Some(key) = self.table.current() {
            shared.notice(key.name.clone(), particulars(key));
        }
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(|key| key.hint.clone())
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        vec![page(None)]
    }

    fn poll(&mut self) -> Vec<Call> {
        if self.table.counts().2 <= POLL_ROWS_MAX {
            self.calls()
        } else {
            Vec::new()
        }
    }

    fn absorb(&mut self, change: &Change, shared: &mut Shared) {
        if let Some((call, Json(found))) = change.reply::<ListKeys>() {
            self.table.take_page(call.is_first_page(), found);
            found
                .next
                .clone()
                .into_iter()
                .for_each(|next| shared.call(page(Some(next))));
        }
        if let Some((_, Json(created))) = change.reply::<CreateKey>() {
            shared.overlay = Some(Overlay::Secret {
                name: created.key.name.clone(),
                secret: Secret::new(created.secret.clone()),
                copied: false,
            });
            self.table.put(created.key.clone());
        }
        if let Some((_, Json(key))) = change.reply::<RevokeKey>() {
            self.changed("revoked", key, shared);
        }
        if let Some((_, Json(key))) = change.reply::<ChangeKey>() {
            self.changed("changed", key, shared);
        }
        if let Some((_, Json(key))) = change.reply::<DeleteKey>() {
            shared.toast(Role::Good, format!("deleted the key {}", key.name));
            self.table.remove(&key.id);
        }
        match change {
            Change::Key(_, Some(key)) => self.table.put((**key).clone()),
            Change::Key(id, None) => self.table.remove(id),
            _ => {}
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListKeys>() {
            self.table.abandon_snapshot();
        }
        false
    }

    fn ages(&self, now_ms: i64) -> bool {
        self.table.shown().any(|key| {
            let newest = key.last_used_at_ms.unwrap_or(0).max(key.created_at_ms);
            super::is_young(newest, now_ms)
        })
    }
}
