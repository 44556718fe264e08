//! `GET /v1/jobs/{id}`, `/v1/account`, `/v1/models`.

use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::{AccountReply, ErrorCode, JobReply, KeyView, Limits, ModelView, ModelsReply, Prices, RateLimits};
use cleanplate_store::JobId;

use super::upload::blocking;
use super::{auth, view};
use crate::app::App;
use crate::limits::Route;
use crate::refusal::Refusal;

/// One job of the caller's account.
#[utoipa::path(
    get, path = "/v1/jobs/{job_id}", tag = "jobs", params(("job_id" = String, Path)),
    responses(
        (status = 200, body = JobReply), (status = 401, body = cleanplate_api::ErrorBody),
        (status = 404, body = cleanplate_api::ErrorBody), (status = 429, body = cleanplate_api::ErrorBody),
    ),
    security(("key" = []))
)]
pub async fn job(req: HttpRequest, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    let caller = auth::caller(&req, &app, Route::Read).await?;
    let missing = || Refusal::new(ErrorCode::NotFound, "Not Found");
    let id = id.parse::<JobId>().map_err(|_| missing())?;
    let account = caller.account;
    let found = app
        .store(move |store| {
            let Some(job) = store.job(Some(account), id)? else { return Ok(None) };
            let key = job.key.map(|key| store.key(key)).transpose()?.flatten();
            Ok(Some((job, key.map_or(0, |key| key.url_epoch))))
        })
        .await?;
    let (job, epoch) = found.ok_or_else(missing)?;
    let base = view::base_url(&req, &app);
    Ok(HttpResponse::Ok().json(view::job(&job, &view::Addresses { app: &app, base: &base, epoch, from: view::From::Now })))
}

/// The caller's account: balance, prices, limits.
#[utoipa::path(
    get, path = "/v1/account", tag = "account",
    responses((status = 200, body = AccountReply), (status = 401, body = cleanplate_api::ErrorBody), (status = 429, body = cleanplate_api::ErrorBody)),
    security(("key" = []))
)]
pub async fn account(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    let key = auth::caller(&req, &app, Route::Read).await?;
    let id = key.account;
    let account = app.store(move |store| store.account(id)).await?;
    let account = account.ok_or_else(|| Refusal::internal("a key without its account", &id))?;
    let (config, quota) = (&app.config, |route| app.limits.quota(&key, route));
    Ok(HttpResponse::Ok().json(AccountReply {
        account_id: account.id.to_string(),
        name: account.name,
        balance: account.balance.available,
        held: account.balance.held,
        prices: Prices { removal: config.pricing.removal, segmentation: config.pricing.segmentation },
        limits: Limits {
            upload_bytes_max: config.limits.upload_bytes_max,
            pixels_max: config.limits.pixels_max,
            in_flight_max: config.queue.per_key_in_flight_max,
            rate_limits: RateLimits {
                removal_per_minute: quota(Route::Removal),
                batch_per_minute: quota(Route::Batch),
                read_per_minute: quota(Route::Read),
            },
        },
        key: KeyView { id: key.id.to_string(), name: key.name, hint: format!("{}...{}", key.shown_prefix, key.shown_suffix) },
    }))
}

/// Models this daemon knows.
#[utoipa::path(
    get, path = "/v1/models", tag = "models",
    responses((status = 200, body = ModelsReply), (status = 401, body = cleanplate_api::ErrorBody), (status = 429, body = cleanplate_api::ErrorBody)),
    security(("key" = []))
)]
pub async fn models(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    auth::caller(&req, &app, Route::Read).await?;
    let store = app.models.clone();
    let list = blocking(move || store.list()).await?.map_err(|error| Refusal::internal("listing models failed", &error))?;
    let models = list.into_iter().map(model_view).collect();
    Ok(HttpResponse::Ok().json(ModelsReply { models }))
}

fn model_view(model: cleanplate_models::ModelInfo) -> ModelView {
    ModelView {
        name: model.name,
        arch: model.arch,
        sha256: model.sha256,
        bytes: model.bytes,
        origin: model.origin,
        licence: model.licence,
        embedded: model.embedded,
        present: model.present,
    }
}
