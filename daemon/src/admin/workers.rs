//! Processes that share the store.

use actix_web::web;
use cleanplate_api::admin::{WorkerRow, WorkersReply};
use cleanplate_api::endpoint::Json;
use cleanplate_store::Worker;

use crate::app::App;
use crate::refusal::Refusal;

/// `GET /workers`
pub async fn list(app: web::Data<App>) -> Result<Json<WorkersReply>, Refusal> {
    let found = app.store(|store| store.workers()).await?;
    let row = |worker: Worker| WorkerRow {
        answers: worker.report.name == app.jobs.name(),
        name: worker.report.name,
        role: worker.report.role,
        device: worker.report.device,
        version: worker.report.version,
        started_at_ms: worker.started_at_ms,
        silent_s: worker.silent_ms as f64 / 1000.0,
        alive: worker.alive,
        jobs: worker.jobs.iter().map(ToString::to_string).collect(),
    };
    Ok(Json(WorkersReply {
        workers: found.into_iter().map(row).collect(),
    }))
}
