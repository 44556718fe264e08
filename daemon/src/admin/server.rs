//! The daemon itself.

use actix_web::web;
use cleanplate_api::QueueView;
use cleanplate_api::admin::{Admin, GetHistory, MetricsHistory, ServerView};
use cleanplate_api::endpoint::Json;
use cleanplate_engine::BackendChoice;

use super::gate::Who;
use crate::app::App;
use crate::clock::now_ms;
use crate::feed::HISTORY_S;
use crate::monitor::server_state;
use crate::params::{self, Params};
use crate::refusal::Refusal;

/// `GET /server`
pub async fn get(who: Who, app: web::Data<App>) -> Result<Json<ServerView>, Refusal> {
    // The number first: whatever is read after it is at least as new.
    let seq = app.feed.ring().newest();
    let (waiting, running) = app.feed.load();
    let state = server_state(&app);
    Ok(Json(ServerView {
        version: crate::VERSION.to_string(),
        boot: app.feed.ring().boot().to_string(),
        seq,
        started_at_ms: app.started_at_ms,
        now_at_ms: now_ms(),
        pid: std::process::id(),
        state: state.state,
        reason: state.reason,
        listen: app.config.server.listen.to_string(),
        data_dir: app.dirs.data.display().to_string(),
        backend: match app.config.engine.backend {
            BackendChoice::Auto => "auto",
            BackendChoice::Wgpu => "wgpu",
            BackendChoice::Cpu => "cpu",
        }
        .to_string(),
        device: app.jobs.device().view(),
        devices: app.jobs.devices(),
        queue: QueueView {
            waiting,
            running,
            length_max: app.config.queue.length_max as u32,
        },
        totals: app.feed.totals(),
        metrics: app.feed.newest(),
        database: app.database(),
        you: Admin { actor: who.0 },
    }))
}

/// `GET /metrics/history`
pub async fn history(
    app: web::Data<App>,
    Params(span): Params<GetHistory>,
) -> Result<Json<MetricsHistory>, Refusal> {
    let most = HISTORY_S as u32;
    let seconds = params::whole("seconds", span.seconds, 1..=most, most)?;
    Ok(Json(MetricsHistory {
        ticks: app.feed.history(seconds as usize),
    }))
}
