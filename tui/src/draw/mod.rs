//! Drawing: what every screen has around it, and what stands over it. Screens draw themselves.

mod chrome;
mod overlay;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::config::Role;
use crate::state::State;

/// Smallest terminal that is drawn in, columns and rows.
const SIZE_MIN: (u16, u16) = (40, 10);

/// Draws everything.
pub fn draw(state: &mut State, frame: &mut Frame<'_>) {
    let area = frame.area();
    state.refresh();
    state.shared.hits.clear();
    let buf = frame.buffer_mut();
    buf.set_style(area, state.shared.theme.style(Role::Text));
    if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
        let (width, height) = SIZE_MIN;
        buf.set_stringn(
            area.x,
            area.y,
            format!("needs {width}x{height}"),
            usize::from(area.width),
            state.shared.theme.style(Role::Warn),
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
    let (screen, shared) = state.here_and_shared();
    screen.draw(shared, buf, body);
    chrome::toasts(state, buf, body);
    let prompt = chrome::bottom(state, buf, line(area.bottom() - 1));
    let overlay = overlay::draw(state, buf, area);
    if let Some(at) = overlay
        .or(prompt)
        .filter(|(x, y)| *x < area.right() && *y < area.bottom())
    {
        frame.set_cursor_position(at);
    }
}
