//! `/healthz`, `/readyz`, `/metrics`, and what is not there.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use cleanplate_api::endpoint::{Json, Text};
use cleanplate_api::{ErrorCode, HealthReply, QueueView, ReadyReply};
use cleanplate_store::Worker;

use super::context::guard_public;
use crate::answer::Answer;
use crate::app::App;
use crate::process;
use crate::refusal::Refusal;
use crate::telemetry::names;

/// The process lives; what it runs on.
pub async fn healthz(app: web::Data<App>) -> Json<HealthReply> {
    let (waiting, running) = app.jobs.load();
    let device = app.jobs.device();
    let status = if app.closed().is_none() {
        "ok"
    } else {
        "degraded"
    };
    Json(HealthReply {
        status: status.to_string(),
        version: crate::VERSION.to_string(),
        uptime_s: app.started.elapsed().as_secs(),
        device: device.view(),
        device_error: device.error().map(str::to_string),
        devices: app.jobs.devices(),
        queue: QueueView {
            waiting,
            running,
            length_max: app.config.queue.length_max as u32,
        },
    })
}

/// Whether service calls are taken.
pub async fn readyz(app: web::Data<App>) -> Answer<Json<ReadyReply>> {
    let reason = match app.closed() {
        Some(refusal) => Some(refusal.text),
        None => app
            .store(|store| store.health())
            .await
            .err()
            .map(|refusal| refusal.text),
    };
    let ready = reason.is_none();
    let answer = Answer::json(&ReadyReply {
        ready,
        reason,
        database: app.database(),
    });
    if ready {
        answer
    } else {
        answer
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .with("Retry-After", "5")
    }
}

/// Counters in the Prometheus text format, unless they have a listener of their own.
pub async fn metrics(req: HttpRequest, app: web::Data<App>) -> Result<Answer<Text>, Refusal> {
    guard_public(&req, &app)?;
    if app.config.server.metrics_listen.is_some() {
        return Err(Refusal::new(ErrorCode::NotFound, "Not Found"));
    }
    figures(&app).await.map(Answer::made)
}

/// The same, on that listener.
pub async fn own_metrics(app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    figures(&app).await
}

async fn figures(app: &App) -> Result<HttpResponse, Refusal> {
    let (waiting, running) = app.jobs.load();
    let (network_runs, network_crops) = app.jobs.network_counts();
    let mut gauges = vec![
        (names::QUEUE_DEPTH, f64::from(waiting)),
        (names::RUNNING, f64::from(running)),
        (names::NETWORK_RUNS, network_runs as f64),
        (names::NETWORK_CROPS, network_crops as f64),
        (names::READY, f64::from(u8::from(app.closed().is_none()))),
        (names::DISK_FREE, process::free_bytes(&app.dirs.data) as f64),
        (names::PROCESS_CPU, process::processor_s().unwrap_or(0.0)),
        (names::PROCESS_RSS, process::rss_bytes() as f64),
        (names::PROCESS_VIRTUAL, process::virtual_bytes() as f64),
        (names::PROCESS_FDS, process::open_files() as f64),
        (names::PROCESS_FDS_MAX, process::open_files_max() as f64),
        (names::PROCESS_THREADS, process::threads() as f64),
        (names::PROCESS_START, app.started_at_ms as f64 / 1000.0),
    ];
    // A store that fails is told by `cleanplate_ready`; its figures stay as they were.
    if let Ok(health) = app.store(|store| store.health()).await {
        gauges.push((names::DATABASE_BYTES, health.database_bytes as f64));
        gauges.push((names::DATABASE_LOG_BYTES, health.log_bytes as f64));
    }
    tell_devices(app);
    if let Ok(workers) = app.store(|store| store.workers()).await {
        tell_workers(app, &workers);
    }
    for (name, value) in gauges {
        app.metrics.set(name, &[], value);
    }
    app.metrics
        .set(names::BUILD, &[("version", crate::VERSION)], 1.0);
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(app.metrics.render()))
}

fn tell_devices(app: &App) {
    let (mut up, mut bytes) = (Vec::new(), Vec::new());
    let devices = app.jobs.devices();
    for status in &devices {
        let named = status.device.as_ref().map(|device| device.name.as_str());
        let name = status.adapter.as_deref().or(named).unwrap_or_default();
        let held = status
            .device
            .as_ref()
            .map_or(0, |device| device.memory_bytes);
        up.push((vec![("device", name)], f64::from(u8::from(named.is_some()))));
        bytes.push((vec![("device", name)], held as f64));
    }
    app.metrics.replace(names::DEVICE_UP, &up);
    app.metrics.replace(names::DEVICE_BYTES, &bytes);
}

fn tell_workers(app: &App, workers: &[Worker]) {
    let (mut info, mut silent, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    for worker in workers {
        let report = &worker.report;
        let name = ("worker", report.name.as_str());
        let device = report.device.as_deref().unwrap_or_default();
        info.push((
            vec![
                name,
                ("role", &report.role),
                ("version", &report.version),
                ("device", device),
            ],
            1.0,
        ));
        silent.push((vec![name], worker.silent_ms as f64 / 1000.0));
        jobs.push((vec![name], worker.jobs.len() as f64));
    }
    app.metrics.replace(names::WORKER, &info);
    app.metrics.replace(names::WORKER_SILENT, &silent);
    app.metrics.replace(names::WORKER_JOBS, &jobs);
}

/// No such route.
pub async fn not_found(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    if let Err(refusal) = guard_public(&req, &app) {
        return refusal.error_response();
    }
    HttpResponse::from_error(Refusal::new(ErrorCode::NotFound, "Not Found"))
}
