//! `GET /v1/jobs`, `/v1/jobs/{id}`, `/v1/account`, `/v1/models`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use actix_web::{HttpRequest, web};
use cleanplate_api::admin::Page;
use cleanplate_api::endpoint::Json;
use cleanplate_api::public::ListJobs;
use cleanplate_api::{
    AccountReply, ErrorCode, JobReply, KeyView, Limits, ModelView, ModelsReply, PipelineView,
    Prices, RateLimits,
};
use cleanplate_store::{AccountId, Job, JobFilter, JobId, KeyRecord};

use super::{auth, check, view};
use crate::app::App;
use crate::blocking::blocking;
use crate::limits::Route;
use crate::params::{self, Params};
use crate::refusal::Refusal;

/// One job of the caller's account.
pub async fn job(
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<Json<JobReply>, Refusal> {
    let caller = auth::caller(&req, &app, Route::Read).await?;
    let (job, epoch) = find(&app, caller.account, job_id(&id)?).await?;
    let base = view::base_url(&req, &app);
    Ok(Json(view::job(
        &job,
        &view::Addresses {
            app: &app,
            base: &base,
            epoch,
            from: view::From::Now,
        },
    )))
}

/// Jobs of the caller's account, newest first.
pub async fn jobs(
    req: HttpRequest,
    app: web::Data<App>,
    query: Params<ListJobs>,
) -> Result<Json<Page<JobReply>>, Refusal> {
    let caller = auth::caller(&req, &app, Route::Read).await?;
    let Params(query) = query;
    let page = params::page(query.after.as_deref(), query.rows)?;
    let ms = |seconds: i64| seconds.saturating_mul(1000);
    let filter = JobFilter {
        account: Some(caller.account),
        status: query.status.map(view::stored_status),
        pipeline: query.pipeline,
        created_from_ms: query.created_from.map(ms),
        created_before_ms: query.created_before.map(ms),
        ..JobFilter::default()
    };
    let found = app
        .store(move |store| {
            let page = store.list_jobs(&filter, &page)?;
            let mut epochs = BTreeMap::new();
            for id in page.items.iter().filter_map(|job| job.key) {
                if let Entry::Vacant(slot) = epochs.entry(id.0) {
                    slot.insert(store.key(id)?.map_or(0, |key| key.url_epoch));
                }
            }
            Ok((page, epochs))
        })
        .await?;
    let (page, epochs) = found;
    let base = view::base_url(&req, &app);
    let row = |job: Job| {
        let epoch = job.key.and_then(|key| epochs.get(&key.0).copied());
        view::job(
            &job,
            &view::Addresses {
                app: &app,
                base: &base,
                epoch: epoch.unwrap_or_default(),
                from: view::From::Now,
            },
        )
    };
    Ok(Json(params::rows(page, row)))
}

/// Cancels a job of the caller's account that has not ended: its credits are free again.
pub async fn cancel(
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<Json<JobReply>, Refusal> {
    let caller = auth::caller(&req, &app, Route::Read).await?;
    let (id, jobs) = (job_id(&id)?, app.jobs.clone());
    let job = blocking(move || {
        jobs.cancel(
            Some(caller.account),
            id,
            "cancelled by its client; nothing was charged",
        )
    })
    .await??
    .ok_or_else(missing)?;
    tracing::info!(job_id = %job.id, "job cancelled");
    let base = view::base_url(&req, &app);
    let addresses = view::Addresses {
        app: &app,
        base: &base,
        epoch: caller.url_epoch,
        from: view::From::Now,
    };
    Ok(Json(view::job(&job, &addresses)))
}

fn missing() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "Not Found")
}

/// Reads the id of a job; one that is malformed does not exist.
pub(super) fn job_id(text: &str) -> Result<JobId, Refusal> {
    text.parse().map_err(|_| missing())
}

/// A job of this account and the epoch that its addresses are signed with.
pub(super) async fn find(app: &App, account: AccountId, id: JobId) -> Result<(Job, u32), Refusal> {
    let found = app
        .store(move |store| {
            let Some(job) = store.job(Some(account), id)? else {
                return Ok(None);
            };
            let key = job.key.map(|key| store.key(key)).transpose()?.flatten();
            Ok(Some((job, key.map_or(0, |key| key.url_epoch))))
        })
        .await?;
    found.ok_or_else(missing)
}

/// The caller's account: balance, prices, limits.
pub async fn account(req: HttpRequest, app: web::Data<App>) -> Result<Json<AccountReply>, Refusal> {
    let key = auth::caller(&req, &app, Route::Read).await?;
    let id = key.account;
    let account = app.store(move |store| store.account(id)).await?;
    let account = account.ok_or_else(|| Refusal::internal("a key without its account", &id))?;
    let webhook_secret = crate::webhooks::secret(&app.webhook_key.signing(), key.id.0);
    let (config, quota) = (&app.config, |route| app.limits.quota(&key, route));
    Ok(Json(AccountReply {
        account_id: account.id.to_string(),
        name: account.name,
        balance: account.balance.available,
        held: account.balance.held,
        prices: Prices {
            removal: config.pricing.removal,
            segmentation: config.pricing.segmentation,
        },
        limits: Limits {
            upload_bytes_max: config.limits.upload_bytes_max,
            pixels_max: config.limits.pixels_max,
            in_flight_max: config.queue.per_key_in_flight_max,
            rate_limits: RateLimits {
                removal_per_minute: quota(Route::Removal),
                batch_per_minute: quota(Route::Batch),
                segmentation_per_minute: quota(Route::Segmentation),
                read_per_minute: quota(Route::Read),
            },
        },
        pipelines: pipelines(&app, &key),
        key: KeyView {
            id: key.id.to_string(),
            name: key.name,
            hint: format!("{}...{}", key.shown_prefix, key.shown_suffix),
            webhook_secret,
        },
    }))
}

/// What this key may ask for, the default first.
fn pipelines(app: &App, key: &KeyRecord) -> Vec<PipelineView> {
    let settings = &app.config.pipelines;
    let others = settings
        .allowed
        .iter()
        .filter(|name| **name != settings.default);
    std::iter::once(&settings.default)
        .chain(others)
        .filter(|name| check::offers(app, key, name))
        .filter_map(|name| app.pipelines.get(name).ok())
        .map(|pipeline| PipelineView {
            name: pipeline.name.clone(),
            description: pipeline.description.clone(),
        })
        .collect()
}

/// Models this daemon knows.
pub async fn models(req: HttpRequest, app: web::Data<App>) -> Result<Json<ModelsReply>, Refusal> {
    auth::caller(&req, &app, Route::Read).await?;
    let store = app.models.clone();
    let list = blocking(move || store.list())
        .await?
        .map_err(|error| Refusal::internal("listing models failed", &error))?;
    let models = list.into_iter().map(model_view).collect();
    Ok(Json(ModelsReply { models }))
}

fn model_view(model: cleanplate_models::ModelInfo) -> ModelView {
    ModelView {
        name: model.name,
        arch: model.arch,
        sha256: model.sha256,
        bytes: model.bytes,
        origin: model.origin,
        licence: model.licence,
        trained_on: model.trained_on,
        embedded: model.embedded,
        present: model.present,
    }
}
