//! Who asks: the bearer key, and what it may do now.

use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage, HttpRequest};
use cleanplate_api::ErrorCode;
use cleanplate_store::{ApiKey, KeyCheck, KeyRecord, KeyState};

use super::context::{client_address, too_many};
use crate::app::App;
use crate::clock::now_ms;
use crate::limits::{LimitState, Route, WINDOW_S};
use crate::refusal::Refusal;

/// Authenticates a request and counts it against the key's limit for the route.
pub async fn caller(req: &HttpRequest, app: &App, route: Route) -> Result<KeyRecord, Refusal> {
    let record = match record(req, app).await? {
        Some(record) => record,
        None => return Err(failed(req, app)),
    };
    let state = count(app, &record, route).await?;
    req.extensions_mut().insert(state);
    if state.allowed {
        Ok(record)
    } else {
        Err(too_many(&state))
    }
}

/// Counts a request of this key: with all processes where they share a database, in memory otherwise.
async fn count(app: &App, record: &KeyRecord, route: Route) -> Result<LimitState, Refusal> {
    let Some(shared) = app.shared.clone() else {
        return Ok(app.limits.count(record, route));
    };
    let (key, quota) = (record.id, app.limits.quota(record, route));
    let count = move || shared.count_request(key, route.policy(), quota, (WINDOW_S * 1000) as i64);
    let count = crate::blocking::blocking(count).await??;
    Ok(LimitState {
        policy: route.policy(),
        limit: quota,
        remaining: quota.saturating_sub(count.passed),
        reset: Duration::from_millis(count.reset_ms),
        allowed: count.allowed,
    })
}

/// The working key of a request: the one that it brings, or that of this machine in single-user mode.
async fn record(req: &HttpRequest, app: &App) -> Result<Option<KeyRecord>, Refusal> {
    if !req.headers().contains_key(AUTHORIZATION) {
        let Some(local) = app.local.as_ref().filter(|local| local.admits(req)) else {
            return Ok(None);
        };
        let id = local.key;
        let record = app.store(move |store| store.key(id)).await?;
        return Ok(record.filter(|record| record.state(now_ms()) == KeyState::Active));
    }
    let Some(key) = bearer(req).and_then(|text| ApiKey::parse(text).ok()) else {
        return Ok(None);
    };
    let hash = key.hash();
    Ok(
        match app.store(move |store| store.authenticate(&hash)).await? {
            KeyCheck::Active(record) => Some(*record),
            KeyCheck::Refused => None,
        },
    )
}

fn bearer(req: &HttpRequest) -> Option<&str> {
    let value = req.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// One answer for every way a key can be wrong, so that guessing teaches nothing.
fn failed(req: &HttpRequest, app: &App) -> Refusal {
    let state = app.limits.auth_failures.count(client_address(req, app));
    req.extensions_mut().insert(state);
    if state.allowed {
        Refusal::new(ErrorCode::Unauthorized, "Invalid or missing API key")
    } else {
        too_many(&state)
    }
}
