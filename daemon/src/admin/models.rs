//! Models.

use actix_web::web;
use cleanplate_api::admin::{Event, LoadState, ModelRow, ModelsReply};
use cleanplate_api::endpoint::Json;
use cleanplate_models::{ModelError, ModelInfo};
use serde_json::json;

use super::gate::Who;
use super::tasks::Tasks;
use super::{AdminState, audit, errors};
use crate::app::App;
use crate::blocking::blocking;
use crate::refusal::Refusal;
use crate::telemetry::{escaped, short};

/// `GET /models`
pub async fn list(
    app: web::Data<App>,
    state: web::Data<AdminState>,
) -> Result<Json<ModelsReply>, Refusal> {
    let inner = app.clone().into_inner();
    let memory_bytes_max = app.config.engine.memory_bytes_max * app.jobs.device_count() as u64;
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
    Ok(Json(ModelsReply {
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
        pipeline.models(&*app.models).contains(&info.name)
    };
    ModelRow {
        name: info.name.clone(),
        arch: info.arch.clone(),
        sha256: info.sha256.clone(),
        bytes: info.bytes,
        origin: info.origin.clone(),
        licence: info.licence.clone(),
        trained_on: info.trained_on.clone(),
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
pub(super) fn tell(app: &App, tasks: &Tasks, name: &str) -> Result<ModelRow, ModelError> {
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
) -> Result<Json<ModelRow>, Refusal> {
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
    let row = outcome.await?.map_err(|error| errors::model(&error))?;
    Ok(Json(row))
}

/// `POST /models/{name}/unload`
pub async fn unload(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<Json<ModelRow>, Refusal> {
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
    let row = outcome.await?.map_err(|error| errors::model(&error))?;
    Ok(Json(row))
}

/// The name, if a model has it.
pub(super) async fn known(app: &web::Data<App>, name: &str) -> Result<String, Refusal> {
    let (inner, name) = (app.clone().into_inner(), name.to_string());
    let (found, name) = blocking(move || (inner.models.info(&name).map(drop), name)).await?;
    found
        .map_err(|_| errors::no_such("model", &escaped(&short(&name, 64))))
        .map(|()| name)
}
