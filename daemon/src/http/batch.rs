//! `POST /v1/services/object-removal/batch` and `GET /v1/batches/{id}`: many pairs, each a job of its own.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use cleanplate_api::endpoint::{Endpoint, Json};
use cleanplate_api::public::RemoveObjects;
use cleanplate_api::{BatchQuoteReply, BatchReply, ErrorCode};
use cleanplate_store::{Batch, BatchId, BatchStart, Job, JobStatus, KeyRecord, Reply};

use super::admit::admit;
use super::batch_feed::{Fed, Feeder, Slot};
use super::batch_upload::{BatchPair, FILES_MAX, Pairs, receive};
use super::check::RequestOptions;
use super::idempotency::{self, Fingerprint};
use super::order::{Order, Original};
use super::removal::{credits, with_key};
use super::upload::{FormBody, Parts};
use super::{auth, batch_view, view};
use crate::answer::Answer;
use crate::app::App;
use crate::jobs::Service;
use crate::limits::Route;
use crate::refusal::Refusal;

/// What a batch is answered.
type Answered = Answer<<RemoveObjects as Endpoint>::Reply>;

/// Pause before a store that could not note the end of a batch is asked again.
const INTERRUPT_AGAIN: Duration = Duration::from_secs(5);
/// Pause between looks at jobs that an earlier request of the same batch left running.
const LOOK: Duration = Duration::from_millis(200);

/// Removes objects from up to 50 photos, each with its mask.
///
/// `images` and `masks` are repeated and paired in order. A pair that cannot be done fails alone; so do the pairs after
/// the credits ran out. Only pairs that were done are charged.
pub async fn post(req: HttpRequest, payload: web::Payload, app: web::Data<App>) -> Answered {
    with_key(
        req,
        FormBody::new(payload, &app, FILES_MAX),
        app,
        Route::Batch,
        paid,
    )
    .await
}

/// The batch's reply with what it charged and what is left.
async fn paid(
    req: &HttpRequest,
    body: &FormBody,
    app: &web::Data<App>,
    key: &KeyRecord,
) -> Result<Answered, Refusal> {
    let mut done = serve(req, body, app, key).await?;
    let account = key.account;
    let balance = app.store(move |store| store.balance(account)).await?;
    credits(&mut done.reply, done.charged, &balance);
    Ok(done.reply)
}

/// A reply, and what this call charged.
struct Done {
    reply: Answered,
    charged: i64,
}

impl Done {
    fn free(reply: Answered) -> Done {
        Done { reply, charged: 0 }
    }
}

async fn serve(
    req: &HttpRequest,
    body: &FormBody,
    app: &web::Data<App>,
    key: &KeyRecord,
) -> Result<Done, Refusal> {
    let once = idempotency::key(req)?;
    let ask = RequestOptions::read(req, app, key, Service::Removal)?;
    admit(req, body, app, key, &ask, Service::Removal, once.as_ref()).await?;
    let mut order = Order::new(req, app, key, Service::Removal, ask);
    let form = receive(req, body, app).await?;
    order.ask.take_form(&form.fields, app)?;
    let print = fingerprint(req, order.ask.tuning.asynchronous, &form);
    let slots = check(&order, form.pairs).await;
    if order.ask.tuning.dry_run {
        return quote(&order, &slots).await.map(Done::free);
    }
    let once = once.map(|once| idempotency::wish(once, key, print, None));
    let new = order.batch(slots.len() as u32, once);
    let base = view::base_url(req, app);
    match app.store(move |store| store.start_batch(&new)).await? {
        BatchStart::Started(batch) => {
            tracing::info!(request_id = order.request_id, batch_id = %batch.id, account = %key.account, pairs = batch.pairs, "batch started");
            detached(
                Run {
                    order,
                    batch,
                    base,
                    jobs: Vec::new(),
                },
                slots,
            )
            .await
        }
        BatchStart::Resumed(batch) => {
            let id = batch.id;
            let jobs = app.store(move |store| store.batch_jobs(id)).await?;
            tracing::info!(request_id = order.request_id, batch_id = %id, "batch resumed");
            detached(
                Run {
                    order,
                    batch,
                    base,
                    jobs,
                },
                slots,
            )
            .await
        }
        BatchStart::Replay(kept) => Ok(Done::free(idempotency::replay(kept))),
        BatchStart::Done(batch) => {
            let reply = read(app, &batch, &base, key.url_epoch).await?;
            Ok(Done::free(Answer::json(&reply).first()))
        }
        BatchStart::InFlight(id) => Err(Refusal::new(
            ErrorCode::Conflict,
            format!(
                "a request with this Idempotency-Key is under way (batch {id}); repeat it later"
            ),
        )),
        BatchStart::KeyReused => Err(app.jobs.refusal(&cleanplate_store::Accept::KeyReused)),
        BatchStart::KeyRefused => Err(app.jobs.refusal(&cleanplate_store::Accept::KeyRefused)),
    }
}

fn fingerprint(req: &HttpRequest, asynchronous: bool, form: &Pairs) -> Fingerprint {
    let mut print = Fingerprint::of(req, asynchronous);
    print.fields(&form.fields);
    for pair in &form.pairs {
        match &pair.files {
            Ok((image, mask)) => {
                print.file("images", image);
                print.file("masks", mask);
            }
            Err(refusal) => {
                print.add(pair.filename.as_bytes());
                print.add(refusal.text.as_bytes());
            }
        }
    }
    print
}

async fn check(order: &Order, pairs: Vec<BatchPair>) -> Vec<Slot> {
    let mut slots = Vec::with_capacity(pairs.len());
    for (index, BatchPair { filename, files }) in (0..).zip(pairs) {
        let pair = match files {
            Ok((image, mask)) => {
                order
                    .ask
                    .check(
                        Parts {
                            image: Some(image),
                            mask: Some(mask),
                            fields: Vec::new(),
                        },
                        &order.app,
                    )
                    .await
            }
            Err(refusal) => Err(refusal),
        };
        let unknown = Original {
            filename,
            width: 0,
            height: 0,
        };
        let original = pair.as_ref().map_or(unknown, Original::of);
        slots.push(Slot {
            index,
            original,
            pair,
        });
    }
    slots
}

async fn quote(order: &Order, slots: &[Slot]) -> Result<Answered, Refusal> {
    let account = order.key.account;
    let balance = order.app.store(move |store| store.balance(account)).await?;
    let valid = slots.iter().filter(|slot| slot.pair.is_ok()).count() as u32;
    let price = order.app.config.pricing.removal * i64::from(valid);
    let quote = Answer::json(&BatchQuoteReply {
        dry_run: true,
        total_files: slots.len() as u32,
        valid,
        credits: price,
        credits_available: balance.available,
        sufficient: balance.available >= price,
        errors: slots
            .iter()
            .map(|slot| slot.pair.as_ref().err().map(|refusal| refusal.text.clone()))
            .collect(),
    });
    Ok(quote.second())
}

/// A started batch.
struct Run {
    order: Order,
    batch: Batch,
    base: String,
    /// Jobs that an earlier request of the same batch left.
    jobs: Vec<Job>,
}

/// Runs a batch to its end even if the client goes away.
async fn detached(run: Run, slots: Vec<Slot>) -> Result<Done, Refusal> {
    let task = actix_web::rt::spawn(async move {
        let (app, id) = (run.order.app.clone(), run.batch.id);
        let outcome = run.run(slots).await;
        if outcome.is_err() {
            interrupt(&app, id).await;
        }
        outcome
    });
    task.await
        .map_err(|error| Refusal::internal("a batch ended without a reply", &error))?
}

/// Notes that the same request may go on with what is left of a batch; one that was discarded is not there any more. A store
/// that cannot note it now is asked again in the background: until then the request would be answered as under way.
async fn interrupt(app: &web::Data<App>, id: BatchId) {
    let note = move |app: web::Data<App>| async move {
        let noted = app.store(move |store| store.interrupt_batch(id)).await;
        let passing = noted.is_err_and(|refusal| refusal.retry_after_s.is_some());
        !passing || app.jobs.is_stopping()
    };
    if note(app.clone()).await {
        return;
    }
    let app = app.clone();
    actix_web::rt::spawn(async move {
        while !note(app.clone()).await {
            tokio::time::sleep(INTERRUPT_AGAIN).await;
        }
    });
}

impl Run {
    async fn run(self, mut slots: Vec<Slot>) -> Result<Done, Refusal> {
        let (app, id) = (self.order.app.clone(), self.batch.id);
        let kept: Vec<u32> = self
            .jobs
            .iter()
            .filter(|job| job.status != JobStatus::Failed)
            .filter_map(|job| job.batch.map(|b| b.index))
            .collect();
        slots.retain(|slot| !kept.contains(&slot.index));
        let before: i64 = self
            .jobs
            .iter()
            .filter_map(|job| job.result.as_ref())
            .map(|kept| kept.result.credits)
            .sum();
        let begun = !self.jobs.is_empty();
        if !begun && let Err(refusal) = self.first_is_paid().await {
            return self.discard(refusal).await;
        }
        let fed = Feeder::new(&self.order, id, begun).run(slots).await?;
        match fed {
            Fed::Refused(refusal) => return self.discard(refusal).await,
            Fed::Unrecorded(refusal) => return Err(refusal),
            Fed::All | Fed::Cut => {}
        }
        let asynchronous = self.batch.asynchronous;
        let reply = if asynchronous {
            self.look().await?
        } else {
            self.wait().await?
        };
        // Asynchronous pairs are charged as they end, not by this call.
        let (status, charged) = if asynchronous {
            (StatusCode::ACCEPTED, 0)
        } else {
            (StatusCode::OK, reply.total_credits_used - before)
        };
        let (answer, body) = Answer::kept(&reply)?;
        let keep = Reply {
            status: status.as_u16(),
            body,
        };
        let cut = matches!(fed, Fed::Cut);
        app.store(move |store| {
            if cut {
                store.interrupt_batch(id)
            } else {
                store.answer_batch(id, Some(&keep))
            }
        })
        .await?;
        let mut reply = answer.status(status).first();
        if asynchronous {
            reply.set("Preference-Applied", "respond-async");
            reply.set("Location", &format!("/v1/batches/{id}"));
        }
        Ok(Done { reply, charged })
    }

    /// An error unless there are credits for the first pair.
    async fn first_is_paid(&self) -> Result<(), Refusal> {
        let (app, account) = (&self.order.app, self.order.key.account);
        let balance = app.store(move |store| store.balance(account)).await?;
        if balance.available < app.config.pricing.removal {
            let text = "Insufficient credits";
            return Err(Refusal::new(ErrorCode::InsufficientCredits, text));
        }
        Ok(())
    }

    /// Forgets a batch of which no pair was taken.
    async fn discard(&self, refusal: Refusal) -> Result<Done, Refusal> {
        let id = self.batch.id;
        self.order
            .app
            .store(move |store| store.discard_batch(id))
            .await?;
        Err(refusal)
    }

    /// The reply as it is now.
    async fn look(&self) -> Result<BatchReply, Refusal> {
        read(
            &self.order.app,
            &self.batch,
            &self.base,
            self.order.key.url_epoch,
        )
        .await
    }

    /// The reply once every job has ended.
    async fn wait(&self) -> Result<BatchReply, Refusal> {
        loop {
            let reply = self.look().await?;
            if reply.completed + reply.failed >= reply.total_files {
                return Ok(reply);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn read(app: &App, batch: &Batch, base: &str, epoch: u32) -> Result<BatchReply, Refusal> {
    let id = batch.id;
    let jobs = app.store(move |store| store.batch_jobs(id)).await?;
    Ok(batch_view::batch(
        batch,
        &jobs,
        &view::Addresses {
            app,
            base,
            epoch,
            from: view::From::Now,
        },
    ))
}

/// One batch of the caller's account: the reply of the batch service as far as it is.
pub async fn get(
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<Json<BatchReply>, Refusal> {
    let caller = auth::caller(&req, &app, Route::Read).await?;
    let missing = || Refusal::new(ErrorCode::NotFound, "Not Found");
    let id = id.parse::<BatchId>().map_err(|_| missing())?;
    let found = app
        .store(move |store| {
            let Some(batch) = store.batch(Some(caller.account), id)? else {
                return Ok(None);
            };
            let key = batch.key.map(|key| store.key(key)).transpose()?.flatten();
            Ok(Some((batch, key.map_or(0, |key| key.url_epoch))))
        })
        .await?;
    let (batch, epoch) = found.ok_or_else(missing)?;
    let base = view::base_url(&req, &app);
    Ok(Json(read(&app, &batch, &base, epoch).await?))
}
