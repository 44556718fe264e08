//! `POST /v1/services/object-removal`: validate everything, reserve, queue, wait, settle.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use cleanplate_api::QuoteReply;
use cleanplate_api::endpoint::{Endpoint, Json};
use cleanplate_api::public::RemoveObject;
use cleanplate_store::{Accept, AccountId, Balance, Idempotency, Job, KeyRecord, Reply};

use super::admit::admit;
use super::check::{Checked, RequestOptions};
use super::idempotency::{self, Fingerprint};
use super::order::{Order, Original};
use super::upload::{FormBody, Parts, receive};
use super::{auth, files, view};
use crate::answer::Answer;
use crate::app::App;
use crate::blocking::blocking;
use crate::jobs::{JobWaiter, Offered, Service};
use crate::limits::Route;
use crate::refusal::Refusal;

/// What a removal is answered.
type Removed = Answer<<RemoveObject as Endpoint>::Reply>;

/// Files of one removal: image and mask.
const FILES: u64 = 2;

/// Removes what a mask, points or a box mark from a photo.
pub async fn post(req: HttpRequest, payload: web::Payload, app: web::Data<App>) -> Removed {
    with_key(
        req,
        FormBody::new(payload, &app, FILES),
        app,
        Route::Removal,
        serve,
    )
    .await
}

/// Answers a service call for the key that it brings. A refusal tells what the account has left.
pub(super) async fn with_key<C, F>(
    req: HttpRequest,
    body: FormBody,
    app: web::Data<App>,
    route: Route,
    serve: F,
) -> Answer<C>
where
    F: AsyncFnOnce(
        &HttpRequest,
        &FormBody,
        &web::Data<App>,
        &KeyRecord,
    ) -> Result<Answer<C>, Refusal>,
{
    let key = match auth::caller(&req, &app, route).await {
        Ok(key) => key,
        Err(refusal) => return refuse(refusal, None),
    };
    match serve(&req, &body, &app, &key).await {
        Ok(reply) => reply,
        Err(refusal) => {
            let balance = app
                .store(move |store| store.balance(key.account))
                .await
                .ok();
            refuse(refusal, balance)
        }
    }
}

/// Replies with a refusal at once; what the client is still sending is read past afterwards.
fn refuse<C>(refusal: Refusal, balance: Option<Balance>) -> Answer<C> {
    let mut reply = Answer::refused(refusal);
    if let Some(balance) = balance {
        credits(&mut reply, 0, &balance);
    }
    reply
}

/// Tells what the call charged and what is left.
pub(super) fn credits<C>(reply: &mut Answer<C>, charged: i64, balance: &Balance) {
    reply.set("X-Credits-Charged", &charged.to_string());
    reply.set("X-Credits-Remaining", &balance.available.to_string());
}

async fn serve(
    req: &HttpRequest,
    body: &FormBody,
    app: &web::Data<App>,
    key: &KeyRecord,
) -> Result<Removed, Refusal> {
    let once = idempotency::key(req)?;
    let ask = RequestOptions::read(req, app, key, Service::Removal)?;
    admit(req, body, app, key, &ask, Service::Removal, once.as_ref()).await?;
    let mut order = Order::new(req, app, key, Service::Removal, ask);
    let parts = receive(
        req,
        body,
        app,
        key.account,
        order.ask.tuning.image_url.as_deref(),
    )
    .await?;
    order.ask.take_form(&parts.fields, app)?;
    let print = fingerprint(req, order.ask.tuning.asynchronous, &parts);
    let checked = order.ask.check(parts, app).await?;
    if order.ask.tuning.dry_run {
        let quote = quote(&checked, app, key, Service::Removal).await?;
        return Ok(quote.second().first());
    }
    if order.ask.tuning.asynchronous {
        return later(
            &order,
            checked,
            once.map(|once| idempotency::wish(once, key, print, None)),
        )
        .await;
    }
    let new = order.job(
        &Original::of(&checked),
        None,
        once.map(|once| idempotency::wish(once, key, print, None)),
    );
    let (id, account, base) = (new.id, key.account, view::base_url(req, app));
    let (jobs, offer) = (app.jobs.clone(), order.offer(new, checked));
    // Accepting and queueing are one blocking step: it is carried through even if the client goes away now.
    match blocking(move || jobs.offer(offer)).await?? {
        Offered::Accepted(waiter) => {
            tracing::info!(request_id = order.request_id, job_id = %id, %account, key = %key.id, "job accepted");
            answer(req, &order, &base, waiter).await
        }
        Offered::Declined(Accept::Replay(kept), _) => {
            free(app, account, idempotency::replay(kept)).await
        }
        Offered::Declined(Accept::Done(job), _) => {
            let again = result_of(req, &job, &order, &base).await?;
            free(app, account, idempotency::mark_replay(again)).await
        }
        Offered::Declined(why, _) => Err(app.jobs.refusal(&why)),
    }
}

/// Accepts an asynchronous job and answers at once.
async fn later(
    order: &Order,
    checked: Checked,
    once: Option<Idempotency>,
) -> Result<Removed, Refusal> {
    let (app, account) = (&order.app, order.key.account);
    let mut new = order.job(&Original::of(&checked), None, once);
    let (answer, body) = Answer::kept(&view::pending(&new))?;
    if let Some(once) = &mut new.idempotency {
        once.reply = Some(Reply { status: 202, body });
    }
    let id = new.id;
    match order.enqueue(new, checked, 0).await? {
        Accept::Accepted { .. } => {
            tracing::info!(request_id = order.request_id, job_id = %id, %account, key = %order.key.id, "asynchronous job accepted");
            let answer = answer
                .status(StatusCode::ACCEPTED)
                .with("Preference-Applied", "respond-async")
                .with("Location", &format!("/v1/jobs/{id}"));
            free(app, account, answer.first().first()).await
        }
        Accept::Replay(kept) => free(app, account, idempotency::replay(kept)).await,
        why => Err(app.jobs.refusal(&why)),
    }
}

pub(super) fn fingerprint(req: &HttpRequest, asynchronous: bool, parts: &Parts) -> Fingerprint {
    let mut print = Fingerprint::of(req, asynchronous);
    for (field, upload) in [("image", &parts.image), ("mask", &parts.mask)] {
        upload.iter().for_each(|upload| print.file(field, upload));
    }
    print.fields(&parts.fields);
    print
}

/// Waits for the end of a job.
async fn answer(
    req: &HttpRequest,
    order: &Order,
    base: &str,
    waiter: JobWaiter,
) -> Result<Removed, Refusal> {
    let finished = waiter.end().await?;
    let mut reply = match finished.refusal {
        Some(refusal) => Answer::refused(refusal),
        None => result_of(req, &finished.job, order, base).await?,
    };
    let charged = finished
        .job
        .result
        .as_ref()
        .map_or(0, |kept| kept.result.credits);
    credits(&mut reply, charged, &finished.balance);
    Ok(reply)
}

/// The reply of a job that was done: it follows from the job, whenever it is asked for.
async fn result_of(
    req: &HttpRequest,
    job: &Job,
    order: &Order,
    base: &str,
) -> Result<Removed, Refusal> {
    let addresses = view::Addresses {
        app: &order.app,
        base,
        epoch: order.key.url_epoch,
        from: view::From::End,
    };
    let told = view::removal(job, &addresses);
    if !order.ask.picture {
        return Ok(Answer::json(&told).first().first());
    }
    let mut reply = files::picture(req, &order.app, job).await?;
    reply.set("X-Job-Id", &told.job_id);
    if let Some(ms) = told.result.processing_time_ms {
        reply.set("X-Processing-Time-Ms", &ms.to_string());
    }
    if let Some(url) = told.result.output_url {
        reply.set("Content-Location", &url);
    }
    Ok(reply.second())
}

/// A reply that this call charged nothing for.
pub(super) async fn free<C>(
    app: &App,
    account: AccountId,
    mut reply: Answer<C>,
) -> Result<Answer<C>, Refusal> {
    let balance = app.store(move |store| store.balance(account)).await?;
    credits(&mut reply, 0, &balance);
    Ok(reply)
}

/// What a call would cost, once everything that can be checked was checked.
pub(super) async fn quote(
    checked: &Checked,
    app: &App,
    key: &KeyRecord,
    service: Service,
) -> Result<Answer<Json<QuoteReply>>, Refusal> {
    let account = key.account;
    let balance = app.store(move |store| store.balance(account)).await?;
    let price = service.price(&app.config.pricing);
    let mut reply = Answer::json(&QuoteReply {
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
