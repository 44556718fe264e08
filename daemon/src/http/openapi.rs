//! `/openapi.json`: the interface, described from the handlers and types themselves.

use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::{BatchQuoteReply, QuoteReply};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::context::guard_public;
use super::{batch, events, files, health, reads, removal, segmentation};
use crate::app::App;
use crate::refusal::Refusal;

/// Fields of a removal.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct RemovalForm {
    /// JPEG, PNG or WebP.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    image: String,
    /// PNG of the image's displayed size: 128 and brighter is removed. Required unless points or a box are given.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    mask: Option<String>,
}

/// Fields of a segmentation.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct SegmentationForm {
    /// JPEG, PNG or WebP.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    image: String,
}

/// Fields of a batch.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct BatchForm {
    /// 1 to 50 photos: JPEG, PNG or WebP.
    #[schema(value_type = Vec<String>, format = Binary)]
    images: Vec<String>,
    /// As many masks, in the order of the photos.
    #[schema(value_type = Vec<String>, format = Binary)]
    masks: Vec<String>,
}

struct KeyScheme;

impl Modify for KeyScheme {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key: sk-live-..."))
            .build();
        api.components
            .get_or_insert_default()
            .add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Cleanplate", description = "Removes unwanted objects from photos.", license(name = "Apache-2.0")),
    paths(removal::post, segmentation::post, batch::post, batch::get, files::get_output, files::get_mask, reads::job, reads::cancel, events::get, reads::account, reads::models, health::healthz, health::readyz, health::metrics),
    components(schemas(QuoteReply, BatchQuoteReply)),
    modifiers(&KeyScheme)
)]
struct Api;

/// The description as JSON.
pub fn document() -> String {
    Api::openapi()
        .to_json()
        .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// `GET /openapi.json`
pub async fn get(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    guard_public(&req, &app)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(document()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_route_and_the_key() {
        let value: serde_json::Value = serde_json::from_str(&document()).unwrap();
        for path in [
            "/v1/services/object-removal",
            "/v1/services/object-removal/batch",
            "/v1/services/segmentation",
            "/v1/batches/{batch_id}",
            "/v1/files/{job_id}",
            "/v1/jobs/{job_id}",
            "/v1/jobs/{job_id}/events",
            "/v1/account",
            "/v1/models",
            "/healthz",
        ] {
            assert!(value["paths"][path].is_object(), "{path}");
        }
        assert_eq!(
            value["components"]["securitySchemes"]["key"]["scheme"],
            "bearer"
        );
        assert!(value["components"]["schemas"]["RemovalReply"].is_object());
    }
}
