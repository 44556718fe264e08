//! `/openapi.json` of the admin interface, described from its declared operations.

use actix_web::HttpResponse;
use cleanplate_api::admin::ADMIN;
use cleanplate_api::endpoint::AnyJson;

use crate::answer::Answer;

/// `GET /openapi.json`
pub async fn get() -> Answer<AnyJson> {
    Answer::made(HttpResponse::Ok().json(ADMIN.document()))
}
