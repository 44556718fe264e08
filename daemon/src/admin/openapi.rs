//! `/openapi.json` of the admin interface, described from its declared operations.

use actix_web::HttpResponse;
use cleanplate_api::admin::ADMIN;

/// `GET /openapi.json`
pub async fn get() -> HttpResponse {
    HttpResponse::Ok().json(ADMIN.document())
}
