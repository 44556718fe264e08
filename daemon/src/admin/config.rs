//! The configuration in effect.

use actix_web::web;
use cleanplate_api::admin::{ConfigOption, ConfigView};
use cleanplate_api::endpoint::Json;

use crate::app::App;
use crate::refusal::Refusal;

/// `GET /config`
pub async fn get(app: web::Data<App>) -> Result<Json<ConfigView>, Refusal> {
    let source = &app.config.source;
    let options = source.options().map(|option| ConfigOption {
        path: option.path,
        value: option.value,
        origin: option.origin,
        default: option.default,
        secret: option.secret,
    });
    Ok(Json(ConfigView {
        file: source.file.as_ref().map(|file| file.display().to_string()),
        options: options.collect(),
    }))
}
