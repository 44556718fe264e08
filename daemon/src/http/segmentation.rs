//! `POST /v1/services/segmentation`: the mask of what points and a box mean, as a PNG.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::endpoint::{Endpoint, Png};
use cleanplate_api::public::Segment;
use cleanplate_api::{ErrorCode, ModelUse};
use cleanplate_pipeline::Prompts;
use cleanplate_store::{Accept, Job, KeyRecord};

use super::admit::admit;
use super::check::{Checked, RequestOptions};
use super::idempotency;
use super::order::{Order, Original};
use super::removal::{credits, fingerprint, free, quote, with_key};
use super::upload::{FormBody, receive};
use crate::answer::Answer;
use crate::app::App;
use crate::blocking::blocking;
use crate::files::Kind;
use crate::jobs::{Finished, Offered, Preview, Service};
use crate::limits::Route;
use crate::refusal::Refusal;

/// What a segmentation is answered.
type Segmented = Answer<<Segment as Endpoint>::Reply>;

/// Files of one segmentation: the image.
const FILES: u64 = 1;

/// Finds the object that points or a box mark. Has a limit of its own; priced by `pricing.segmentation`.
pub async fn post(req: HttpRequest, payload: web::Payload, app: web::Data<App>) -> Segmented {
    with_key(
        req,
        FormBody::new(payload, &app, FILES),
        app,
        Route::Segmentation,
        serve,
    )
    .await
}

async fn serve(
    req: &HttpRequest,
    body: &FormBody,
    app: &web::Data<App>,
    key: &KeyRecord,
) -> Result<Segmented, Refusal> {
    let once = idempotency::key(req)?;
    let mut ask = RequestOptions::read(req, app, key, Service::Segmentation)?;
    // The mask is the answer: there is nothing to come back for.
    ask.tuning.asynchronous = false;
    ask.tuning.webhook_url = None;
    let service = Service::Segmentation;
    admit(req, body, app, key, &ask, service, once.as_ref()).await?;
    if ask.tuning.preview {
        check_preview(app, once.is_some())?;
    }
    let mut order = Order::new(req, app, key, service, ask);
    let image_url = order.ask.tuning.image_url.as_deref();
    let parts = receive(req, body, app, key.account, image_url).await?;
    order.ask.take_form(&parts.fields, app)?;
    let print = fingerprint(req, false, &parts);
    let checked = order.ask.check_segmentation(parts, app).await?;
    if order.ask.tuning.preview {
        return preview(app, &order, checked).await;
    }
    if order.ask.tuning.dry_run {
        let quote = quote(&checked, app, key, service).await?;
        return Ok(quote.second());
    }
    let new = order.job(
        &Original::of(&checked),
        None,
        once.map(|once| idempotency::wish(once, key, print, None)),
    );
    let (id, account) = (new.id, key.account);
    let (jobs, offer) = (app.jobs.clone(), order.offer(new, checked));
    // Accepting and queueing are one blocking step: it is carried through even if the client goes away now.
    match blocking(move || jobs.offer(offer)).await?? {
        Offered::Accepted(waiter) => {
            tracing::info!(request_id = order.request_id, job_id = %id, %account, key = %key.id, "segmentation accepted");
            answer(app, waiter.end().await?).await
        }
        Offered::Declined(Accept::Replay(kept), _) => {
            free(app, account, idempotency::replay(kept)).await
        }
        Offered::Declined(Accept::Done(job), _) => {
            let again = idempotency::mark_replay(mask(app, &job).await?);
            free(app, account, again.first()).await
        }
        Offered::Declined(why, _) => Err(app.jobs.refusal(&why)),
    }
}

/// Longest wait for a place; the pointer has moved on by then.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(2);

/// Refuses previews where segmentations have a price, and those that are to be charged once.
fn check_preview(app: &App, once: bool) -> Result<(), Refusal> {
    let price = app.config.pricing.segmentation;
    let why = if price > 0 {
        format!("a preview is free, and segmentations cost {price} credits here: leave it out")
    } else if once {
        "a preview is no job that an Idempotency-Key could stand for: leave one of them out".into()
    } else {
        return Ok(());
    };
    Err(Refusal::field(
        &["query", "preview"],
        why,
        "value_error.preview",
    ))
}

async fn preview(app: &App, order: &Order, checked: Checked) -> Result<Segmented, Refusal> {
    let place = app.previews.wait(order.key.account, PLACE_WAIT_MAX).await;
    let place = place.ok_or_else(|| {
        let text = "other previews are being made, for this account or for all";
        Refusal::new(ErrorCode::QueueFull, text).retry_after(1)
    })?;
    let (jobs, pipeline) = (app.jobs.clone(), order.ask.pipeline.clone());
    let prompts = order.ask.prompts.clone();
    let made = blocking(move || {
        // Held until it is done, whether or not the client still waits.
        let _place = place;
        let prompts = prompts.map_or_else(Prompts::default, Into::into);
        jobs.preview(&checked.image.file, &pipeline, prompts)
    });
    let Preview { png, outcome } = made.await??;
    let reply = HttpResponse::Ok().content_type("image/png").body(png);
    let mut reply = Answer::<Png>::made(reply);
    let model = outcome.models.first().map(|model| &*model.name);
    let overlap = outcome.predicted_iou.map(f64::from);
    told(&mut reply, overlap, Some(outcome.mask_share), model);
    free(app, order.key.account, reply.first()).await
}

async fn answer(app: &App, finished: Finished) -> Result<Segmented, Refusal> {
    let mut reply = match finished.refusal {
        Some(refusal) => Answer::refused(refusal),
        None => mask(app, &finished.job).await?.first(),
    };
    let charged = finished
        .job
        .result
        .as_ref()
        .map_or(0, |kept| kept.result.credits);
    credits(&mut reply, charged, &finished.balance);
    Ok(reply)
}

/// The mask that a job stored.
async fn mask(app: &App, job: &Job) -> Result<Answer<Png>, Refusal> {
    let gone = || Refusal::new(cleanplate_api::ErrorCode::Gone, "the mask was removed");
    let kept = job
        .result
        .as_ref()
        .filter(|kept| kept.swept_at_ms.is_none())
        .ok_or_else(gone)?;
    let (blobs, name) = (app.blobs.clone(), kept.result.output.name.clone());
    let read = blocking(move || blobs.read(Kind::Results, &name));
    let bytes = read.await??.ok_or_else(gone)?;
    let reply = HttpResponse::Ok().content_type("image/png").body(bytes);
    let mut reply = Answer::made(reply);
    reply.set("X-Job-Id", &job.id.to_string());
    let timing = |name: &str| kept.result.timings[name].as_f64();
    let models: Vec<ModelUse> =
        serde_json::from_value(kept.result.models.clone()).unwrap_or_default();
    let model = models.first().map(|model| &*model.name);
    let (overlap, share) = (timing("predicted_iou"), timing("mask_share"));
    told(&mut reply, overlap, share, model);
    Ok(reply)
}

/// Says beside a mask how sure the network is of it, how much of the photo it covers, and which network it was.
fn told(reply: &mut Answer<Png>, overlap: Option<f64>, share: Option<f64>, model: Option<&str>) {
    for (header, value) in [("X-Predicted-Iou", overlap), ("X-Mask-Share", share)] {
        if let Some(value) = value {
            reply.set(header, &format!("{value:.6}"));
        }
    }
    if let Some(model) = model {
        reply.set("X-Model", model);
    }
}
