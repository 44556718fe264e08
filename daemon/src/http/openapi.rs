//! `/openapi.json`: the interface, described from its declared operations.

use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::PUBLIC;
use cleanplate_api::endpoint::AnyJson;

use super::context::guard_public;
use crate::answer::Answer;
use crate::app::App;
use crate::refusal::Refusal;

/// `GET /openapi.json`
pub async fn get(req: HttpRequest, app: web::Data<App>) -> Result<Answer<AnyJson>, Refusal> {
    guard_public(&req, &app)?;
    let reply = HttpResponse::Ok().json(PUBLIC.document());
    Ok(Answer::made(reply))
}
