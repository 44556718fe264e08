//! Who asks: the bearer key, and what it may do now.

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage, HttpRequest};
use cleanplate_api::ErrorCode;
use cleanplate_store::{ApiKey, KeyCheck, KeyRecord};

use super::context::{client_address, too_many};
use crate::app::App;
use crate::limits::Route;
use crate::refusal::Refusal;

/// Authenticates a request and counts it against the key's limit for the route.
pub async fn caller(req: &HttpRequest, app: &App, route: Route) -> Result<KeyRecord, Refusal> {
    let Some(key) = bearer(req).and_then(|text| ApiKey::parse(text).ok()) else {
        return Err(failed(req, app));
    };
    let hash = key.hash();
    let record = match app.store(move |store| store.authenticate(&hash)).await? {
        KeyCheck::Active(record) => *record,
        KeyCheck::Refused => return Err(failed(req, app)),
    };
    let state = app.limits.count(&record, route);
    req.extensions_mut().insert(state);
    if state.allowed {
        Ok(record)
    } else {
        Err(too_many(&state))
    }
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
