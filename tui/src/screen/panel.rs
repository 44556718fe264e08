//! A table in a frame: what most screens are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::shared::{Hit, Link, Shared};
use crate::widget::table::{List, Row, Table};
use crate::widget::{dialog, table_view};

/// What an empty table says: nothing came yet, the filter hides all, or there is nothing.
fn empty(link: &Link, loaded: bool, kept: bool, nothing: &str) -> String {
    match (loaded, kept, link) {
        (_, true, _) => "nothing passes the filter (esc shows all)".to_string(),
        (true, false, _) => nothing.to_string(),
        (false, false, Link::Lost { .. }) => "no connection yet".to_string(),
        (false, false, _) => "asking the daemon …".to_string(),
    }
}

/// Draws a table in a frame whose head tells how many rows there are. `nothing` is what it says when the daemon has none.
pub fn framed<R: Row>(
    table: &mut Table<R>,
    shared: &mut Shared,
    buf: &mut Buffer,
    area: Rect,
    title: &str,
    nothing: &str,
) {
    let (rows, marked, all) = table.counts();
    let mut parts = vec![title.to_string()];
    parts.push(if rows == all {
        all.to_string()
    } else {
        format!("{rows} of {all}")
    });
    parts.extend((marked > 0).then(|| format!("{marked} marked")));
    parts.extend((!table.filter().is_empty()).then(|| format!("/{}", table.filter())));
    let inner = dialog::panel(buf, area, &shared.theme, &parts.join(" · "));
    let says = empty(&shared.link, table.loaded, all > 0, nothing);
    rows_of(table, shared, buf, inner, &says);
}

/// Draws a table without a frame; the mouse can click its rows.
pub fn rows_of<R: Row>(
    table: &mut Table<R>,
    shared: &mut Shared,
    buf: &mut Buffer,
    area: Rect,
    says: &str,
) {
    table_view::draw(table, buf, area, &shared.theme, shared.now_ms, says);
    let rows = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    shared.hits.push((rows, Hit::Rows));
}

/// What a table says that has no row: nothing, or that the daemon is still asked.
pub fn says<'a, R: Row>(table: &Table<R>, nothing: &'a str) -> &'a str {
    if table.loaded {
        nothing
    } else {
        "asking the daemon …"
    }
}
