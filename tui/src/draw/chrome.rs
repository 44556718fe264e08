//! What every screen has: the line at the top, the names of screens, notices, the line at the bottom.

use cleanplate_api::admin::ServerState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::config::Role;
use crate::screen::action::{Action, Context, actions};
use crate::screen::{Hit, Link, SCREENS, ScreenId};
use crate::state::State;
use crate::state::prompt::PromptKind;
use crate::text;
use crate::widget::ink::put;

/// The line at the top: what daemon, on what device, and whether what is shown is what is.
pub fn header(state: &State, buf: &mut Buffer, area: Rect) {
    let version = state
        .hello
        .as_ref()
        .map(|hello| format!(" {}", hello.version))
        .unwrap_or_default();
    let device = state
        .shared
        .server
        .as_ref()
        .map(|server| match (&server.device, server.state) {
            (Some(device), ServerState::Ready) => format!(" · {} {}", device.backend, device.name),
            (Some(device), ServerState::Draining) => format!(" · {} · stopping", device.name),
            (_, ServerState::Starting) => " · starting".to_string(),
            _ => format!(" · {}", server.reason.as_deref().unwrap_or("no device")),
        });
    let left = format!(
        " cleanplate{version} · {}{}",
        state.target,
        device.unwrap_or_default()
    );
    let (right, role) = link(state);
    let right = format!(" {right} ");
    let columns = usize::from(area.width);
    let space = columns.saturating_sub(text::width(&right));
    put(
        buf,
        area.x,
        area.y,
        text::pad(&left, space, false),
        state.shared.theme.style(Role::Header),
    );
    put(
        buf,
        area.x + space as u16,
        area.y,
        text::fit(&right, columns),
        state.shared.theme.style(role),
    );
}

/// The state of the link, short.
fn link(state: &State) -> (String, Role) {
    let flags = format!(
        "{}{}",
        if state.readonly { "read-only · " } else { "" },
        if state.frozen { "held · " } else { "" }
    );
    match &state.shared.link {
        Link::Connecting => (format!("{flags}connecting"), Role::Stale),
        Link::Live => (
            format!("{flags}● live"),
            if state.frozen {
                Role::Stale
            } else {
                Role::Header
            },
        ),
        Link::Lost {
            since_ms,
            retry_at_ms,
            ..
        } => {
            let retry = (retry_at_ms - state.shared.now_ms).max(0) / 1000;
            (
                format!(
                    "{flags}○ STALE {} · retry in {retry}s",
                    text::age(*since_ms, state.shared.now_ms)
                ),
                Role::Stale,
            )
        }
    }
}

/// Letters that the names of screens are cut to in so many columns: as they are, the first three, or none. The screen that is
/// shown has its whole name.
fn letters(here: &str, columns: usize) -> usize {
    let fits = |letters: usize| {
        let shown = |name: &str| {
            let letters = if name == here { name.len() } else { letters };
            // The key, and spaces around both.
            letters.min(name.len()) + if letters > 0 { 4 } else { 3 }
        };
        SCREENS.iter().map(|entry| shown(entry.name)).sum::<usize>() <= columns
    };
    [usize::MAX, 3, 2]
        .into_iter()
        .find(|letters| fits(*letters))
        .unwrap_or(0)
}

/// The names of screens.
pub fn tabs(state: &mut State, buf: &mut Buffer, area: Rect) {
    let letters = letters(state.screen.name(), usize::from(area.width));
    let mut x = area.x;
    for (place, entry) in SCREENS.iter().enumerate() {
        let (screen, name) = (ScreenId(place), entry.name);
        let here = screen == state.screen;
        let key = state.hint(Context::GLOBAL, Action::Go(screen));
        let shown = if here { name.len() } else { letters };
        let label = match name.get(..shown.min(name.len())) {
            Some("") | None => format!(" {key} "),
            Some(name) => format!(" {key} {name} "),
        };
        let style = state
            .shared
            .theme
            .style(if here { Role::TabHere } else { Role::Tab });
        let width = (label.len() as u16).min(area.right().saturating_sub(x));
        buf.set_stringn(x, area.y, &label, usize::from(width), style);
        state.shared.hits.push((
            Rect {
                x,
                y: area.y,
                width,
                height: 1,
            },
            Hit::Tab(screen),
        ));
        x += width;
    }
}

/// Notices over the lower right corner.
pub fn toasts(state: &State, buf: &mut Buffer, area: Rect) {
    let mut y = area.bottom();
    for toast in state.shared.toasts.iter().rev() {
        let lines = text::wrap(
            &toast.text,
            usize::from(area.width.saturating_sub(6)).min(70),
            3,
        );
        let width = lines
            .iter()
            .map(|line| text::width(line))
            .max()
            .unwrap_or(0) as u16
            + 2;
        if y < area.y + lines.len() as u16 {
            return;
        }
        y -= lines.len() as u16;
        let place = Rect {
            x: area.right().saturating_sub(width + 1),
            y,
            width,
            height: lines.len() as u16,
        };
        Clear.render(place, buf);
        for (row, line) in lines.iter().enumerate() {
            let line = format!(" {} ", text::pad(line, usize::from(width) - 2, false));
            put(
                buf,
                place.x,
                y + row as u16,
                line,
                state.shared.theme.style(toast.role),
            );
        }
        buf.set_style(place, state.shared.theme.style(Role::Cursor));
    }
}

/// The line at the bottom: a command, a filter, why the link is lost, or keys. Returns where the terminal's cursor belongs.
pub fn bottom(state: &State, buf: &mut Buffer, area: Rect) -> Option<(u16, u16)> {
    if let Some(prompt) = &state.prompt {
        let sign = if prompt.kind == PromptKind::Command {
            ":"
        } else {
            "/"
        };
        let line = format!("{sign}{}", text::clean(prompt.line.text()));
        put(
            buf,
            area.x,
            area.y,
            text::pad(&line, usize::from(area.width), false),
            state.shared.theme.style(Role::Text),
        );
        let at = area.x + 1 + text::width(&text::clean(prompt.line.before())) as u16;
        let rest = state.completions();
        let space = usize::from(area.width).saturating_sub(text::width(&line) + 3);
        let shown = if rest.len() > 1 {
            rest.join("  ")
        } else {
            String::new()
        };
        put(
            buf,
            area.x + text::width(&line) as u16 + 2,
            area.y,
            text::fit(&shown, space),
            state.shared.theme.style(Role::Dim),
        );
        return Some((at, area.y));
    }
    if let Link::Lost { why, .. } = &state.shared.link {
        put(
            buf,
            area.x,
            area.y,
            text::pad(&format!(" {why}"), usize::from(area.width), false),
            state.shared.theme.style(Role::Warn),
        );
        return None;
    }
    hints(state, buf, area);
    None
}

/// Keys of what is shown, as many as fit, so that nothing must be known by heart.
fn hints(state: &State, buf: &mut Buffer, area: Rect) {
    let screen = state.look();
    let context = screen.context();
    let mut hints = vec![
        (Context::GLOBAL, Action::Help, "help"),
        (Context::GLOBAL, Action::Command, "command"),
    ];
    let of_screen = actions()
        .iter()
        .filter(|row| Some(row.context) == context && !(row.changes && state.readonly));
    hints.extend(of_screen.map(|row| (row.context, row.action, row.name)));
    if screen.is_open() {
        hints.push((Context::GLOBAL, Action::Back, "back"));
    } else if context.is_some() {
        hints.extend([
            (Context::LIST, Action::Open, "open"),
            (Context::LIST, Action::Filter, "filter"),
            (Context::LIST, Action::Mark, "mark"),
            (Context::LIST, Action::SortNext, "sort"),
        ]);
    }
    hints.push((Context::GLOBAL, Action::Quit, "quit"));
    let mut x = area.x + 1;
    for (context, action, name) in hints {
        let key = state.hint(context, action);
        if key.is_empty() {
            continue;
        }
        let columns = key.chars().count() as u16;
        let width = columns + name.len() as u16 + 3;
        if x + width > area.right() {
            break;
        }
        let theme = &state.shared.theme;
        put(buf, x, area.y, &key, theme.style(Role::Key));
        put(buf, x + columns + 1, area.y, name, theme.style(Role::Dim));
        x += width;
    }
}
