//! Dialogs and the help, which is made from the key map.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::config::{KeyMap, Role, Theme};
use crate::screen::action::{Action, Context, actions};
use crate::screen::overlay::{Overlay, Secret};
use crate::state::{State, command};
use crate::text;
use crate::widget::dialog;
use crate::widget::table_view::scrollbar;

/// Names of keys that dialogs show.
struct Keys {
    accept: String,
    leave: String,
    yes: String,
    no: String,
    next: String,
    copy: String,
}

impl Keys {
    fn of(state: &State) -> Keys {
        let dialog = |action| state.hint(Context::DIALOG, action);
        Keys {
            accept: dialog(Action::Accept),
            leave: state.hint(Context::GLOBAL, Action::Back),
            yes: dialog(Action::Yes),
            no: dialog(Action::No),
            next: dialog(Action::NextField),
            copy: dialog(Action::Copy),
        }
    }
}

/// Draws what stands over the screen; returns where the terminal's cursor belongs.
pub fn draw(state: &mut State, buf: &mut Buffer, screen: Rect) -> Option<(u16, u16)> {
    let (keys, context) = (Keys::of(state), state.look().context());
    let theme = &state.shared.theme;
    match state.shared.overlay.as_mut()? {
        Overlay::Help(scroll) => {
            let lines = help(&state.keys, context, theme);
            scrolled(buf, screen, theme, "help", &lines, scroll);
        }
        Overlay::Notice {
            title,
            lines,
            scroll,
        } => {
            let width = usize::from(screen.width.saturating_sub(8)).min(100);
            let style = theme.style(Role::Text);
            let shown: Vec<(String, Style)> = lines
                .iter()
                .flat_map(|line| text::wrap(line, width, 40))
                .map(|line| (line, style))
                .collect();
            scrolled(buf, screen, theme, title, &shown, scroll);
        }
        Overlay::Question {
            title, body, yes, ..
        } => {
            let keys = (keys.yes.as_str(), keys.no.as_str());
            dialog::question(buf, screen, theme, title, body, *yes, keys);
        }
        Overlay::Form(form, purpose) => {
            let (accept, verb, next, leave) = (&keys.accept, purpose.verb, &keys.next, &keys.leave);
            let line = format!("{accept}: {verb}   {next}: next field   {leave}: leave");
            return dialog::form(buf, screen, theme, form, &line);
        }
        Overlay::Secret {
            secret,
            name,
            copied,
        } => draw_secret(secret, name, *copied, &keys, buf, screen, theme),
    }
    None
}

fn draw_secret(
    secret: &Secret,
    name: &str,
    copied: bool,
    keys: &Keys,
    buf: &mut Buffer,
    screen: Rect,
    theme: &Theme,
) {
    let inner = dialog::popup(buf, screen, theme, &format!("key {name}"), 60, 7);
    let last = if copied {
        "copied to the clipboard of your terminal".to_string()
    } else {
        let (copy, accept, leave) = (&keys.copy, &keys.accept, &keys.leave);
        format!("{copy}: copy   {accept} or {leave}: leave")
    };
    let lines = [
        (
            "This is shown once. The daemon keeps only a hash of it.",
            Role::Warn,
        ),
        ("", Role::Text),
        (secret.text(), Role::Good),
        ("", Role::Text),
        (
            "Clients send it as  Authorization: Bearer sk-live-…",
            Role::Dim,
        ),
        ("", Role::Text),
        (&last, if copied { Role::Good } else { Role::Key }),
    ];
    let lines = lines.map(|(line, role)| (line.to_string(), theme.style(role)));
    dialog::lines(buf, inner, &lines);
}

fn scrolled(
    buf: &mut Buffer,
    screen: Rect,
    theme: &Theme,
    title: &str,
    lines: &[(String, Style)],
    scroll: &mut usize,
) {
    let width = lines
        .iter()
        .map(|(line, _)| text::width(&text::clean(line)))
        .max()
        .unwrap_or(0)
        .max(20) as u16;
    let inner = dialog::popup(buf, screen, theme, title, width, lines.len() as u16);
    let rows = usize::from(inner.height);
    *scroll = (*scroll).min(lines.len().saturating_sub(rows));
    dialog::lines(buf, inner, &lines[*scroll..]);
    if lines.len() > rows {
        let bar = Rect {
            x: inner.right(),
            width: 1,
            ..inner
        };
        scrollbar(buf, bar, *scroll, rows, lines.len(), theme);
    }
}

/// Keys and commands: those of what is shown first.
fn help(keys: &KeyMap, context: Option<Context>, theme: &Theme) -> Vec<(String, Style)> {
    let (head, plain) = (theme.style(Role::Title), theme.style(Role::Text));
    let line = |left: &str, what: &str| format!("  {} {what}", text::pad(left, 22, false));
    let mut lines = Vec::new();
    let first = context.into_iter().chain([Context::LIST, Context::GLOBAL]);
    let mut seen: Vec<Context> = Vec::new();
    for context in first.chain(actions().iter().map(|row| row.context)) {
        if seen.contains(&context) {
            continue;
        }
        seen.push(context);
        let rows = actions().iter().enumerate();
        let mut rows = rows.filter(|(_, row)| row.context == context).peekable();
        if rows.peek().is_none() {
            continue;
        }
        lines.push((context.0.to_string(), head));
        for (place, row) in rows {
            let chords = keys.chords(place).iter().map(ToString::to_string);
            let chords = chords.collect::<Vec<_>>().join(" ");
            lines.push((line(&chords, row.what), plain));
        }
        lines.push((String::new(), plain));
    }
    let title = "commands, besides the names of actions";
    lines.push((title.to_string(), head));
    lines.extend(command::help().map(|(written, what)| (line(&written, what), plain)));
    lines
}
