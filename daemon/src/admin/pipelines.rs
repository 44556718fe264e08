//! Pipelines.

use actix_web::web;
use cleanplate_api::admin::{PipelineRow, PipelinesReply};
use cleanplate_api::endpoint::Json;

use crate::app::App;
use crate::refusal::Refusal;

/// `GET /pipelines`
pub async fn list(app: web::Data<App>) -> Result<Json<PipelinesReply>, Refusal> {
    let config = &app.config.pipelines;
    let mut pipelines: Vec<PipelineRow> = app
        .pipelines
        .list()
        .iter()
        .map(|pipeline| PipelineRow {
            name: pipeline.name.clone(),
            default: pipeline.name == config.default,
            allowed: pipeline.name == config.default || config.allowed.contains(&pipeline.name),
            plugins: pipeline
                .steps
                .iter()
                .map(|step| step.plugin.clone())
                .collect(),
        })
        .collect();
    pipelines.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(PipelinesReply { pipelines }))
}
