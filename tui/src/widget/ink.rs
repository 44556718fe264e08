//! Writing to the screen, clipped to it.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Style;

/// Writes a text; what lies outside the screen is left out.
pub fn put(buf: &mut Buffer, x: u16, y: u16, text: impl AsRef<str>, style: Style) {
    if buf.area.contains(Position::new(x, y)) {
        buf.set_string(x, y, text, style);
    }
}
