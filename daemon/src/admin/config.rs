//! The configuration in effect.

use actix_web::{HttpResponse, web};
use cleanplate_api::admin::{ConfigOption, ConfigView};

use super::params::ok;
use crate::app::App;

/// `GET /config`
pub async fn get(app: web::Data<App>) -> HttpResponse {
    let source = &app.config.source;
    let options = source.options().map(|option| ConfigOption {
        path: option.path,
        value: option.value,
        origin: option.origin,
        default: option.default,
        secret: option.secret,
    });
    ok(&ConfigView {
        file: source.file.as_ref().map(|file| file.display().to_string()),
        options: options.collect(),
    })
}
