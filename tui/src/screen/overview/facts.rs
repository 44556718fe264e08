//! What the daemon tells of itself.

use cleanplate_api::DeviceView;
use cleanplate_api::admin::{ServerState, ServerView};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::Role;
use crate::screen::Shared;
use crate::text;
use crate::widget::dialog;
use crate::widget::ink::put;

/// Draws state, device, jobs, data and who is asking; what finds no place below goes to the right half, where there is one.
pub fn draw(shared: &Shared, buf: &mut Buffer, area: Rect) {
    let theme = &shared.theme;
    let inner = dialog::panel(buf, area, theme, "daemon");
    let Some(server) = &shared.server else {
        let line = text::fit("asking the daemon …", usize::from(inner.width));
        put(buf, inner.x, inner.y, line, theme.style(Role::Dim));
        return;
    };
    let wide = inner.width >= 110;
    let half = if wide { inner.width / 2 } else { inner.width };
    let left = Rect {
        width: half,
        ..inner
    };
    let right = Rect {
        x: inner.x + half,
        width: inner.width - half,
        ..inner
    };
    let lines = inner.height.max(1);
    for (place, (label, value, role)) in (0..).zip(facts(server, shared)) {
        let (area, line) = if wide && place >= lines {
            (right, place - lines)
        } else {
            (left, place)
        };
        dialog::pair(buf, area, inner.y + line, 8, label, &value, theme, role);
    }
}

fn state(server: &ServerView) -> (String, Role) {
    match server.state {
        ServerState::Ready => ("ready".to_string(), Role::Good),
        ServerState::Starting => ("starting".to_string(), Role::Busy),
        ServerState::Draining => ("stopping".to_string(), Role::Warn),
        ServerState::Degraded => {
            let why = server.reason.as_deref().unwrap_or("no reason given");
            (format!("degraded: {why}"), Role::Bad)
        }
    }
}

/// What the last check of the database file found, behind other words.
fn database(server: &ServerView, now_ms: i64) -> (String, Role) {
    let Some(check) = &server.database else {
        return (String::new(), Role::Text);
    };
    let ago = text::span_ms((now_ms - check.checked_at_ms).max(0) as f64);
    match &check.problem {
        None => (format!(" · database sound {ago} ago"), Role::Text),
        Some(problem) => (format!(" · database damaged: {problem}"), Role::Bad),
    }
}

/// The devices that work, and what ails the others.
fn devices(server: &ServerView) -> (String, Role) {
    let text =
        |device: &DeviceView| format!("{} {} · {}", device.backend, device.name, device.driver);
    match &*server.devices {
        [] | [_] => (
            server.device.as_ref().map_or("none".to_string(), text),
            Role::Text,
        ),
        several => {
            let ready = several.iter().filter(|one| one.device.is_some()).count();
            let each = several.iter().map(|one| match (&one.device, &one.error) {
                (Some(device), _) => device.name.clone(),
                (None, error) => format!(
                    "{}: {}",
                    one.adapter.as_deref().unwrap_or("best"),
                    error.as_deref().unwrap_or("none")
                ),
            });
            let each: Vec<String> = each.collect();
            let role = match ready == several.len() {
                true => Role::Text,
                false => Role::Warn,
            };
            (
                format!("{ready} of {} · {}", several.len(), each.join(" · ")),
                role,
            )
        }
    }
}

/// Labels, values and their styles.
fn facts(server: &ServerView, shared: &Shared) -> [(&'static str, String, Role); 6] {
    let (state, role) = state(server);
    let (device, soundness_of_device) = devices(server);
    let disk = shared
        .ticks
        .back()
        .map(|tick| text::bytes(tick.disk_free_bytes))
        .unwrap_or_default();
    let up = text::span_ms((shared.now_ms - server.started_at_ms).max(0) as f64);
    let jobs = format!(
        "{} done · {} failed",
        text::number(server.totals.completed as i64),
        text::number(server.totals.failed as i64)
    );
    let listen = &server.listen;
    let (checked, soundness) = database(server, shared.now_ms);
    [
        ("state", format!("{state} · up {up} · {listen}"), role),
        ("device", device, soundness_of_device),
        ("jobs", jobs, Role::Text),
        (
            "data",
            format!("{} · {disk} free{checked}", server.data_dir),
            soundness,
        ),
        ("you", server.you.actor.clone(), Role::Dim),
        (
            "process",
            format!("{} · {}", server.pid, server.version),
            Role::Dim,
        ),
    ]
}
