//! What is done with models in the background: checks, downloads, imports.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_web::web;
use cleanplate_api::ErrorCode;
use cleanplate_api::admin::{Event, ImportModel, LoadState, ModelRow, TaskKind};
use cleanplate_api::endpoint::Json;
use cleanplate_models::ModelError;
use cleanplate_models::store::Progress;
use serde_json::{Value, json};

use super::gate::Who;
use super::models::{known, tell};
use super::tasks::Busy;
use super::{AdminState, audit, errors};
use crate::app::App;
use crate::blocking::blocking;
use crate::params::Body;
use crate::refusal::Refusal;
use crate::telemetry::{escaped, short};

/// Shortest pause between two events about a task's progress.
const PROGRESS: Duration = Duration::from_millis(200);

/// A task for a model, before it was begun.
struct Task {
    model: String,
    kind: TaskKind,
    /// As the audit table names it.
    action: &'static str,
    detail: Value,
}

/// `POST /models/{name}/verify`
pub async fn verify(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<Json<ModelRow>, Refusal> {
    let task = Task {
        model: known(&app, &name).await?,
        kind: TaskKind::Verify,
        action: "model.verify",
        detail: json!({}),
    };
    let act =
        |app: &App, name: &str, _: &mut dyn FnMut(Progress)| app.models.verify(name).map(drop);
    begin(&who, app, state, task, act).await
}

/// `POST /models/{name}/pull`
pub async fn pull(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<Json<ModelRow>, Refusal> {
    let task = Task {
        model: known(&app, &name).await?,
        kind: TaskKind::Pull,
        action: "model.pull",
        detail: json!({}),
    };
    let act = |app: &App, name: &str, progress: &mut dyn FnMut(Progress)| {
        app.models.pull(name, progress).map(drop)
    };
    begin(&who, app, state, task, act).await
}

/// `POST /models/{name}/import`
pub async fn import(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
    Body(Json(file)): Body<ImportModel>,
) -> Result<Json<ModelRow>, Refusal> {
    let path = PathBuf::from(&file.path);
    let (at, is_file) = (path.clone(), path.is_absolute());
    if !is_file || !blocking(move || at.is_file()).await? {
        let text = "is not the absolute path of a file on the daemon's machine";
        return Err(Refusal::field(&["body", "path"], text, "value_error.path"));
    }
    let task = Task {
        model: short(&name, 64),
        kind: TaskKind::Import,
        action: "model.import",
        detail: json!({ "path": short(&escaped(&file.path), 1_000) }),
    };
    let act = move |app: &App, name: &str, progress: &mut dyn FnMut(Progress)| {
        app.models.import(&path, name, progress).map(drop)
    };
    begin(&who, app, state, task, act).await
}

/// Notes a task and starts it in a thread of its own.
async fn begin<F>(
    who: &Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    task: Task,
    act: F,
) -> Result<Json<ModelRow>, Refusal>
where
    F: FnOnce(&App, &str, &mut dyn FnMut(Progress)) -> Result<(), ModelError> + Send + 'static,
{
    let name = task.model.clone();
    state
        .tasks
        .begin(&name, task.kind)
        .map_err(|busy| refused(&name, &busy))?;
    let target = format!("model:{}", escaped(&name));
    if let Err(refusal) = audit::note(&app, who, task.action, target, task.detail).await {
        state.tasks.end(&name, Some(refusal.text.clone()));
        return Err(refusal);
    }
    let (inner, shared) = (app.clone().into_inner(), state.clone().into_inner());
    let model = name.clone();
    let started = std::thread::Builder::new()
        .name("model".to_string())
        .spawn(move || run(&inner, &shared, &model, task.action, act));
    if let Err(error) = started {
        state.tasks.end(&name, Some(error.to_string()));
        return Err(Refusal::internal(
            "a thread for a model could not be started",
            &error,
        ));
    }
    let inner = app.into_inner();
    blocking(move || tell_task(&inner, &state, &name))
        .await
        .map(Json)
}

fn refused(name: &str, busy: &Busy) -> Refusal {
    match busy {
        Busy::Model => errors::conflict(format!(
            "something is done with model {name} already; wait for its end"
        )),
        Busy::All => Refusal::new(
            ErrorCode::QueueFull,
            "too many models are worked on at once",
        )
        .retry_after(30),
    }
}

/// Carries a task through and tells how far it is. Blocks.
fn run(
    app: &App,
    state: &AdminState,
    model: &str,
    action: &str,
    act: impl FnOnce(&App, &str, &mut dyn FnMut(Progress)) -> Result<(), ModelError>,
) {
    let mut told = Instant::now();
    let outcome = act(app, model, &mut |progress: Progress| {
        state.tasks.progress(
            model,
            format!("{:?}", progress.phase).to_lowercase(),
            progress.done_bytes,
            progress.total_bytes,
        );
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            drop(tell_task(app, state, model));
        }
    });
    match &outcome {
        Ok(()) => tracing::info!(model, action, "done"),
        Err(error) => tracing::warn!(model, action, %error, "failed"),
    }
    state
        .tasks
        .end(model, outcome.err().map(|error| error.to_string()));
    drop(tell_task(app, state, model));
}

/// Tells those who look on how a model stands; one that is imported for the first time is not known yet. Blocks.
fn tell_task(app: &App, state: &AdminState, name: &str) -> ModelRow {
    tell(app, &state.tasks, name).unwrap_or_else(|_| {
        let row = ModelRow {
            name: name.to_string(),
            arch: String::new(),
            sha256: String::new(),
            bytes: 0,
            origin: String::new(),
            licence: String::new(),
            trained_on: None,
            embedded: false,
            state: LoadState::Absent,
            error: None,
            pipelines: Vec::new(),
            task: state.tasks.of(name),
        };
        app.feed.leave(Event::Model(row.clone()));
        row
    })
}
