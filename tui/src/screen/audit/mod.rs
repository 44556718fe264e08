//! What administrators did.

mod rows;

use cleanplate_api::admin::{AuditRow, ListActions, ListQuery};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Context;
use super::{Entry, POLL_ROWS_MAX, Screen, Shared, panel};
use crate::net::{Call, Change};
use crate::text;
use crate::widget::table::{List, Rest, Table};

/// Actions that are kept, the newest.
const ACTIONS_MAX: usize = 5_000;

pub(super) const ENTRY: Entry = Entry {
    name: "audit",
    what: "What administrators did",
    make: || Box::new(Audit::new()),
    actions: Vec::new,
    commands: &[],
};

/// What administrators did.
#[derive(Debug)]
pub struct Audit {
    table: Table<AuditRow>,
}

fn page(after: Option<String>) -> Call {
    let query = ListQuery {
        after,
        ..ListQuery::default()
    };
    Call::of::<ListActions>(&[], &query, &())
}

impl Audit {
    fn new() -> Audit {
        Audit {
            table: Table::new(ACTIONS_MAX, 0, true, Rest::First),
        }
    }
}

impl Screen for Audit {
    fn context(&self) -> Option<Context> {
        Some(Context("audit"))
    }

    fn act(&mut self, _: usize, _: &mut Shared) {}

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        self.table.refresh(now_ms, |_| true);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let nothing = "nobody did anything yet";
        panel::framed(&mut self.table, shared, buf, area, "audit", nothing);
    }

    fn open(&mut self, shared: &mut Shared) {
        let Some(action) = self.table.current() else {
            return;
        };
        let lines = [
            format!("when    {}", text::date(action.created_at_ms)),
            format!("who     {}", action.actor),
            format!("target  {}", action.target),
            String::new(),
        ];
        let detail = rows::lines(&action.detail);
        let title = format!("{} {}", action.id, action.action);
        shared.notice(title, lines.into_iter().chain(detail).collect());
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(|action| action.target.clone())
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

    fn older(&mut self) -> Option<Call> {
        let after = self.table.older.take()?;
        Some(page(Some(after)))
    }

    fn absorb(&mut self, change: &Change, _: &mut Shared) {
        if let Some((call, Json(found))) = change.reply::<ListActions>() {
            self.table.take_part(call.is_first_page(), found);
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListActions>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
