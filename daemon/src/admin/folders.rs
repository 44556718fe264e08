//! Watched folders.

use actix_web::web;
use cleanplate_api::FolderStatus;
use cleanplate_api::admin::{FolderPair, FoldersReply, ReleasePair, RetryPair};
use cleanplate_api::endpoint::Json;
use serde_json::{Value, json};

use super::gate::Who;
use super::{AdminState, audit, errors};
use crate::app::App;
use crate::blocking::blocking;
use crate::folder::{FolderCommand, Folders, Remedy};
use crate::params::Body;
use crate::refusal::Refusal;

/// `GET /folders`
pub async fn list(state: web::Data<AdminState>) -> Result<Json<FoldersReply>, Refusal> {
    let mut folders = state.folders.status();
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(FoldersReply { folders }))
}

/// `POST /folders/{name}/pause`
pub async fn pause(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<Json<FolderStatus>, Refusal> {
    give(
        &who,
        &app,
        &state,
        &name,
        FolderCommand::Pause,
        "folder.pause",
    )
    .await
}

/// `POST /folders/{name}/resume`
pub async fn resume(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<Json<FolderStatus>, Refusal> {
    give(
        &who,
        &app,
        &state,
        &name,
        FolderCommand::Resume,
        "folder.resume",
    )
    .await
}

/// `POST /folders/{name}/rescan`
pub async fn rescan(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
) -> Result<Json<FolderStatus>, Refusal> {
    give(
        &who,
        &app,
        &state,
        &name,
        FolderCommand::Rescan,
        "folder.rescan",
    )
    .await
}

/// `POST /folders/{name}/retry`
pub async fn retry(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
    body: Body<RetryPair>,
) -> Result<Json<FolderStatus>, Refusal> {
    let change = (Remedy::Retry, "folder.retry");
    deal_with(&who, &app, &state, &name, body.0, change).await
}

/// `POST /folders/{name}/release`
pub async fn release(
    who: Who,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    name: web::Path<String>,
    body: Body<ReleasePair>,
) -> Result<Json<FolderStatus>, Refusal> {
    let change = (Remedy::Release, "folder.release");
    deal_with(&who, &app, &state, &name, body.0, change).await
}

async fn deal_with(
    who: &Who,
    app: &App,
    state: &AdminState,
    name: &str,
    Json(FolderPair { pair }): Json<FolderPair>,
    (remedy, action): (Remedy, &'static str),
) -> Result<Json<FolderStatus>, Refusal> {
    let detail = json!({ "pair": crate::telemetry::short(&pair, 1000) });
    change(
        who,
        app,
        state,
        name,
        action,
        |_| detail,
        move |folders, name| folders.deal_with(name, &pair, remedy),
    )
    .await
}

async fn give(
    who: &Who,
    app: &App,
    state: &AdminState,
    name: &str,
    command: FolderCommand,
    action: &'static str,
) -> Result<Json<FolderStatus>, Refusal> {
    let detail = |before: &FolderStatus| json!({ "before": { "paused": before.paused } });
    change(
        who,
        app,
        state,
        name,
        action,
        detail,
        move |folders, name| folders.order(name, command).map(Ok),
    )
    .await
}

/// Changes a folder, once it is in the audit. `act` gives `None` for a folder that is gone, and why not where it cannot be.
async fn change(
    who: &Who,
    app: &App,
    state: &AdminState,
    name: &str,
    action: &'static str,
    detail: impl FnOnce(&FolderStatus) -> Value,
    act: impl FnOnce(&Folders, &str) -> Option<Result<FolderStatus, String>> + Send + 'static,
) -> Result<Json<FolderStatus>, Refusal> {
    let shown = crate::telemetry::escaped(&crate::telemetry::short(name, 64));
    let gone = || errors::no_such("folder", &shown);
    let before = find(state, name).ok_or_else(gone)?;
    audit::note(app, who, action, format!("folder:{shown}"), detail(&before)).await?;
    let (folders, owned) = (state.folders.clone(), name.to_string());
    let after = blocking(move || act(&folders, &owned)).await?;
    after.ok_or_else(gone)?.map(Json).map_err(errors::conflict)
}

fn find(state: &AdminState, name: &str) -> Option<FolderStatus> {
    state
        .folders
        .status()
        .into_iter()
        .find(|folder| folder.name == name)
}
