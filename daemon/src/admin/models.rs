//! Models and pipelines.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use cleanplate_api::ErrorCode;
use cleanplate_api::admin::{
    Event, ImportModel, LoadState, ModelRow, ModelsReply, PipelineRow, PipelinesReply, TaskKind,
};
use cleanplate_models::store::Progress;
use cleanplate_models::{ModelError, ModelInfo};
use serde_json::json;

use super::gate::Who;
use super::params::{Body, accepted, ok};
use super::tasks::{Busy, Tasks};
use super::{AdminState, audit, errors};
use crate::app::App;
use crate::blocking::blocking;
use crate::refusal::Refusal;
use crate::telemetry::{escaped, short};

/// Shortest pause between two events about a task's progress.
const PROGRESS: Duration = Duration::from_millis(200);

/// `GET /models`
pub async fn list(
    app: web::Data<App>,
    state: web::Data<AdminState>,
) -> Result<HttpResponse, Refusal> {
    let (inner, memory_bytes_max) = (app.clone().into_inner(), app.config.engine.memory_bytes_max);
    let models = blocking(move || -> Result<_, ModelError> {
        let loaded = inner.models.loaded();
        Ok(inner
            .models
            .list()?
            .iter()
            .map(|info| row(&inner, &state.tasks, info, loaded.as_deref()))
            .collect())
    });
    let models = models
        .await?
        .map_err(|error| Refusal::internal("listing models failed", &error))?;
    Ok(ok(&ModelsReply {
        models,
        memory_bytes_max,
    }))
}

/// `loaded`: names of those in memory; `None` while one is being loaded by a job.
fn row(app: &App, tasks: &Tasks, info: &ModelInfo, loaded: Option<&[String]>) -> ModelRow {
    let error = tasks.failed(&info.name);
    let is_loaded = loaded.is_some_and(|names| names.contains(&info.name));
    let state = match (&error, is_loaded) {
        (_, true) => LoadState::Loaded,
        _ if !info.present => LoadState::Absent,
        _ if tasks.is_loading(&info.name) => LoadState::Loading,
        (Some(_), _) => LoadState::Failed,
        _ => LoadState::Unloaded,
    };
    let uses = |pipeline: &&cleanplate_pipeline::Pipeline| {
        pipeline.models().any(|model| model == info.name)
    };
    ModelRow {
        name: info.name.clone(),
        arch: info.arch.clone(),
        sha256: info.sha256.clone(),
        bytes: info.bytes,
        origin: info.origin.clone(),
        licence: info.licence.clone(),
        embedded: info.embedded,
        state,
        error: error.filter(|_| state == LoadState::Failed),
        pipelines: app
            .pipelines
            .list()
            .iter()
            .filter(uses)
            .map(|pipeline| pipeline.name.clone())
            .collect(),
        task: tasks.of(&info.name),
    }
}

/// The row of a model by name, told to those who look on. Blocks.
fn tell(app: &App, tasks: &Tasks, name: &str) -> Result<ModelRow, ModelError> {
    let info = app.models.info(name)?;
    let row = row(app, tasks, &info, app.models.loaded().as_deref());
    app.feed.leave(Event::Model(row.clone()));
    Ok(row)
}

/// `POST /models/{name}/load`
pub async fn load(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let name = known(&app, &name).await?;
    audit::note(&app, &who, "model.load", format!("model:{name}"), json!({})).await?;
    let inner = app.clone().into_inner();
    let outcome = blocking(move || {
        state.tasks.set_loading(&name, true);
        drop(tell(&inner, &state.tasks, &name));
        let loaded = inner.models.load(&name);
        state.tasks.set_loading(&name, false);
        state
            .tasks
            .set_failed(&name, loaded.as_ref().err().map(ToString::to_string));
        let row = tell(&inner, &state.tasks, &name);
        loaded.and(row)
    });
    Ok(ok(&outcome
        .await?
        .map_err(|error| errors::model(&error))?))
}

/// `POST /models/{name}/unload`
pub async fn unload(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let name = known(&app, &name).await?;
    audit::note(
        &app,
        &who,
        "model.unload",
        format!("model:{name}"),
        json!({}),
    )
    .await?;
    let inner = app.clone().into_inner();
    let outcome = blocking(move || {
        let info = inner.models.info(&name)?;
        inner.models.unload(&name);
        // Plans hold the weights too. A job under way keeps those it uses until it ends.
        inner.jobs.forget_weights(&info.sha256);
        state.tasks.set_failed(&name, None);
        tell(&inner, &state.tasks, &name)
    });
    Ok(ok(&outcome
        .await?
        .map_err(|error| errors::model(&error))?))
}

/// `POST /models/{name}/verify`
pub async fn verify(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let name = known(&app, &name).await?;
    let act =
        |app: &App, name: &str, _: &mut dyn FnMut(Progress)| app.models.verify(name).map(drop);
    begin(
        &who,
        app,
        state,
        name,
        TaskKind::Verify,
        "model.verify",
        json!({}),
        act,
    )
    .await
}

/// `POST /models/{name}/pull`
pub async fn pull(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let name = known(&app, &name).await?;
    let act = |app: &App, name: &str, progress: &mut dyn FnMut(Progress)| {
        app.models.pull(name, progress).map(drop)
    };
    begin(
        &who,
        app,
        state,
        name,
        TaskKind::Pull,
        "model.pull",
        json!({}),
        act,
    )
    .await
}

/// `POST /models/{name}/import`
pub async fn import(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
    Body(wish): Body<ImportModel>,
) -> Result<HttpResponse, Refusal> {
    let path = PathBuf::from(&wish.path);
    let (at, is_file) = (path.clone(), path.is_absolute());
    if !is_file || !blocking(move || at.is_file()).await? {
        let text = "is not the absolute path of a file on the daemon's machine";
        return Err(Refusal::field(&["body", "path"], text, "value_error.path"));
    }
    let detail = json!({ "path": short(&escaped(&wish.path), 1_000) });
    let act = move |app: &App, name: &str, progress: &mut dyn FnMut(Progress)| {
        app.models.import(&path, name, progress).map(drop)
    };
    begin(
        &who,
        app,
        state,
        short(&name, 64),
        TaskKind::Import,
        "model.import",
        detail,
        act,
    )
    .await
}

/// The name, if a model has it.
async fn known(app: &web::Data<App>, name: &str) -> Result<String, Refusal> {
    let (inner, name) = (app.clone().into_inner(), name.to_string());
    let (found, name) = blocking(move || (inner.models.info(&name).map(drop), name)).await?;
    found
        .map_err(|_| errors::no_such("model", &escaped(&short(&name, 64))))
        .map(|()| name)
}

async fn begin(
    who: &Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: String,
    kind: TaskKind,
    action: &'static str,
    detail: serde_json::Value,
    act: impl FnOnce(&App, &str, &mut dyn FnMut(Progress)) -> Result<(), ModelError> + Send + 'static,
) -> Result<HttpResponse, Refusal> {
    state.tasks.begin(&name, kind).map_err(|busy| match busy {
        Busy::Model => errors::conflict(format!(
            "something is done with model {name} already; wait for its end"
        )),
        Busy::All => Refusal::new(
            ErrorCode::QueueFull,
            "too many models are worked on at once",
        )
        .retry_after(30),
    })?;
    let noted = audit::note(
        &app,
        who,
        action,
        format!("model:{}", escaped(&name)),
        detail,
    )
    .await;
    if let Err(refusal) = noted {
        state.tasks.end(&name, Some(refusal.text.clone()));
        return Err(refusal);
    }
    let (inner, shared, model) = (
        app.clone().into_inner(),
        state.clone().into_inner(),
        name.clone(),
    );
    let run = move || {
        let mut told = Instant::now();
        let outcome = act(&inner, &model, &mut |progress: Progress| {
            shared.tasks.progress(
                &model,
                format!("{:?}", progress.phase).to_lowercase(),
                progress.done_bytes,
                progress.total_bytes,
            );
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                drop(tell(&inner, &shared.tasks, &model));
            }
        });
        match &outcome {
            Ok(()) => tracing::info!(model, action, "done"),
            Err(error) => tracing::warn!(model, action, %error, "failed"),
        }
        shared
            .tasks
            .end(&model, outcome.err().map(|error| error.to_string()));
        drop(tell(&inner, &shared.tasks, &model));
    };
    if let Err(error) = std::thread::Builder::new()
        .name("model".to_string())
        .spawn(run)
    {
        state.tasks.end(&name, Some(error.to_string()));
        return Err(Refusal::internal(
            "a thread for a model could not be started",
            &error,
        ));
    }
    let inner = app.clone().into_inner();
    let (task, named) = (state.tasks.of(&name), name.clone());
    let row = blocking(move || tell(&inner, &state.tasks, &named)).await?;
    // A model that is being imported for the first time is not known yet.
    Ok(accepted(&row.unwrap_or_else(|_| ModelRow {
        name,
        arch: String::new(),
        sha256: String::new(),
        bytes: 0,
        origin: String::new(),
        licence: String::new(),
        embedded: false,
        state: LoadState::Absent,
        error: None,
        pipelines: Vec::new(),
        task,
    })))
}

/// `GET /pipelines`
pub async fn pipelines(app: web::Data<App>) -> HttpResponse {
    let config = &app.config.pipelines;
    let mut pipelines: Vec<PipelineRow> = app
        .pipelines
        .list()
        .iter()
        .map(|pipeline| PipelineRow {
            name: pipeline.name.clone(),
            default: pipeline.name == config.default,
            allowed: pipeline.name == config.default || config.allowed.contains(&pipeline.name),
            plugins: pipeline
                .steps
                .iter()
                .map(|step| step.plugin.clone())
                .collect(),
        })
        .collect();
    pipelines.sort_by(|a, b| a.name.cmp(&b.name));
    ok(&PipelinesReply { pipelines })
}
