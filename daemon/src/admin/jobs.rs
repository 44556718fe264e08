//! Jobs of all accounts.

use actix_web::web;
use cleanplate_api::admin::{ImagePart, JobDetail, JobRow, ListJobs, Page};
use cleanplate_api::endpoint::Json;
use cleanplate_api::{JobStatus, ModelUse, StageTiming};
use cleanplate_store::{
    AccountId, BatchId, Job, JobFilter, JobId, JobStatus as Stored, KeyId, Store,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::errors::{ask, no_such};
use super::gate::Who;
use super::{audit, images, rows};
use crate::app::App;
use crate::blocking::blocking;
use crate::feed::job_row;
use crate::params::{self, Params};
use crate::refusal::Refusal;

/// `GET /jobs`
pub async fn list(
    app: web::Data<App>,
    Params(listing): Params<ListJobs>,
) -> Result<Json<Page<JobRow>>, Refusal> {
    let page = params::page(listing.after.as_deref(), listing.rows)?;
    let wrong = |_| {
        Refusal::field(
            &["query", "batch"],
            "is not the id of a batch",
            "value_error.id",
        )
    };
    let filter = JobFilter {
        status: listing.status.map(|status| match status {
            JobStatus::Pending => Stored::Pending,
            JobStatus::Processing => Stored::Processing,
            JobStatus::Completed => Stored::Completed,
            JobStatus::Failed => Stored::Failed,
        }),
        account: listing.account.map(AccountId),
        key: listing.key.map(KeyId),
        batch: listing
            .batch
            .as_deref()
            .map(str::parse::<BatchId>)
            .transpose()
            .map_err(wrong)?,
        pipeline: listing.pipeline,
        code: listing.code,
        text: params::text(listing.text)?,
        created_from_ms: None,
        created_before_ms: None,
    };
    let found = ask(&app, move |store| store.list_jobs(&filter, &page)).await?;
    Ok(Json(params::rows(found, |job| {
        app.feed.with_progress(job_row(&job))
    })))
}

/// The job of a path.
pub(super) async fn find(app: &App, id: &str) -> Result<Job, Refusal> {
    let id: JobId = params::id("job", id)?;
    ask(app, move |store| store.job(None, id))
        .await?
        .ok_or_else(|| no_such("job", &id))
}

/// `GET /jobs/{id}`
pub async fn get(app: web::Data<App>, id: web::Path<String>) -> Result<Json<JobDetail>, Refusal> {
    let job = find(&app, &id).await?;
    let (account, key) = (job.account, job.key);
    let names = move |store: &dyn Store| {
        let key = key.map(|key| store.key(key)).transpose()?.flatten();
        Ok((
            store
                .account(account)?
                .map_or_else(String::new, |account| account.name),
            key.map(|key| key.name),
        ))
    };
    let (account_name, key_name) = ask(&app, names).await?;
    let inner = app.clone().into_inner();
    let (images, can_retry, job) = blocking(move || {
        // What cannot be looked for is not shown.
        let there = |part: &ImagePart| matches!(images::find(&inner, &job, *part), Ok(Some(_)));
        let parts = [ImagePart::Input, ImagePart::Result, ImagePart::Mask];
        let images: Vec<ImagePart> = parts.into_iter().filter(there).collect();
        (images, inner.jobs.can_retry(&job), job)
    })
    .await?;
    Ok(Json(detail(
        &app,
        &job,
        (account_name, key_name),
        images,
        can_retry,
    )))
}

fn detail(
    app: &App,
    job: &Job,
    names: (String, Option<String>),
    images: Vec<ImagePart>,
    can_retry: bool,
) -> JobDetail {
    let kept = job.result.as_ref();
    let result = kept.map(|kept| &kept.result);
    let failed = job.failure.as_ref().map(|failure| &failure.timings);
    let timings = result.map_or_else(
        || failed.cloned().unwrap_or(Value::Null),
        |result| result.timings.clone(),
    );
    let device = result.map_or(Value::Null, |result| result.device.clone());
    JobDetail {
        job: app.feed.with_progress(job_row(job)),
        account_name: names.0,
        key_name: names.1,
        batch_index: job.batch.map(|slot| slot.index),
        worker: job.worker.clone(),
        wait_ms: job
            .started_at_ms
            // A clock that was set back in between.
            .map(|started| (started - job.created_at_ms).max(0)),
        stages: parsed::<StageTiming>(&timings["stages"]),
        models: result
            .map(|result| parsed::<ModelUse>(&result.models))
            .unwrap_or_default(),
        device: device["backend"]
            .as_str()
            .zip(device["name"].as_str())
            .map(|(backend, name)| format!("{backend}: {name}")),
        mask_share: timings["mask_share"].as_f64(),
        warnings: result
            .map(|result| parsed::<String>(&result.warnings))
            .unwrap_or_default(),
        output_width: result.map(|result| result.width),
        output_height: result.map(|result| result.height),
        output: result.map(|result| rows::file(&result.output)),
        mask: result
            .and_then(|result| result.mask.as_ref())
            .map(rows::file),
        expires_at_ms: kept.map(|kept| kept.expires_at_ms),
        swept_at_ms: kept.and_then(|kept| kept.swept_at_ms),
        images,
        can_cancel: !job.status.is_final(),
        can_retry,
        retry_of: job.request[crate::jobs::RETRY_OF]
            .as_str()
            .map(str::to_string),
        request: job.request.clone(),
    }
}

fn parsed<T: DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// `POST /jobs/{id}/cancel`
pub async fn cancel(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<Json<JobRow>, Refusal> {
    let before = find(&app, &id).await?;
    let (jobs, id) = (app.jobs.clone(), before.id);
    let job = blocking(move || {
        jobs.cancel(
            None,
            id,
            "cancelled by an administrator; nothing was charged",
        )
    })
    .await??;
    let job = job.ok_or_else(|| no_such("job", &id))?;
    let detail = json!({ "before": { "status": before.status.as_str() }, "after": { "status": job.status.as_str() } });
    audit::note(&app, &who, "job.cancel", format!("job:{id}"), detail).await?;
    Ok(Json(job_row(&job)))
}

/// `POST /jobs/{id}/retry`
pub async fn retry(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<Json<JobRow>, Refusal> {
    let before = find(&app, &id).await?;
    let (jobs, id) = (app.jobs.clone(), before.id);
    let job = blocking(move || jobs.retry(&before)).await??;
    let detail = json!({ "after": { "job": job.id.to_string(), "price": job.price } });
    audit::note(&app, &who, "job.retry", format!("job:{id}"), detail).await?;
    Ok(Json(job_row(&job)))
}
