//! Curves of the last minutes.

use std::collections::VecDeque;

use cleanplate_api::admin::MetricsTick;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::{Role, Theme};
use crate::screen::{Shared, TICKS_MAX};
use crate::text;
use crate::widget::ink::put;
use crate::widget::{dialog, graph};

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

/// Draws the curves; returns the space below them.
pub fn draw(shared: &Shared, buf: &mut Buffer, area: Rect) -> Rect {
    let columns: u16 = if area.width >= 150 { 3 } else { 2 };
    let curves = curves(shared);
    // Curves grow with the screen, the newest jobs take what is left; on a low screen the last curves are left out.
    let rows = (curves.len() as u16)
        .div_ceil(columns)
        .min(area.height / 4)
        .max(1);
    let height = (area.height * 3 / 5 / rows).clamp(4, 10);
    let width = area.width / columns;
    for (place, curve) in (0..rows * columns).zip(&curves) {
        let (row, column) = (place / columns, place % columns);
        let left = column * width;
        let last = column + 1 == columns;
        let panel = Rect {
            x: area.x + left,
            y: area.y + row * height,
            width: if last { area.width - left } else { width },
            height,
        };
        draw_curve(curve, buf, panel, &shared.theme);
    }
    let used = rows * height;
    Rect {
        y: area.y + used,
        height: area.height.saturating_sub(used),
        ..area
    }
}

fn curves(shared: &Shared) -> Vec<Curve> {
    let (ticks, last) = (&shared.ticks, shared.ticks.back());
    vec![
        throughput(ticks),
        latency(ticks),
        queue(shared),
        Curve {
            title: "device busy",
            role: Role::Good,
            figure: last.map_or(String::new(), |tick| {
                format!("{:.0} % · {:.1} cores", tick.busy * 100.0, tick.cpu_cores)
            }),
            values: of(ticks, |tick| Some(tick.busy)),
            top: Some(1.0),
            top_text: |value| format!("{:.0} %", value * 100.0),
        },
        Curve {
            title: "memory",
            role: Role::SparkTwo,
            figure: last.map_or(String::new(), |tick| {
                format!("{} resident", text::bytes(tick.rss_bytes))
            }),
            values: of(ticks, |tick| Some(tick.rss_bytes as f64)),
            top: None,
            top_text: size,
        },
        device_memory(shared),
    ]
}

fn of(
    ticks: &VecDeque<MetricsTick>,
    value: impl Fn(&MetricsTick) -> Option<f64>,
) -> Vec<Option<f64>> {
    ticks.iter().map(value).collect()
}

fn count(value: f64) -> String {
    if value < 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn size(value: f64) -> String {
    text::bytes(value as u64)
}

fn throughput(ticks: &VecDeque<MetricsTick>) -> Curve {
    let minute: u32 = ticks.iter().rev().take(60).map(|tick| tick.completed).sum();
    let figure = |tick: &MetricsTick| {
        let (jobs, requests) = (tick.completed, tick.requests);
        format!("{jobs} jobs/s · {minute}/min · {requests} req/s")
    };
    Curve {
        title: "throughput",
        role: Role::Spark,
        figure: ticks.back().map_or(String::new(), figure),
        values: of(ticks, |tick| Some(f64::from(tick.completed))),
        top: None,
        top_text: count,
    }
}

fn latency(ticks: &VecDeque<MetricsTick>) -> Curve {
    let last = ticks
        .back()
        .and_then(|tick| tick.latency.p50_ms.zip(tick.latency.p95_ms));
    Curve {
        title: "latency p95",
        role: Role::SparkTwo,
        figure: last.map_or("no job in the last minute".to_string(), |(p50, p95)| {
            format!("p50 {} · p95 {}", text::span_ms(p50), text::span_ms(p95))
        }),
        values: of(ticks, |tick| tick.latency.p95_ms),
        top: None,
        top_text: text::span_ms,
    }
}

fn queue(shared: &Shared) -> Curve {
    let figure = shared.queue.as_ref().map(|queue| {
        format!(
            "{} waiting of {} · {} running",
            queue.waiting, queue.length_max, queue.running
        )
    });
    Curve {
        title: "queue",
        role: Role::Spark,
        figure: figure.unwrap_or_default(),
        values: of(&shared.ticks, |tick| Some(f64::from(tick.waiting))),
        top: None,
        top_text: count,
    }
}

fn device_memory(shared: &Shared) -> Curve {
    let max = shared.device_bytes_max;
    let figure = shared
        .ticks
        .back()
        .map(|tick| format!("{} of {}", text::bytes(tick.device_bytes), text::bytes(max)));
    Curve {
        title: "device memory",
        role: Role::Spark,
        figure: figure.unwrap_or_default(),
        values: of(&shared.ticks, |tick| Some(tick.device_bytes as f64)),
        top: (max > 0).then_some(max as f64),
        top_text: size,
    }
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
        let x = inner.right() - text::width(&scale) as u16;
        put(buf, x, inner.y, scale, theme.style(Role::Dim));
    }
}
