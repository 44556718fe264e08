//! Frames, questions, notices and forms over a screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::edit::Edit;
use super::form::{Field, Form, Input};
use super::ink::put;
use crate::config::{Role, Theme};
use crate::text;

/// A frame with a title; returns the space inside.
pub fn panel(buf: &mut Buffer, area: Rect, theme: &Theme, title: &str) -> Rect {
    let title = text::fit(title, usize::from(area.width.saturating_sub(4)));
    let title = if title.is_empty() {
        Line::default()
    } else {
        Line::from(Span::styled(format!(" {title} "), theme.style(Role::Title)))
    };
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(Role::Border))
        .title(title);
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}

/// A frame over the middle of the screen, big enough for `width` by `height` inside if there is room.
pub fn popup(
    buf: &mut Buffer,
    screen: Rect,
    theme: &Theme,
    title: &str,
    width: u16,
    height: u16,
) -> Rect {
    let (width, height) = (
        (width + 4).min(screen.width),
        (height + 2).min(screen.height),
    );
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buf);
    buf.set_style(area, theme.style(Role::Text));
    let inner = panel(buf, area, theme, title);
    Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// Writes lines with their styles, one below the other, cut to the area.
pub fn lines(buf: &mut Buffer, area: Rect, lines: &[(String, Style)]) {
    for (y, (line, style)) in (area.y..area.bottom()).zip(lines) {
        put(
            buf,
            area.x,
            y,
            text::fit(line, usize::from(area.width)),
            *style,
        );
    }
}

/// Writes a label and a value, the value beginning at column `indent`.
pub fn pair(
    buf: &mut Buffer,
    area: Rect,
    y: u16,
    indent: u16,
    label: &str,
    value: &str,
    theme: &Theme,
    role: Role,
) {
    if y >= area.bottom() {
        return;
    }
    put(
        buf,
        area.x,
        y,
        text::fit(label, usize::from(area.width.min(indent))),
        theme.style(Role::Dim),
    );
    let space = usize::from(area.width.saturating_sub(indent));
    put(
        buf,
        area.x + indent.min(area.width),
        y,
        text::fit(value, space),
        theme.style(role),
    );
}

/// A question with its two answers and their keys.
pub fn question(
    buf: &mut Buffer,
    screen: Rect,
    theme: &Theme,
    title: &str,
    body: &[String],
    yes: bool,
    keys: (&str, &str),
) {
    let width = body
        .iter()
        .map(|line| text::width(&text::clean(line)) as u16)
        .max()
        .unwrap_or(0)
        .max(26);
    let inner = popup(buf, screen, theme, title, width, body.len() as u16 + 2);
    let style = theme.style(Role::Text);
    let shown: Vec<(String, Style)> = body.iter().map(|line| (line.clone(), style)).collect();
    lines(buf, inner, &shown);
    let here = |on: bool| theme.style(if on { Role::ButtonHere } else { Role::Button });
    let y = inner.bottom().saturating_sub(1);
    let no = format!("[ no ({}) ]", keys.1);
    put(buf, inner.x, y, &no, here(!yes));
    put(
        buf,
        inner.x + no.len() as u16 + 2,
        y,
        format!("[ yes ({}) ]", keys.0),
        here(yes),
    );
}

/// A form with its keys; returns where the terminal's cursor belongs.
pub fn form(
    buf: &mut Buffer,
    screen: Rect,
    theme: &Theme,
    form: &Form,
    keys: &str,
) -> Option<(u16, u16)> {
    let label_width = form
        .fields
        .iter()
        .map(|field| field.label.len() as u16)
        .max()
        .unwrap_or(0)
        + 2;
    let height = form.fields.len() as u16 * 2 + 2;
    let inner = popup(buf, screen, theme, &form.title, 66, height);
    let mut cursor = None;
    for (place, field) in form.fields.iter().enumerate() {
        let line = Rect {
            y: inner.y + place as u16 * 2,
            height: 2,
            ..inner
        };
        if line.y + 1 >= inner.bottom() {
            break;
        }
        let here = place == form.focus;
        let at = draw_field(buf, line, label_width, theme, field, here);
        cursor = at.filter(|_| here && !form.busy).or(cursor);
    }
    let (line, role) = match (&form.error, form.busy) {
        (_, true) => ("asking the daemon …".to_string(), Role::Busy),
        (Some(error), false) => (error.clone(), Role::Bad),
        (None, false) => (keys.to_string(), Role::Dim),
    };
    let rest = Rect {
        y: inner.bottom().saturating_sub(1),
        height: 1,
        ..inner
    };
    lines(buf, rest, &[(line, theme.style(role))]);
    cursor
}

/// A field and its hint below; returns where the cursor of its text is.
fn draw_field(
    buf: &mut Buffer,
    area: Rect,
    label_width: u16,
    theme: &Theme,
    field: &Field,
    here: bool,
) -> Option<(u16, u16)> {
    let (x, y) = (area.x + label_width, area.y);
    let space = usize::from(area.width.saturating_sub(label_width));
    let label = theme.style(if here { Role::Key } else { Role::Dim });
    put(buf, area.x, y, field.label, label);
    let (shown, cursor) = match &field.entry {
        Input::Text(edit) => {
            let (visible, offset) = visible(edit, space);
            (visible, Some((x + offset as u16, y)))
        }
        Input::Choice { of, at } => {
            let shown = of.get(*at).map_or("none", |(_, shown)| shown.as_str());
            (format!("◂ {shown} ▸"), None)
        }
    };
    let style = theme.style(if here { Role::Cursor } else { Role::Text });
    put(buf, x, y, text::pad(&shown, space, false), style);
    let hint = text::fit(field.hint, space);
    put(buf, x, y + 1, hint, theme.style(Role::Dim));
    cursor
}

/// The part of a line that is seen in so many columns, and the cursor's column in it: the end that is being written is seen when the
/// text is longer than the field.
fn visible(edit: &Edit, columns: usize) -> (String, usize) {
    let wide = |c: char| unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
    let before = text::clean(edit.before()).into_owned();
    let skip = before.chars().rev().scan(0, |used, c| {
        *used += wide(c);
        Some(*used)
    });
    let kept = skip.take_while(|used| *used < columns).count();
    let from = before.chars().count().saturating_sub(kept);
    let visible = text::clean(edit.text()).chars().skip(from).collect();
    (visible, before.chars().skip(from).map(wide).sum())
}
