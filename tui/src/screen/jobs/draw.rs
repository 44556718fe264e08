//! Drawing of one job: facts beside or above the pictures before and after.

use cleanplate_api::admin::{ImagePart, JobDetail};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Style;
use ratatui::widgets::Widget;
use ratatui_image::Image;

use super::facts::facts;
use super::view::{JobView, Show};
use crate::config::{Role, Theme};
use crate::screen::Shared;
use crate::text;
use crate::widget::ink::put;
use crate::widget::{dialog, graph, table_view};

/// Columns that the facts take where pictures stand beside them.
const FACTS_COLUMNS: u16 = 62;
/// Columns of a bar behind a stage's time.
const BAR_COLUMNS: u16 = 24;

/// Draws the job that is open.
pub fn job(view: &mut JobView, shared: &Shared, buf: &mut Buffer, area: Rect) {
    let (theme, now_ms) = (&shared.theme, shared.now_ms);
    let covered = shared.overlay.is_some();
    let title = format!("job {}", view.id);
    let has_pictures = shared.pictures
        && view
            .detail
            .as_ref()
            .is_some_and(|detail| !detail.images.is_empty());
    let (facts, beside) = split(area, has_pictures);
    let inner = dialog::panel(buf, facts, theme, &title);
    let Some(detail) = &view.detail else {
        let (line, role) = view
            .error
            .as_ref()
            .map_or(("asking the daemon …", Role::Dim), |error| {
                (error.as_str(), Role::Bad)
            });
        put(
            buf,
            inner.x + 1,
            inner.y,
            text::fit(line, usize::from(inner.width.saturating_sub(2))),
            theme.style(role),
        );
        return;
    };
    draw_facts(detail, &mut view.scroll, buf, inner, theme, now_ms);
    for part in [ImagePart::Input, ImagePart::Result, ImagePart::Mask] {
        view.slot(part).wanted = None;
    }
    if let Some(beside) = beside {
        draw_pictures(view, buf, beside, theme, covered);
    }
}

/// Space of the facts and of the pictures: side by side in wide terminals, one above the other in high ones.
fn split(area: Rect, pictures: bool) -> (Rect, Option<Rect>) {
    if !pictures {
        return (area, None);
    }
    if area.width >= FACTS_COLUMNS + 40 {
        let facts = Rect {
            width: FACTS_COLUMNS,
            ..area
        };
        return (
            facts,
            Some(Rect {
                x: area.x + FACTS_COLUMNS,
                width: area.width - FACTS_COLUMNS,
                ..area
            }),
        );
    }
    let below = area.height * 9 / 20;
    (
        Rect {
            height: area.height - below,
            ..area
        },
        Some(Rect {
            y: area.bottom() - below,
            height: below,
            ..area
        }),
    )
}

fn draw_facts(
    detail: &JobDetail,
    scroll: &mut usize,
    buf: &mut Buffer,
    inner: Rect,
    theme: &Theme,
    now_ms: i64,
) {
    let area = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let lines = facts(detail, now_ms);
    let rows = usize::from(area.height);
    *scroll = (*scroll).min(lines.len().saturating_sub(rows));
    for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(*scroll)) {
        dialog::pair(buf, area, y, 10, &line.label, &line.value, theme, line.role);
        let bar = Rect {
            x: area.right().saturating_sub(BAR_COLUMNS),
            y,
            width: BAR_COLUMNS.min(area.width),
            height: 1,
        };
        if let Some(share) = line.bar.filter(|_| area.width > 10 + BAR_COLUMNS + 12) {
            graph::gauge(
                buf,
                bar,
                share,
                theme.style(Role::Gauge),
                theme.style(Role::Border),
            );
        }
    }
    if lines.len() > rows {
        let bar = Rect {
            x: inner.right().saturating_sub(1),
            width: 1,
            ..inner
        };
        table_view::scrollbar(buf, bar, *scroll, rows, lines.len(), theme);
    }
}

fn draw_pictures(view: &mut JobView, buf: &mut Buffer, area: Rect, theme: &Theme, covered: bool) {
    let parts = view.show.parts();
    // A character is about twice as high as wide.
    let photo_wide = view
        .detail
        .as_ref()
        .is_some_and(|detail| detail.job.width >= detail.job.height);
    let stacked = view.show == Show::Both
        && area.height >= 30
        && (area.width < area.height * 3 || photo_wide && area.width < area.height * 4);
    let count = parts.len() as u16;
    for (place, part) in (0..).zip(parts) {
        let panel = if stacked {
            // Equal heights make equal pictures; a row that is over stays empty.
            let height = area.height / count;
            Rect {
                y: area.y + place * height,
                height,
                ..area
            }
        } else {
            let width = area.width / count;
            Rect {
                x: area.x + place * width,
                width,
                ..area
            }
        };
        let title = match part {
            ImagePart::Input => "before",
            ImagePart::Result => "after",
            ImagePart::Mask => "mask, white was removed",
        };
        let inner = dialog::panel(buf, panel, theme, title);
        draw_picture(view, *part, buf, inner, theme.style(Role::Dim), covered);
    }
}

fn draw_picture(
    view: &mut JobView,
    part: ImagePart,
    buf: &mut Buffer,
    area: Rect,
    style: Style,
    covered: bool,
) {
    let there = view
        .detail
        .as_ref()
        .is_some_and(|detail| detail.images.contains(&part));
    view.slot(part).wanted = Some(Size::new(area.width, area.height));
    let slot = view.look(part);
    let says = match (&slot.error, there) {
        (Some(error), _) => error.as_str(),
        (None, false) => "not there",
        // Under a dialog a picture would be drawn over it: some protocols know no layers.
        (None, true) if covered => "",
        (None, true) => match &slot.picture {
            Some(picture)
                if picture.protocol.size().width <= area.width
                    && picture.protocol.size().height <= area.height =>
            {
                let size = picture.protocol.size();
                let centred = Rect {
                    x: area.x + (area.width - size.width) / 2,
                    y: area.y + (area.height - size.height) / 2,
                    width: size.width,
                    height: size.height,
                };
                Image::new(&picture.protocol).render(centred, buf);
                return;
            }
            _ => "fetching …",
        },
    };
    if area.height > 0 {
        put(
            buf,
            area.x,
            area.y,
            text::fit(says, usize::from(area.width)),
            style,
        );
    }
}
