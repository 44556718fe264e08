//! Screens that are one table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::Role;
use crate::state::{Hit, Link, State, rows};
use crate::text;
use crate::widget::dialog;
use crate::widget::graph;
use crate::widget::ink::put;
use crate::widget::table::{List, Row, Table};
use crate::widget::table_view;

/// What an empty table says: nothing came yet, the filter hides all, or there is nothing.
fn empty(state: &State, loaded: bool, kept: bool, nothing: &str) -> String {
    match (loaded, kept, &state.link) {
        (_, true, _) => "nothing passes the filter (esc shows all)".to_string(),
        (true, false, _) => nothing.to_string(),
        (false, false, Link::Lost { .. }) => "no connection yet".to_string(),
        (false, false, _) => "asking the daemon …".to_string(),
    }
}

/// Draws one of the tables of the state in a frame.
fn framed<R: Row>(
    state: &mut State,
    buf: &mut Buffer,
    area: Rect,
    title: &str,
    nothing: &str,
    table: impl Fn(&mut State) -> &mut Table<R>,
) {
    let shown = table(state);
    let (loaded, kept, (rows, marked, all)) =
        (shown.loaded, shown.all().next().is_some(), shown.counts());
    let mut parts = vec![title.to_string()];
    parts.push(if rows == all {
        all.to_string()
    } else {
        format!("{rows} of {all}")
    });
    parts.extend((marked > 0).then(|| format!("{marked} marked")));
    parts.extend((!shown.filter().is_empty()).then(|| format!("/{}", shown.filter())));
    let inner = dialog::panel(buf, area, &state.theme, &parts.join(" · "));
    let says = empty(state, loaded, kept, nothing);
    let (theme, now_ms) = (state.theme.clone(), state.now_ms);
    table_view::draw(table(state), buf, inner, &theme, now_ms, &says);
    state.hits.push((
        Rect {
            y: inner.y + 1,
            height: inner.height.saturating_sub(1),
            ..inner
        },
        Hit::Rows,
    ));
}

/// Jobs.
pub fn jobs(state: &mut State, buf: &mut Buffer, area: Rect) {
    let mut title = state.jobs_status.map_or("jobs".to_string(), |status| {
        format!("jobs · only {}", rows::status(status))
    });
    if !state.jobs_text.is_empty() {
        title += &format!(" · found {:?}", state.jobs_text);
    }
    framed(state, buf, area, &title, "no jobs yet", |state| {
        &mut state.jobs
    });
}

/// Keys.
pub fn keys(state: &mut State, buf: &mut Buffer, area: Rect) {
    framed(state, buf, area, "keys", "no keys yet", |state| {
        &mut state.keys
    });
}

/// Folders.
pub fn folders(state: &mut State, buf: &mut Buffer, area: Rect) {
    framed(
        state,
        buf,
        area,
        "watched folders",
        "no folder is watched: add a [[hot_folder]] to the daemon's configuration",
        |state| &mut state.folders,
    );
}

/// Models, and the memory that they take.
pub fn models(state: &mut State, buf: &mut Buffer, area: Rect) {
    let used = state.ticks.back().map_or(0, |tick| tick.device_bytes);
    let bar = Rect {
        height: 3,
        y: area.bottom() - 3,
        ..area
    };
    framed(
        state,
        buf,
        Rect {
            height: area.height - 3,
            ..area
        },
        "models",
        "no models",
        |state| &mut state.models,
    );
    let inner = dialog::panel(buf, bar, &state.theme, "memory for weights and plans");
    let label = format!(
        "{} of {}",
        text::bytes(used),
        text::bytes(state.device_bytes_max)
    );
    let width = (label.len() as u16 + 1).min(inner.width);
    let share = used as f64 / state.device_bytes_max.max(1) as f64;
    let (filled, ground) = (
        state.theme.style(Role::Gauge),
        state.theme.style(Role::Border),
    );
    graph::gauge(
        buf,
        Rect {
            width: inner.width - width,
            ..inner
        },
        share,
        filled,
        ground,
    );
    put(
        buf,
        inner.right() - width + 1,
        inner.y,
        text::fit(&label, usize::from(width) - 1),
        state.theme.style(Role::Text),
    );
}

/// Log lines.
pub fn log(state: &mut State, buf: &mut Buffer, area: Rect) {
    let title = format!("log · {} and above", rows::level(state.log_level).0);
    framed(state, buf, area, &title, "no lines", |state| &mut state.log);
}
