//! Drawing of tables: columns that fit, head, rows, scrollbar.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::column::Column;
use super::ink::put;
use super::table::{List, Row, Table};
use crate::config::{Role, Theme};
use crate::text;

/// Draws a table into the area and keeps the cursor on the screen. `empty` is what an empty table says.
pub fn draw<R: Row>(
    table: &mut Table<R>,
    buf: &mut Buffer,
    area: Rect,
    theme: &Theme,
    now_ms: i64,
    empty: &str,
) {
    if area.height < 2 || area.width < 4 {
        return;
    }
    let rows = usize::from(area.height - 1);
    table.page_rows = rows;
    let (shown, ..) = table.counts();
    let cursor = table.cursor();
    table.offset = table
        .offset
        .min(shown.saturating_sub(rows))
        .clamp(cursor.saturating_sub(rows - 1), cursor);
    // One column for the mark on the left, one for the scrollbar on the right.
    let columns = fitting::<R>(area.width - 2);
    head(table, buf, area, theme, &columns);
    if shown == 0 {
        let line = text::fit(empty, usize::from(area.width - 2));
        put(buf, area.x + 1, area.y + 1, line, theme.style(Role::Dim));
        return;
    }
    for (line, row) in table.shown().skip(table.offset).take(rows).enumerate() {
        let place = Rect {
            y: area.y + 1 + line as u16,
            width: area.width - 1,
            height: 1,
            ..area
        };
        let here = table.offset + line == cursor;
        draw_row(
            row,
            &columns,
            buf,
            place,
            theme,
            now_ms,
            (here, table.is_marked(row)),
        );
    }
    if shown > rows {
        let bar = Rect {
            x: area.right() - 1,
            y: area.y + 1,
            width: 1,
            height: area.height - 1,
        };
        scrollbar(buf, bar, table.offset, rows, shown, theme);
    }
}

/// Draws one row: whether the cursor is on it, and whether it is marked.
fn draw_row<R: Row>(
    row: &R,
    columns: &[(&Column<R>, u16)],
    buf: &mut Buffer,
    area: Rect,
    theme: &Theme,
    now_ms: i64,
    (here, marked): (bool, bool),
) {
    let mut x = area.x + 1;
    for (column, width) in columns {
        let text = text::pad(
            &column.text_of(row, now_ms),
            usize::from(*width),
            column.right,
        );
        let style = if marked {
            theme.style(Role::Mark)
        } else {
            theme.style(column.role_of(row))
        };
        put(buf, x, area.y, text, style);
        x += width + 1;
    }
    let mark = if marked { "▌" } else { " " };
    put(buf, area.x, area.y, mark, theme.style(Role::Mark));
    if here {
        buf.set_style(area, theme.style(Role::Cursor));
    }
}

fn head<R: Row>(
    table: &Table<R>,
    buf: &mut Buffer,
    area: Rect,
    theme: &Theme,
    columns: &[(&Column<R>, u16)],
) {
    let (sort, descending) = table.order();
    let mut x = area.x + 1;
    for (column, width) in columns {
        let sorted = std::ptr::eq(*column, &R::COLUMNS[sort]);
        let arrow = if descending { "▾" } else { "▴" };
        let title = if sorted {
            format!("{}{arrow}", column.title)
        } else {
            column.title.to_string()
        };
        put(
            buf,
            x,
            area.y,
            text::pad(&title, usize::from(*width), column.right),
            theme.style(Role::Column),
        );
        x += width + 1;
    }
}

/// The columns that fit, each with its width: those that may go first go first, what is left over goes to those that grow.
fn fitting<R: Row>(width: u16) -> Vec<(&'static Column<R>, u16)> {
    let mut columns: Vec<&Column<R>> = R::COLUMNS.iter().collect();
    let need = |columns: &[&Column<R>]| {
        columns
            .iter()
            .map(|column| column.width + 1)
            .sum::<u16>()
            .saturating_sub(1)
    };
    while columns.len() > 1 && need(&columns) > width {
        let last = columns
            .iter()
            .enumerate()
            .max_by_key(|(place, column)| (column.drop, *place))
            .map(|(place, _)| place);
        columns.remove(last.unwrap_or(0));
    }
    let spare = width.saturating_sub(need(&columns));
    let grow: u16 = columns.iter().map(|column| column.grow).sum();
    let share = |column: &Column<R>| {
        if grow == 0 {
            0
        } else {
            (u32::from(spare) * u32::from(column.grow) / u32::from(grow)) as u16
        }
    };
    columns
        .into_iter()
        .map(|column| (column, (column.width + share(column)).min(width)))
        .collect()
}

/// Draws where `rows` of `all` lines from `offset` on stand.
pub fn scrollbar(
    buf: &mut Buffer,
    area: Rect,
    offset: usize,
    rows: usize,
    all: usize,
    theme: &Theme,
) {
    let height = usize::from(area.height);
    let thumb = (height * rows / all.max(1)).clamp(1, height.max(1));
    let travel = all.saturating_sub(rows).max(1);
    let top = (height - thumb) * offset.min(travel) / travel;
    for line in 0..height {
        let on = (top..top + thumb).contains(&line);
        let (symbol, role) = if on {
            ("┃", Role::Title)
        } else {
            ("│", Role::Border)
        };
        put(buf, area.x, area.y + line as u16, symbol, theme.style(role));
    }
}
