//! The overview: throughput, latency, queue, device and memory, and the newest jobs.

use cleanplate_api::admin::{MetricsTick, ServerState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::{Role, Theme};
use crate::state::{State, TICKS_MAX};
use crate::text;
use crate::widget::ink::put;
use crate::widget::{dialog, graph, table_view};

/// A curve with its figure.
struct Curve {
    title: &'static str,
    role: Role,
    figure: String,
    values: Vec<Option<f64>>,
    /// Value of the full height; `None`: a round number above the greatest.
    top: Option<f64>,
    top_text: fn(f64) -> String,
}

/// Draws the overview.
pub fn draw(state: &mut State, buf: &mut Buffer, area: Rect) {
    let theme = state.theme.clone();
    let columns: u16 = if area.width >= 150 { 3 } else { 2 };
    let curves = curves(state);
    // Curves grow with the screen, the newest jobs take what is left; on a low screen the last curves are left out.
    let rows = (curves.len() as u16)
        .div_ceil(columns)
        .min(area.height / 4)
        .max(1);
    let panel_height = (area.height * 3 / 5 / rows).clamp(4, 10);
    let mut y = area.y;
    for row in 0..rows {
        let width = area.width / columns;
        for column in 0..columns {
            let place = usize::from(row * columns + column);
            let last = column + 1 == columns;
            let panel = Rect {
                x: area.x + column * width,
                y,
                width: if last {
                    area.width - column * width
                } else {
                    width
                },
                height: panel_height,
            };
            if let Some(curve) = curves.get(place) {
                draw_curve(curve, buf, panel, &theme);
            }
        }
        y += panel_height;
    }
    let facts_height = if area.height < 30 { 4 } else { 5 };
    if area.bottom() >= y + facts_height {
        draw_facts(
            state,
            buf,
            Rect {
                y,
                height: facts_height,
                ..area
            },
            &theme,
        );
        y += facts_height;
    }
    let rest = Rect {
        y,
        height: area.bottom() - y,
        ..area
    };
    if rest.height >= 4 {
        let inner = dialog::panel(buf, rest, &theme, "newest jobs");
        let says = if state.jobs.loaded {
            "no jobs yet"
        } else {
            "asking the daemon …"
        };
        let now_ms = state.now_ms;
        table_view::draw(&mut state.jobs, buf, inner, &theme, now_ms, says);
    }
}

fn curves(state: &State) -> Vec<Curve> {
    let ticks = &state.ticks;
    let of =
        |value: &dyn Fn(&MetricsTick) -> Option<f64>| ticks.iter().map(value).collect::<Vec<_>>();
    let last = ticks.back();
    let latency = |tick: Option<&MetricsTick>| {
        tick.and_then(|tick| tick.latency.p50_ms.zip(tick.latency.p95_ms))
    };
    let minute: u32 = ticks.iter().rev().take(60).map(|tick| tick.completed).sum();
    let queue = state.queue.as_ref();
    let device_max = state.device_bytes_max as f64;
    let span = |value: f64| text::span_ms(value);
    let count = |value: f64| {
        if value < 1.0 {
            format!("{value:.1}")
        } else {
            format!("{value:.0}")
        }
    };
    let size = |value: f64| text::bytes(value as u64);
    vec![
        Curve {
            title: "throughput",
            role: Role::Spark,
            figure: last.map_or(String::new(), |tick| {
                format!(
                    "{} jobs/s · {minute}/min · {} req/s",
                    tick.completed, tick.requests
                )
            }),
            values: of(&|tick| Some(f64::from(tick.completed))),
            top: None,
            top_text: count,
        },
        Curve {
            title: "latency p95",
            role: Role::SparkTwo,
            figure: latency(last).map_or("no job in the last minute".to_string(), |(p50, p95)| {
                format!("p50 {} · p95 {}", span(p50), span(p95))
            }),
            values: of(&|tick| tick.latency.p95_ms),
            top: None,
            top_text: span,
        },
        Curve {
            title: "queue",
            role: Role::Spark,
            figure: queue.map_or(String::new(), |queue| {
                format!(
                    "{} waiting of {} · {} running",
                    queue.waiting, queue.length_max, queue.running
                )
            }),
            values: of(&|tick| Some(f64::from(tick.waiting))),
            top: None,
            top_text: count,
        },
        Curve {
            title: "device busy",
            role: Role::Good,
            figure: last.map_or(String::new(), |tick| {
                format!("{:.0} % · {:.1} cores", tick.busy * 100.0, tick.cpu_cores)
            }),
            values: of(&|tick| Some(tick.busy)),
            top: Some(1.0),
            top_text: |value| format!("{:.0} %", value * 100.0),
        },
        Curve {
            title: "memory",
            role: Role::SparkTwo,
            figure: last.map_or(String::new(), |tick| {
                format!("{} resident", text::bytes(tick.rss_bytes))
            }),
            values: of(&|tick| Some(tick.rss_bytes as f64)),
            top: None,
            top_text: size,
        },
        Curve {
            title: "device memory",
            role: Role::Spark,
            figure: last.map_or(String::new(), |tick| {
                format!(
                    "{} of {}",
                    text::bytes(tick.device_bytes),
                    text::bytes(state.device_bytes_max)
                )
            }),
            values: of(&|tick| Some(tick.device_bytes as f64)),
            top: (device_max > 0.0).then_some(device_max),
            top_text: size,
        },
    ]
}

fn draw_curve(curve: &Curve, buf: &mut Buffer, area: Rect, theme: &Theme) {
    let inner = dialog::panel(buf, area, theme, curve.title);
    if inner.height == 0 || inner.width == 0 {
        return;
    }
    let width = usize::from(inner.width);
    let figure = text::fit(&curve.figure, width);
    put(buf, inner.x, inner.y, &figure, theme.style(Role::Text));
    let graph_area = Rect {
        y: inner.y + 1,
        height: inner.height - 1,
        ..inner
    };
    let seen = &curve.values[curve.values.len().saturating_sub(width.min(TICKS_MAX))..];
    let top = curve.top.unwrap_or_else(|| graph::round_top(seen));
    graph::curve(buf, graph_area, seen, top, theme.style(curve.role));
    // The scale stands right of the figure, where there is room for it.
    let scale = format!("↑{}", (curve.top_text)(top));
    if !seen.is_empty() && text::width(&figure) + text::width(&scale) < width {
        put(
            buf,
            inner.right() - text::width(&scale) as u16,
            inner.y,
            scale,
            theme.style(Role::Dim),
        );
    }
}

fn draw_facts(state: &State, buf: &mut Buffer, area: Rect, theme: &Theme) {
    let inner = dialog::panel(buf, area, theme, "daemon");
    let Some(server) = &state.server else {
        put(
            buf,
            inner.x,
            inner.y,
            text::fit("asking the daemon …", usize::from(inner.width)),
            theme.style(Role::Dim),
        );
        return;
    };
    let (state_text, role) = match server.state {
        ServerState::Ready => ("ready".to_string(), Role::Good),
        ServerState::Starting => ("starting".to_string(), Role::Busy),
        ServerState::Draining => ("stopping".to_string(), Role::Warn),
        ServerState::Degraded => (
            format!(
                "degraded: {}",
                server.reason.as_deref().unwrap_or("no reason given")
            ),
            Role::Bad,
        ),
    };
    let device = server.device.as_ref().map_or("none".to_string(), |device| {
        format!("{} {} · {}", device.backend, device.name, device.driver)
    });
    let totals = server.totals;
    let disk = state
        .ticks
        .back()
        .map(|tick| text::bytes(tick.disk_free_bytes))
        .unwrap_or_default();
    let up = text::span_ms((state.now_ms - server.started_at_ms).max(0) as f64);
    let wide = inner.width >= 110;
    let half = if wide { inner.width / 2 } else { inner.width };
    let left = Rect {
        width: half,
        ..inner
    };
    let pair = |buf: &mut Buffer, place: u16, label: &str, value: &str, role: Role| {
        let lines = inner.height.max(1);
        // Facts that find no place below go to the right half, where there is one.
        let (area, line) = if wide && place >= lines {
            (
                Rect {
                    x: inner.x + half,
                    width: inner.width - half,
                    ..inner
                },
                place - lines,
            )
        } else {
            (left, place)
        };
        dialog::pair(buf, area, inner.y + line, 8, label, value, theme, role);
    };
    pair(
        buf,
        0,
        "state",
        &format!("{state_text} · up {up} · {}", server.listen),
        role,
    );
    pair(buf, 1, "device", &device, Role::Text);
    pair(
        buf,
        2,
        "jobs",
        &format!(
            "{} done · {} failed",
            text::number(totals.completed as i64),
            text::number(totals.failed as i64)
        ),
        Role::Text,
    );
    pair(
        buf,
        3,
        "data",
        &format!("{} · {disk} free", server.data_dir),
        Role::Text,
    );
    pair(buf, 4, "you", &server.you.actor, Role::Dim);
    pair(
        buf,
        5,
        "process",
        &format!("{} · {}", server.pid, server.version),
        Role::Dim,
    );
}
