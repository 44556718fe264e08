//! `POST /v1/services/object-removal`: validate everything, reserve, queue, wait, settle.

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use cleanplate_api::{QuoteReply, RemovalReply};
use cleanplate_store::{Accept, AccountId, Balance, Idempotency, Job, JobId, KeyRecord, Reply};
use tokio::sync::oneshot;

use super::admit::admit;
use super::check::{Checked, RequestOptions};
use super::idempotency::{self, Fingerprint};
use super::order::{Order, Original};
use super::upload::{Body, Parts, receive};
use super::{auth, reply, view};
use crate::app::App;
use crate::blocking::blocking;
use crate::jobs::{Finished, Offered, Service};
use crate::limits::Route;
use crate::refusal::Refusal;

/// Files of one removal: image and mask.
const FILES: u64 = 2;

/// Removes what a mask, points or a box mark from a photo.
#[utoipa::path(
    post, path = "/v1/services/object-removal", tag = "services",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Repeating the request with the same key within 24 hours repeats the reply and charges nothing; 409 while the first is under way, 422 for another request. A request that failed may be tried again with its key"),
        ("Prefer" = Option<String>, Header, description = "respond-async: 202 at once; GET /v1/jobs/{id} tells the rest"),
        ("async" = Option<bool>, Query, description = "The same as Prefer: respond-async"),
        ("points" = Option<String>, Query, description = "JSON `[[x,y],...]` in pixels of the displayed image"),
        ("labels" = Option<String>, Query, description = "JSON `[1,0,...]`: 1 foreground, 0 background; default all 1"),
        ("box" = Option<String>, Query, description = "JSON `[x1,y1,x2,y2]`, any corner order"),
        ("dry_run" = Option<bool>, Query, description = "Validate and quote the price, charge nothing"),
        ("dilate" = Option<u32>, Query, description = "Pixels the mask grows; by image size if not given"),
        ("feather" = Option<u32>, Query, description = "Pixels over which the edge fades"),
        ("output_format" = Option<String>, Query, description = "jpeg, png or webp; that of the image if not given"),
        ("quality" = Option<u8>, Query, description = "1 to 100, JPEG only; that of the image if not given"),
        ("webhook_url" = Option<String>, Query, description = "Gets a POST with the job's reply when a job has ended: X-Cleanplate-Signature is v1= and the hex HMAC-SHA256 of `timestamp.body` under the key's webhook_secret (GET /v1/account), X-Cleanplate-Timestamp the timestamp. Tried again on any answer but 2xx. Private addresses are refused"),
        ("pipeline" = Option<String>, Query, description = "A pipeline this key may use"),
    ),
    request_body(content = super::openapi::RemovalForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = RemovalReply, description = "The result, charged"),
        (status = 202, body = RemovalReply, description = "Asynchronous: the job waits, its price is held"),
        (status = 400, body = cleanplate_api::ErrorBody), (status = 401, body = cleanplate_api::ErrorBody),
        (status = 402, body = cleanplate_api::ErrorBody), (status = 403, body = cleanplate_api::ErrorBody),
        (status = 408, body = cleanplate_api::ErrorBody), (status = 409, body = cleanplate_api::ErrorBody), (status = 413, body = cleanplate_api::ErrorBody),
        (status = 415, body = cleanplate_api::ErrorBody), (status = 422, body = cleanplate_api::InvalidBody),
        (status = 429, body = cleanplate_api::ErrorBody), (status = 500, body = cleanplate_api::ErrorBody),
        (status = 503, body = cleanplate_api::ErrorBody), (status = 507, body = cleanplate_api::ErrorBody),
    ),
    security(("key" = []))
)]
pub async fn post(req: HttpRequest, payload: web::Payload, app: web::Data<App>) -> HttpResponse {
    with_key(
        req,
        Body::new(payload, &app, FILES),
        app,
        Route::Removal,
        serve,
    )
    .await
}

/// Answers a service call for the key that it brings. A refusal tells what the account has left.
pub(super) async fn with_key<F>(
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
    route: Route,
    serve: F,
) -> HttpResponse
where
    F: AsyncFnOnce(
        &HttpRequest,
        &Body,
        &web::Data<App>,
        &KeyRecord,
    ) -> Result<HttpResponse, Refusal>,
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
fn refuse(refusal: Refusal, balance: Option<Balance>) -> HttpResponse {
    let mut reply = HttpResponse::from_error(refusal);
    if let Some(balance) = balance {
        credits(&mut reply, 0, &balance);
    }
    reply
}

/// Tells what the call charged and what is left.
pub(super) fn credits(reply: &mut HttpResponse, charged: i64, balance: &Balance) {
    reply::set(reply, "X-Credits-Charged", &charged.to_string());
    reply::set(reply, "X-Credits-Remaining", &balance.available.to_string());
}

async fn serve(
    req: &HttpRequest,
    body: &Body,
    app: &web::Data<App>,
    key: &KeyRecord,
) -> Result<HttpResponse, Refusal> {
    let once = idempotency::key(req)?;
    let ask = RequestOptions::read(req, app, key)?;
    admit(req, body, app, key, &ask, Service::Removal, once.as_ref()).await?;
    let order = Order::new(req, app, key, Service::Removal, ask);
    let parts = receive(req, body, app).await?;
    let print = fingerprint(req, order.ask.tuning.asynchronous, &parts);
    let checked = order.ask.check(parts, app).await?;
    if order.ask.tuning.dry_run {
        return quote(&checked, app, key, Service::Removal).await;
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
    let (done, receiver) = oneshot::channel();
    let work = order.work(checked, done);
    let jobs = app.jobs.clone();
    // Accepting and queueing are one blocking step: it is carried through even if the client goes away now.
    match blocking(move || jobs.offer(&new, work)).await?? {
        Offered::Accepted => {
            tracing::info!(request_id = order.request_id, job_id = %id, %account, key = %key.id, "job accepted");
            answer(&order, &base, id, receiver).await
        }
        Offered::Declined(Accept::Replay(kept), _) => {
            free(app, account, idempotency::replay(kept)).await
        }
        Offered::Declined(Accept::Done(job), _) => {
            let kept = Reply {
                status: 200,
                body: body_of(&job, &order, &base)?,
            };
            free(app, account, idempotency::replay(kept)).await
        }
        Offered::Declined(why, _) => Err(app.jobs.refusal(&why)),
    }
}

/// Accepts an asynchronous job and answers at once.
async fn later(
    order: &Order,
    checked: Checked,
    once: Option<Idempotency>,
) -> Result<HttpResponse, Refusal> {
    let (app, account) = (&order.app, order.key.account);
    let mut new = order.job(&Original::of(&checked), None, once);
    let body = serde_json::to_vec(&view::pending(&new))
        .map_err(|error| Refusal::internal("a reply could not be written", &error))?;
    if let Some(once) = &mut new.idempotency {
        once.reply = Some(Reply {
            status: 202,
            body: body.clone(),
        });
    }
    let id = new.id;
    match order.enqueue(new, checked, 0).await? {
        Accept::Accepted { .. } => {
            tracing::info!(request_id = order.request_id, job_id = %id, %account, key = %order.key.id, "asynchronous job accepted");
            let mut reply = HttpResponse::Accepted();
            reply
                .insert_header(("Preference-Applied", "respond-async"))
                .insert_header(("Location", format!("/v1/jobs/{id}")));
            free(
                app,
                account,
                reply.content_type("application/json").body(body),
            )
            .await
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
    print
}

/// Waits for the end of a job.
async fn answer(
    order: &Order,
    base: &str,
    id: JobId,
    receiver: oneshot::Receiver<Finished>,
) -> Result<HttpResponse, Refusal> {
    let finished = receiver
        .await
        .map_err(|_| Refusal::internal("a job was dropped without an end", &id))?;
    let mut reply = match finished.refusal {
        Some(refusal) => refusal.error_response(),
        None => HttpResponse::Ok()
            .content_type("application/json")
            .body(body_of(&finished.job, order, base)?),
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
fn body_of(job: &Job, order: &Order, base: &str) -> Result<Vec<u8>, Refusal> {
    let addresses = view::Addresses {
        app: &order.app,
        base,
        epoch: order.key.url_epoch,
        from: view::From::End,
    };
    serde_json::to_vec(&view::removal(job, &addresses))
        .map_err(|error| Refusal::internal("a reply could not be written", &error))
}

/// A reply that this call charged nothing for.
pub(super) async fn free(
    app: &App,
    account: AccountId,
    mut reply: HttpResponse,
) -> Result<HttpResponse, Refusal> {
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
) -> Result<HttpResponse, Refusal> {
    let account = key.account;
    let balance = app.store(move |store| store.balance(account)).await?;
    let price = service.price(&app.config.pricing);
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
