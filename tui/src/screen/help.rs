//! Dialogs and the help, which is made from the key map.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::action::{ACTIONS, Action, Context};
use crate::config::{KeyMap, Role, Theme};
use crate::state::overlay::{Overlay, Purpose};
use crate::state::{State, command};
use crate::text;
use crate::widget::dialog;
use crate::widget::table_view::scrollbar;

/// Draws what stands over the screen; returns where the terminal's cursor belongs.
pub fn overlay(state: &mut State, buf: &mut Buffer, screen: Rect) -> Option<(u16, u16)> {
    let theme = state.theme.clone();
    let context = state.context();
    let key = |context, action| {
        state
            .keys_map
            .hint(context, action)
            .map(|chord| chord.to_string())
            .unwrap_or_default()
    };
    let (enter, leave) = (
        key(Context::Dialog, Action::Accept),
        key(Context::Global, Action::Back),
    );
    match &mut state.overlay {
        None => None,
        Some(Overlay::Help(scroll)) => {
            let lines = help(&state.keys_map, context, &theme);
            scrolled(buf, screen, &theme, "help", &lines, scroll);
            None
        }
        Some(Overlay::Notice {
            title,
            lines,
            scroll,
        }) => {
            let width = usize::from(screen.width.saturating_sub(8)).min(100);
            let style = theme.style(Role::Text);
            let shown: Vec<(String, Style)> = lines
                .iter()
                .flat_map(|line| text::wrap(line, width, 40))
                .map(|line| (line, style))
                .collect();
            scrolled(buf, screen, &theme, title, &shown, scroll);
            None
        }
        Some(Overlay::Question {
            title, body, yes, ..
        }) => {
            let keys = (
                key(Context::Dialog, Action::Yes),
                key(Context::Dialog, Action::No),
            );
            dialog::question(buf, screen, &theme, title, body, *yes, (&keys.0, &keys.1));
            None
        }
        Some(Overlay::Form(form, purpose)) => {
            let verb = match purpose {
                Purpose::CreateKey | Purpose::CreateAccount => "make it",
                Purpose::ChangeKey(_) | Purpose::ChangeAccount(_) => "change it",
                Purpose::TopUp(_) => "top up",
            };
            let next = key(Context::Dialog, Action::NextField);
            dialog::form(
                buf,
                screen,
                &theme,
                form,
                &format!("{enter}: {verb}   {next}: next field   {leave}: leave"),
            )
        }
        Some(Overlay::Secret {
            secret,
            name,
            copied,
        }) => {
            let copy = key(Context::Dialog, Action::Copy);
            let inner = dialog::popup(buf, screen, &theme, &format!("key {name}"), 60, 7);
            let (text_style, dim) = (theme.style(Role::Text), theme.style(Role::Dim));
            let state_line = if *copied {
                "copied to the clipboard of your terminal".to_string()
            } else {
                format!("{copy}: copy   {enter} or {leave}: leave")
            };
            let lines = [
                (
                    "This is shown once. The daemon keeps only a hash of it.".to_string(),
                    theme.style(Role::Warn),
                ),
                (String::new(), text_style),
                (secret.text().to_string(), theme.style(Role::Good)),
                (String::new(), text_style),
                (
                    "Clients send it as  Authorization: Bearer sk-live-…".to_string(),
                    dim,
                ),
                (String::new(), text_style),
                (
                    state_line,
                    theme.style(if *copied { Role::Good } else { Role::Key }),
                ),
            ];
            dialog::lines(buf, inner, &lines);
            None
        }
    }
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
    let mut lines = Vec::new();
    let mut contexts: Vec<Context> = context.into_iter().collect();
    contexts.extend([Context::List, Context::Global]);
    contexts.extend(ACTIONS.iter().map(|row| row.context));
    let mut seen: Vec<Context> = Vec::new();
    for context in contexts {
        if seen.contains(&context) {
            continue;
        }
        seen.push(context);
        lines.push((context.name().to_string(), theme.style(Role::Title)));
        for (place, row) in ACTIONS
            .iter()
            .enumerate()
            .filter(|(_, row)| row.context == context)
        {
            let chords = keys
                .chords(place)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ");
            lines.push((
                format!("  {} {}", text::pad(&chords, 22, false), row.what),
                theme.style(Role::Text),
            ));
        }
        lines.push((String::new(), theme.style(Role::Text)));
    }
    lines.push((
        "commands, besides the names of actions".to_string(),
        theme.style(Role::Title),
    ));
    lines.extend(command::commands().map(|(written, what)| {
        (
            format!("  {} {what}", text::pad(&written, 22, false)),
            theme.style(Role::Text),
        )
    }));
    lines
}
