//! Drawing. Screens read the state; all they write to it is where the cursor of a table and the mouse can go.

mod accounts;
mod chrome;
mod help;
mod job;
mod overview;
mod tables;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::config::Role;
use crate::state::State;

/// Smallest terminal that is drawn in, columns and rows.
pub const SIZE_MIN: (u16, u16) = (40, 10);

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenId {
    /// Curves and gauges.
    Overview,
    /// Jobs, and one job.
    Jobs,
    /// Keys.
    Keys,
    /// Accounts, and a ledger.
    Accounts,
    /// Watched folders.
    Folders,
    /// Models.
    Models,
    /// Log.
    Log,
}

/// The screens in their order, with their names.
pub const SCREENS: [(ScreenId, &str); 7] = [
    (ScreenId::Overview, "overview"),
    (ScreenId::Jobs, "jobs"),
    (ScreenId::Keys, "keys"),
    (ScreenId::Accounts, "accounts"),
    (ScreenId::Folders, "folders"),
    (ScreenId::Models, "models"),
    (ScreenId::Log, "log"),
];

impl ScreenId {
    /// The screen `by` places on; after the last comes the first.
    pub fn step(self, by: isize) -> ScreenId {
        let here = SCREENS
            .iter()
            .position(|(screen, _)| *screen == self)
            .unwrap_or(0) as isize;
        SCREENS[(here + by).rem_euclid(SCREENS.len() as isize) as usize].0
    }
}

/// Draws everything.
pub fn draw(state: &mut State, frame: &mut Frame<'_>) {
    let area = frame.area();
    state.refresh();
    state.hits.clear();
    let buf = frame.buffer_mut();
    buf.set_style(area, state.theme.style(Role::Text));
    if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
        let (width, height) = SIZE_MIN;
        buf.set_stringn(
            area.x,
            area.y,
            format!("needs {width}x{height}"),
            usize::from(area.width),
            state.theme.style(Role::Warn),
        );
        return;
    }
    let line = |y: u16| Rect {
        x: area.x,
        y,
        width: area.width,
        height: 1,
    };
    chrome::header(state, buf, line(area.y));
    chrome::tabs(state, buf, line(area.y + 1));
    let body = Rect {
        y: area.y + 2,
        height: area.height - 3,
        ..area
    };
    match state.screen {
        ScreenId::Overview => overview::draw(state, buf, body),
        ScreenId::Jobs if state.job.is_some() => job::draw(state, buf, body),
        ScreenId::Jobs => tables::jobs(state, buf, body),
        ScreenId::Keys => tables::keys(state, buf, body),
        ScreenId::Accounts => accounts::draw(state, buf, body),
        ScreenId::Folders => tables::folders(state, buf, body),
        ScreenId::Models => tables::models(state, buf, body),
        ScreenId::Log => tables::log(state, buf, body),
    }
    chrome::toasts(state, buf, body);
    let prompt = chrome::bottom(state, buf, line(area.bottom() - 1));
    let overlay = help::overlay(state, buf, area);
    if let Some(at) = overlay
        .or(prompt)
        .filter(|(x, y)| *x < area.right() && *y < area.bottom())
    {
        frame.set_cursor_position(at);
    }
}
