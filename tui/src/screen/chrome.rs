//! What every screen has: the line at the top, the names of screens, notices, the line at the bottom.

use cleanplate_api::admin::ServerState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use super::SCREENS;
use crate::action::{ACTIONS, Action, Context};
use crate::config::Role;
use crate::state::overlay::PromptKind;
use crate::state::{Hit, Link, State};
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
        state.theme.style(Role::Header),
    );
    put(
        buf,
        area.x + space as u16,
        area.y,
        text::fit(&right, columns),
        state.theme.style(role),
    );
}

/// The state of the link, short.
fn link(state: &State) -> (String, Role) {
    let flags = format!(
        "{}{}",
        if state.readonly { "read-only · " } else { "" },
        if state.frozen { "held · " } else { "" }
    );
    match &state.link {
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
            let retry = (retry_at_ms - state.now_ms).max(0) / 1000;
            (
                format!(
                    "{flags}○ STALE {} · retry in {retry}s",
                    text::age(*since_ms, state.now_ms)
                ),
                Role::Stale,
            )
        }
    }
}

/// The names of screens.
pub fn tabs(state: &mut State, buf: &mut Buffer, area: Rect) {
    // In a narrow terminal only the screen that is shown has its name.
    let whole: usize = SCREENS.iter().map(|(_, name)| name.len() + 5).sum();
    let narrow = whole > usize::from(area.width);
    let mut x = area.x;
    for (screen, name) in SCREENS {
        let here = screen == state.screen;
        let key = state
            .keys_map
            .hint(Context::Global, Action::Go(screen))
            .map(|chord| chord.to_string())
            .unwrap_or_default();
        let label = if narrow && !here {
            format!(" {key} ")
        } else {
            format!(" {key} {name} ")
        };
        let style = state
            .theme
            .style(if here { Role::TabHere } else { Role::Tab });
        let width = (label.len() as u16).min(area.right().saturating_sub(x));
        buf.set_stringn(x, area.y, &label, usize::from(width), style);
        state.hits.push((
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
    for toast in state.toasts.iter().rev() {
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
                state.theme.style(toast.role),
            );
        }
        buf.set_style(place, state.theme.style(Role::Cursor));
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
            state.theme.style(Role::Text),
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
            state.theme.style(Role::Dim),
        );
        return Some((at, area.y));
    }
    if let Link::Lost { why, .. } = &state.link {
        put(
            buf,
            area.x,
            area.y,
            text::pad(&format!(" {why}"), usize::from(area.width), false),
            state.theme.style(Role::Warn),
        );
        return None;
    }
    hints(state, buf, area);
    None
}

/// Keys of what is shown, as many as fit, so that nothing must be known by heart.
fn hints(state: &State, buf: &mut Buffer, area: Rect) {
    const ALWAYS: &[(Context, Action)] = &[
        (Context::Global, Action::Help),
        (Context::Global, Action::Command),
    ];
    let screen = state.context();
    let of_screen = ACTIONS
        .iter()
        .filter(|row| Some(row.context) == screen && !(row.changes && state.readonly))
        .map(|row| (row.context, row.action, row.name));
    let mut hints: Vec<(Context, Action, &str)> = of_screen.collect();
    if state.job.is_some() || state.ledger.is_some() {
        hints.push((Context::Global, Action::Back, "back"));
    } else if screen.is_some() {
        hints.extend([
            (Context::List, Action::Open, "open"),
            (Context::List, Action::Filter, "filter"),
            (Context::List, Action::Mark, "mark"),
            (Context::List, Action::SortNext, "sort"),
        ]);
    }
    let first = ALWAYS
        .iter()
        .zip(["help", "command"])
        .map(|((context, action), name)| (*context, *action, name));
    let mut x = area.x + 1;
    for (context, action, name) in
        first
            .chain(hints)
            .chain([(Context::Global, Action::Quit, "quit")])
    {
        let Some(chord) = state.keys_map.hint(context, action) else {
            continue;
        };
        let key = chord.to_string();
        let width = (key.chars().count() + name.len() + 3) as u16;
        if x + width > area.right() {
            break;
        }
        put(buf, x, area.y, &key, state.theme.style(Role::Key));
        put(
            buf,
            x + key.chars().count() as u16 + 1,
            area.y,
            name,
            state.theme.style(Role::Dim),
        );
        x += width;
    }
}
