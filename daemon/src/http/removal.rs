//! `POST /v1/services/object-removal`: validate everything, reserve, queue, wait, settle.

use std::sync::Arc;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use cleanplate_api::{ErrorCode, FieldError, QuoteReply, RemovalReply};
use cleanplate_plugins::image::{self, EncodeOptions, Header};
use cleanplate_plugins::manifest::StageKind;
use cleanplate_plugins::pipeline::{self, Pipeline};
use cleanplate_store::{Balance, JobId, KeyRecord, NewJob};
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::sync::oneshot;

use super::context::request_id;
use super::prompts::{self, Prompts};
use super::tuning::{Query, Tuning, value};
use super::upload::{Body, Parts, Upload, announced, blocking, receive};
use super::{auth, reply, view};
use crate::app::App;
use crate::files::FilesError;
use crate::jobs::{Finished, Submitted, Work};
use crate::limits::Route;
use crate::refusal::Refusal;

/// Files of one removal: image and mask.
const FILES: u64 = 2;

/// Removes what a mask, points or a box mark from a photo.
#[utoipa::path(
    post, path = "/v1/services/object-removal", tag = "services",
    params(
        ("points" = Option<String>, Query, description = "JSON `[[x,y],...]` in pixels of the displayed image"),
        ("labels" = Option<String>, Query, description = "JSON `[1,0,...]`: 1 foreground, 0 background; default all 1"),
        ("box" = Option<String>, Query, description = "JSON `[x1,y1,x2,y2]`, any corner order"),
        ("dry_run" = Option<bool>, Query, description = "Validate and quote the price, charge nothing"),
        ("dilate" = Option<u32>, Query, description = "Pixels the mask grows; by image size if not given"),
        ("feather" = Option<u32>, Query, description = "Pixels over which the edge fades"),
        ("output_format" = Option<String>, Query, description = "jpeg, png or webp; that of the image if not given"),
        ("quality" = Option<u8>, Query, description = "1 to 100, JPEG only; that of the image if not given"),
        ("pipeline" = Option<String>, Query, description = "A pipeline this key may use"),
    ),
    request_body(content = super::openapi::RemovalForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = RemovalReply, description = "The result, charged"),
        (status = 400, body = cleanplate_api::ErrorBody), (status = 401, body = cleanplate_api::ErrorBody),
        (status = 402, body = cleanplate_api::ErrorBody), (status = 403, body = cleanplate_api::ErrorBody),
        (status = 408, body = cleanplate_api::ErrorBody), (status = 413, body = cleanplate_api::ErrorBody),
        (status = 415, body = cleanplate_api::ErrorBody), (status = 422, body = cleanplate_api::InvalidBody),
        (status = 429, body = cleanplate_api::ErrorBody), (status = 500, body = cleanplate_api::ErrorBody),
        (status = 503, body = cleanplate_api::ErrorBody), (status = 507, body = cleanplate_api::ErrorBody),
    ),
    security(("key" = []))
)]
pub async fn post(req: HttpRequest, payload: web::Payload, app: web::Data<App>) -> HttpResponse {
    let body = Body::new(payload, &app, FILES);
    let key = match auth::caller(&req, &app, Route::Removal).await {
        Ok(key) => key,
        Err(refusal) => return refuse(&req, refusal, body, None).await,
    };
    match serve(&req, &body, &app, &key).await {
        Ok(reply) => reply,
        Err(refusal) => {
            let account = key.account;
            let balance = app.store(move |store| store.balance(account)).await.ok();
            refuse(&req, refusal, body, balance).await
        }
    }
}

/// Replies with a refusal once the client had a chance to finish sending.
async fn refuse(req: &HttpRequest, refusal: Refusal, body: Body, balance: Option<Balance>) -> HttpResponse {
    if refusal.code != ErrorCode::UploadTimeout {
        body.drain(announced(req)).await;
    }
    let mut reply = HttpResponse::from_error(refusal);
    if let Some(balance) = balance {
        credits(&mut reply, 0, &balance);
    }
    reply
}

fn credits(reply: &mut HttpResponse, charged: i64, balance: &Balance) {
    reply::set(reply, "X-Credits-Charged", &charged.to_string());
    reply::set(reply, "X-Credits-Remaining", &balance.available.to_string());
}

/// A request that passed every check.
struct Checked {
    image: Upload,
    header: Header,
    mask: Option<Upload>,
    prompts: Option<Prompts>,
    pipeline: Arc<Pipeline>,
    tuning: Tuning,
}

async fn serve(req: &HttpRequest, body: &Body, app: &App, key: &KeyRecord) -> Result<HttpResponse, Refusal> {
    let accepted = Instant::now();
    let query = web::Query::<Query>::from_query(req.query_string()).map(web::Query::into_inner).unwrap_or_default();
    let (tuning, prompts) = read_query(&query, app)?;
    let pipeline = choose_pipeline(&tuning, app, key)?;
    if let Some(refusal) = app.closed() {
        return Err(refusal);
    }
    let parts = receive(req, body, app).await?;
    let checked = check(parts, prompts, pipeline, tuning, app).await?;
    if checked.tuning.dry_run {
        return quote(&checked, app, key).await;
    }
    let finished = run(req, app, key, checked, accepted).await?;
    let mut reply = match finished.refusal {
        Some(refusal) => refusal.error_response(),
        None => {
            let base = view::base_url(req, app);
            let addresses = view::Addresses { app, base: &base, epoch: key.url_epoch };
            HttpResponse::Ok().json(view::removal(&finished.job, &addresses))
        }
    };
    let charged = finished.job.result.as_ref().map_or(0, |kept| kept.result.credits);
    credits(&mut reply, charged, &finished.balance);
    Ok(reply)
}

fn read_query(query: &Query, app: &App) -> Result<(Tuning, Option<Prompts>), Refusal> {
    let given = |name| value(query, name);
    let prompts = prompts::parse(given("points"), given("labels"), given("box"), app.config.limits.points_max);
    match (Tuning::parse(query), prompts) {
        (Ok(tuning), Ok(prompts)) => Ok((tuning, prompts)),
        (tuning, prompts) => Err(Refusal::fields(tuning.err().into_iter().chain(prompts.err()).flatten().collect())),
    }
}

/// The pipeline of a request, with its tuning applied and in range.
fn choose_pipeline(tuning: &Tuning, app: &App, key: &KeyRecord) -> Result<Arc<Pipeline>, Refusal> {
    let settings = &app.config.pipelines;
    let name = tuning.pipeline.as_deref().unwrap_or(&settings.default);
    if name != settings.default {
        let offered = settings.allowed.iter().any(|allowed| allowed == name) && app.pipelines.get(name).is_ok();
        if !offered || !key.allows_pipeline(name) {
            return Err(Refusal::field(&["query", "pipeline"], "this key may not use a pipeline of that name", "value_error.pipeline"));
        }
    }
    let found = app.pipelines.get(name).map_err(|error| Refusal::internal("the default pipeline is missing", &error))?;
    let mut pipeline = found.clone();
    let mut errors = Vec::new();
    for (field, path, text) in tuning.overrides() {
        match pipeline.with_overrides(&[(path, text)]) {
            Ok(tuned) => pipeline = tuned,
            Err(error) => errors.push(FieldError::new(&["query", field], error.to_string(), "value_error.parameter")),
        }
    }
    if errors.is_empty() { Ok(Arc::new(pipeline)) } else { Err(Refusal::fields(errors)) }
}

async fn check(parts: Parts, prompts: Option<Prompts>, pipeline: Arc<Pipeline>, tuning: Tuning, app: &App) -> Result<Checked, Refusal> {
    let mut missing = Vec::new();
    if parts.image.is_none() {
        missing.push(FieldError::missing(&["body", "image"]));
    }
    if parts.mask.is_none() && prompts.is_none() {
        missing.push(FieldError::missing(&["body", "mask"]));
    }
    let (Some(image), mask) = (parts.image, parts.mask) else { return Err(Refusal::fields(missing)) };
    if !missing.is_empty() {
        return Err(Refusal::fields(missing));
    }
    let limits = app.jobs.image_limits();
    let (image, header) = probe("image", image, limits.clone()).await?;
    let (width, height) = (header.width as u32, header.height as u32);
    let Some(mask) = mask else {
        if let Some(prompts) = &prompts {
            prompts.check_inside(width, height).map_err(Refusal::fields)?;
        }
        if !pipeline.steps.iter().any(|step| step.stage == StageKind::Segment) {
            let text = format!(
                "points and box need a segmentation model, and pipeline \"{}\" has none: send a mask, or choose a pipeline with a segment plugin",
                pipeline.name
            );
            return Err(Refusal::new(ErrorCode::Unavailable, text).retry_after(3600));
        }
        return Ok(Checked { image, header, mask: None, prompts, pipeline, tuning });
    };
    let (mask, mask_header) = probe("mask", mask, limits).await?;
    if (mask_header.width, mask_header.height) != (header.width, header.height) {
        let message = format!(
            "the mask is {}x{}, the image is {width}x{height} (as displayed); they must be equal",
            mask_header.width, mask_header.height
        );
        return Err(Refusal::field(&["body", "mask"], message, "value_error.mask.size"));
    }
    Ok(Checked { image, header, mask: Some(mask), prompts: None, pipeline, tuning })
}

/// Reads a picture's header; pixels are not touched.
async fn probe(field: &'static str, upload: Upload, limits: image::Limits) -> Result<(Upload, Header), Refusal> {
    blocking(move || {
        let path = upload.file.path();
        let bytes = std::fs::read(path).map_err(FilesError::io("reading upload", path))?;
        let header = image::probe(&bytes, &limits).map_err(|error| Refusal::image(field, &error))?;
        Ok((upload, header))
    })
    .await?
}

async fn quote(checked: &Checked, app: &App, key: &KeyRecord) -> Result<HttpResponse, Refusal> {
    let account = key.account;
    let balance = app.store(move |store| store.balance(account)).await?;
    let price = app.config.pricing.removal;
    let mut reply = HttpResponse::Ok().json(QuoteReply {
        dry_run: true,
        credits: price,
        credits_available: balance.available,
        sufficient: balance.available >= price,
        original_width: checked.header.width as u32,
        original_height: checked.header.height as u32,
    });
    credits(&mut reply, 0, &balance);
    Ok(reply)
}

async fn run(req: &HttpRequest, app: &App, key: &KeyRecord, checked: Checked, accepted: Instant) -> Result<Finished, Refusal> {
    let (done, receiver) = oneshot::channel();
    let new = NewJob {
        id: JobId::random(),
        account: key.account,
        key: Some(key.id),
        batch: None,
        service: "object-removal".to_string(),
        pipeline: checked.pipeline.name.clone(),
        asynchronous: false,
        price: app.config.pricing.removal,
        input_filename: Some(checked.image.filename.clone()),
        original_width: checked.header.width as u32,
        original_height: checked.header.height as u32,
        request: json!({ "steps": checked.pipeline.steps, "output_format": checked.tuning.format, "quality": checked.tuning.quality }),
        idempotency: None,
    };
    let work = Work {
        image: checked.image.file,
        mask: checked.mask.map(|mask: Upload| -> NamedTempFile { mask.file }),
        prompts: checked.prompts.map(|prompts| pipeline::Prompts { points: prompts.points, boxes: prompts.rect }),
        pipeline: checked.pipeline,
        encode: EncodeOptions { format: checked.tuning.format, quality: checked.tuning.quality },
        request_id: request_id(req),
        accepted,
        done,
    };
    let jobs = app.jobs.clone();
    // Accepting and queueing are one blocking step: it is carried through even if the client goes away now.
    let (id, receiver) = match blocking(move || jobs.submit(&new, work, receiver)).await?? {
        Submitted::Waiting(id, receiver) => (id, receiver),
        Submitted::Refused(refusal) => return Err(refusal),
    };
    tracing::info!(request_id = request_id(req), job_id = %id, account = %key.account, key = %key.id, "job accepted");
    receiver.await.map_err(|_| Refusal::internal("a job was dropped without an end", &id))
}
