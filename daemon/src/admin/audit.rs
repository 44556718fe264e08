//! The audit table.

use actix_web::web;
use cleanplate_api::admin::{AuditRow, ListActions, Page};
use cleanplate_api::endpoint::Json;
use serde_json::Value;

use super::errors::ask;
use super::gate::Who;
use super::rows;
use crate::app::App;
use crate::params::{self, Params};
use crate::refusal::Refusal;
use crate::telemetry::short;

/// `GET /audit`
pub async fn list(
    app: web::Data<App>,
    Params(listing): Params<ListActions>,
) -> Result<Json<Page<AuditRow>>, Refusal> {
    let (text, page) = (
        params::text(listing.text)?,
        params::page(listing.after.as_deref(), listing.rows)?,
    );
    let found = ask(&app, move |store| {
        store.list_actions(text.as_deref(), &page)
    })
    .await?;
    Ok(Json(params::rows(found, rows::audit)))
}

/// Notes an action that the store does not note itself. Before the action where that can fail, so that none goes unnoted.
pub async fn note(
    app: &App,
    who: &Who,
    action: &'static str,
    target: String,
    detail: Value,
) -> Result<(), Refusal> {
    let (who, target) = (who.0.clone(), short(&target, 100));
    ask(app, move |store| {
        store.record_action(&who, action, &target, &detail)
    })
    .await
    .map(drop)
}
