//! Curves and gauges made of block characters.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const PARTS: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// Draws the newest values, the last on the right. `top` is the value of the full height; where there is no value, nothing is drawn.
pub fn curve(buf: &mut Buffer, area: Rect, values: &[Option<f64>], top: f64, style: Style) {
    let area = area.intersection(buf.area);
    let columns = usize::from(area.width);
    let values = &values[values.len().saturating_sub(columns)..];
    let left = area.right().saturating_sub(values.len() as u16);
    for (x, value) in (left..).zip(values) {
        let Some(value) = value.filter(|value| value.is_finite() && *value > 0.0) else {
            continue;
        };
        let share = if top > 0.0 {
            (value / top).min(1.0)
        } else {
            0.0
        };
        // What is not nothing is seen.
        let eighths = ((share * f64::from(area.height) * 8.0).round() as u16).max(1);
        for row in 0..area.height {
            let here = eighths.saturating_sub(row * 8).min(8);
            if here > 0 {
                buf[(x, area.bottom() - 1 - row)]
                    .set_symbol(EIGHTHS[usize::from(here)])
                    .set_style(style);
            }
        }
    }
}

/// Draws a bar over the first line of the area, filled to `share` (0 to 1).
pub fn gauge(buf: &mut Buffer, area: Rect, share: f64, filled: Style, empty: Style) {
    let area = area.intersection(buf.area);
    if area.width == 0 || area.height == 0 {
        return;
    }
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let eighths = (share * f64::from(area.width) * 8.0).round() as u16;
    for column in 0..area.width {
        let here = eighths.saturating_sub(column * 8).min(8);
        let cell = &mut buf[(area.x + column, area.y)];
        match here {
            0 => cell.set_symbol("─").set_style(empty),
            _ => cell.set_symbol(PARTS[usize::from(here)]).set_style(filled),
        };
    }
}

/// A round number at or above the greatest value, for the top of a curve.
pub fn round_top(values: &[Option<f64>]) -> f64 {
    let top = values
        .iter()
        .flatten()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    if top <= 0.0 {
        return 1.0;
    }
    let decade = 10f64.powf(top.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|round| *round >= top * 0.999)
        .unwrap_or(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(buf: &Buffer) -> Vec<String> {
        let row = |y| {
            (0..buf.area.width)
                .map(|x| buf[(x, y)].symbol())
                .collect::<String>()
        };
        (0..buf.area.height).map(row).collect()
    }

    #[test]
    fn curves_stand_on_the_right_and_fill_their_height() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 6, 2));
        curve(
            &mut buf,
            Rect::new(0, 0, 6, 2),
            &[Some(8.0), Some(16.0), None, Some(0.1), Some(0.0)],
            16.0,
            Style::new(),
        );
        assert_eq!(rows(&buf), ["  █   ", " ██ ▁ "]);
        let mut buf = Buffer::empty(Rect::new(0, 0, 2, 1));
        curve(
            &mut buf,
            Rect::new(0, 0, 2, 1),
            &[Some(1.0), Some(2.0), Some(f64::NAN), Some(9.0)],
            2.0,
            Style::new(),
        );
        assert_eq!(rows(&buf), [" █"], "only the newest values have room");
    }

    #[test]
    fn gauges_are_filled_in_eighths() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 1));
        gauge(
            &mut buf,
            Rect::new(0, 0, 4, 1),
            0.53,
            Style::new(),
            Style::new(),
        );
        assert_eq!(rows(&buf), ["██▏─"]);
        gauge(
            &mut buf,
            Rect::new(0, 0, 4, 1),
            7.0,
            Style::new(),
            Style::new(),
        );
        assert_eq!(rows(&buf), ["████"]);
        gauge(
            &mut buf,
            Rect::new(0, 0, 4, 1),
            f64::NAN,
            Style::new(),
            Style::new(),
        );
        assert_eq!(rows(&buf), ["────"]);
    }

    #[test]
    fn tops_are_round() {
        let top = |value| round_top(&[Some(value), None]);
        assert_eq!(
            (top(0.0), top(3.0), top(20.0), top(51.0), top(0.03)),
            (1.0, 5.0, 20.0, 100.0, 0.05)
        );
    }
}
