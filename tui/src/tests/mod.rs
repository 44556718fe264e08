//! Tests of the whole: screens as they look, keys as they act, a flood of events.

mod administration;
mod config;
mod flood;
mod flows;
mod keys;
pub mod made_up;
mod screens;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use crate::draw;
use crate::screen::Effect;
use crate::state::State;

/// Presses keys one after the other: characters, and names such as `<enter>`.
pub fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|tail| tail.split_once('>'));
        let (code, modifiers) = match named {
            Some(("enter", _)) => (KeyCode::Enter, KeyModifiers::NONE),
            Some(("esc", _)) => (KeyCode::Esc, KeyModifiers::NONE),
            Some(("tab", _)) => (KeyCode::Tab, KeyModifiers::NONE),
            Some(("down", _)) => (KeyCode::Down, KeyModifiers::NONE),
            Some(("up", _)) => (KeyCode::Up, KeyModifiers::NONE),
            Some(("right", _)) => (KeyCode::Right, KeyModifiers::NONE),
            Some((name, _)) if name.starts_with("ctrl-") => (
                KeyCode::Char(name.chars().last().unwrap()),
                KeyModifiers::CONTROL,
            ),
            _ => (KeyCode::Char(c), KeyModifiers::NONE),
        };
        rest = match named {
            Some((name, tail)) if name.starts_with("ctrl-") || code != KeyCode::Char('<') => tail,
            _ => &rest[c.len_utf8()..],
        };
        effects.extend(state.key(&KeyEvent::new(code, modifiers)));
    }
    effects
}

/// The screen as it is drawn.
pub fn drawn(state: &mut State, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(state, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// A drawing as lines of text; the second cell of a wide character is left out.
pub fn lines(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line += symbol;
            x += (crate::text::width(symbol) as u16).max(1);
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}
