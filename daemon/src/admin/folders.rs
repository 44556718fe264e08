//! Watched folders.

use actix_web::web;
use cleanplate_api::FolderStatus;
use cleanplate_api::admin::FoldersReply;
use cleanplate_api::endpoint::Json;
use serde_json::json;

use super::gate::Who;
use super::{AdminState, audit, errors};
use crate::app::App;
use crate::blocking::blocking;
use crate::folder::FolderCommand;
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

async fn give(
    who: &Who,
    app: &App,
    state: &AdminState,
    name: &str,
    command: FolderCommand,
    action: &'static str,
) -> Result<Json<FolderStatus>, Refusal> {
    let shown = crate::telemetry::escaped(&crate::telemetry::short(name, 64));
    let before = find(state, name).ok_or_else(|| errors::no_such("folder", &shown))?;
    audit::note(
        app,
        who,
        action,
        format!("folder:{shown}"),
        json!({ "before": { "paused": before.paused } }),
    )
    .await?;
    let (folders, owned) = (state.folders.clone(), name.to_string());
    let after = blocking(move || folders.order(&owned, command))
        .await?
        .ok_or_else(|| errors::no_such("folder", &shown))?;
    Ok(Json(after))
}

fn find(state: &AdminState, name: &str) -> Option<FolderStatus> {
    state
        .folders
        .status()
        .into_iter()
        .find(|folder| folder.name == name)
}
