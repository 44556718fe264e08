//! `/openapi.json`: the interface, described from its declared operations.

use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::PUBLIC;

use super::context::guard_public;
use crate::app::App;
use crate::refusal::Refusal;

/// `GET /openapi.json`
pub async fn get(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    guard_public(&req, &app)?;
    Ok(HttpResponse::Ok().json(PUBLIC.document()))
}
