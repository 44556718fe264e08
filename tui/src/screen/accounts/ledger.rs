//! The ledger of one account.

use cleanplate_api::admin::{AccountRow, LedgerRow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::Role;
use crate::screen::{Shared, panel};
use crate::text;
use crate::widget::dialog;
use crate::widget::ink::put;
use crate::widget::table::{Rest, Table};

/// Entries that are kept.
const ENTRIES_MAX: usize = 5_000;

/// A ledger that is open.
#[derive(Debug)]
pub struct Ledger {
    /// Whose.
    pub account: i64,
    /// The entries.
    pub table: Table<LedgerRow>,
}

impl Ledger {
    /// Opens the ledger of an account.
    pub fn new(account: i64) -> Ledger {
        Ledger {
            account,
            table: Table::new(ENTRIES_MAX, 0, true, Rest::First),
        }
    }

    /// Draws the balance and the entries.
    pub fn draw(
        &mut self,
        account: Option<&AccountRow>,
        shared: &mut Shared,
        buf: &mut Buffer,
        area: Rect,
    ) {
        let title = format!("ledger of {}", shared.account_name(self.account));
        let inner = dialog::panel(buf, area, &shared.theme, &title);
        let balance = account.map_or(String::new(), |row| {
            let (available, held) = (text::number(row.available), text::number(row.held));
            format!("{available} credits available, {held} held")
        });
        let balance = text::fit(&balance, usize::from(inner.width.saturating_sub(2)));
        let style = shared.theme.style(Role::Good);
        put(buf, inner.x + 1, inner.y, balance, style);
        let rest = Rect {
            y: inner.y + 1,
            height: inner.height.saturating_sub(1),
            ..inner
        };
        let says = panel::says(&self.table, "no entries yet");
        panel::rows_of(&mut self.table, shared, buf, rest, says);
    }
}
