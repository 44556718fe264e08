//! Accounts, and the ledger of one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::Role;
use crate::state::{Hit, State};
use crate::text;
use crate::widget::ink::put;
use crate::widget::{dialog, table_view};

/// Draws the accounts, or the ledger that is open.
pub fn draw(state: &mut State, buf: &mut Buffer, area: Rect) {
    let (theme, now_ms) = (state.theme.clone(), state.now_ms);
    let rows = |inner: Rect| Rect {
        y: inner.y + 1,
        height: inner.height.saturating_sub(1),
        ..inner
    };
    let Some(ledger) = &state.ledger else {
        let inner = dialog::panel(buf, area, &theme, "accounts");
        let says = if state.accounts.loaded {
            "no accounts yet"
        } else {
            "asking the daemon …"
        };
        table_view::draw(&mut state.accounts, buf, inner, &theme, now_ms, says);
        state.hits.push((rows(inner), Hit::Rows));
        return;
    };
    let account = state.accounts.get(&ledger.account).cloned();
    let title = format!("ledger of {}", state.account_name(ledger.account));
    let inner = dialog::panel(buf, area, &theme, &title);
    let balance = account.map_or(String::new(), |row| {
        format!(
            "{} credits available, {} held",
            text::number(row.available),
            text::number(row.held)
        )
    });
    put(
        buf,
        inner.x + 1,
        inner.y,
        text::fit(&balance, usize::from(inner.width.saturating_sub(2))),
        theme.style(Role::Good),
    );
    let table = Rect {
        y: inner.y + 1,
        height: inner.height.saturating_sub(1),
        ..inner
    };
    if let Some(ledger) = &mut state.ledger {
        let says = if ledger.table.loaded {
            "no entries yet"
        } else {
            "asking the daemon …"
        };
        table_view::draw(&mut ledger.table, buf, table, &theme, now_ms, says);
    }
    state.hits.push((rows(table), Hit::Rows));
}
