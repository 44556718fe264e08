//! `GET /v1/jobs/{id}/events`: the life of a job as server-sent events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::{ErrorCode, JobEvent, JobStatus};
use cleanplate_store::{AccountId, JobId};
use futures_util::stream;

use super::{auth, reads, view};
use crate::app::App;
use crate::limits::Route;
use crate::refusal::Refusal;

/// Pause between looks at the job.
const LOOK: Duration = Duration::from_millis(200);
/// Longest silence: a comment keeps proxies from closing the connection.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Longest stream; clients connect again by themselves.
const STREAM_MAX: Duration = Duration::from_secs(3600);
/// Streams at a time, so that they cannot take all connections.
const STREAMS_MAX: u32 = 128;

/// Counts open streams.
static OPEN: AtomicU32 = AtomicU32::new(0);

/// One open stream; counted until it is dropped.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let taken = OPEN.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
            (open < STREAMS_MAX).then_some(open + 1)
        });
        taken.ok().map(|_| Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::SeqCst);
    }
}

struct EventStream {
    app: web::Data<App>,
    account: AccountId,
    id: JobId,
    base: String,
    started: Instant,
    sent: Instant,
    last: Option<JobEvent>,
    ended: bool,
    _place: Arc<Place>,
}

/// The life of a job as server-sent events: `progress` with a JobEvent whenever state, stage or progress change, then
/// `completed` or `failed` with the job's reply, and the stream ends.
#[utoipa::path(
    get, path = "/v1/jobs/{job_id}/events", tag = "jobs", params(("job_id" = String, Path)),
    responses(
        (status = 200, body = JobEvent, content_type = "text/event-stream", description = "Events until the job has ended"),
        (status = 401, body = cleanplate_api::ErrorBody), (status = 404, body = cleanplate_api::ErrorBody),
        (status = 429, body = cleanplate_api::ErrorBody),
    ),
    security(("key" = []))
)]
pub async fn get(
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Refusal> {
    let caller = auth::caller(&req, &app, Route::Read).await?;
    let id = reads::job_id(&id)?;
    reads::find(&app, caller.account, id).await?;
    let full = || {
        Refusal::new(
            ErrorCode::QueueFull,
            format!("{STREAMS_MAX} event streams are open, which is the limit"),
        )
        .retry_after(5)
    };
    let place = Arc::new(Place::take().ok_or_else(full)?);
    let (base, now) = (view::base_url(&req, &app), Instant::now());
    let watch = EventStream {
        app,
        account: caller.account,
        id,
        base,
        started: now,
        sent: now,
        last: None,
        ended: false,
        _place: place,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let text = watch.next().await?;
        Some((Ok::<Bytes, Refusal>(Bytes::from(text)), watch))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .streaming(events))
}

impl EventStream {
    /// The next text to send; `None` when the stream ends.
    async fn next(&mut self) -> Option<String> {
        while !self.ended && self.started.elapsed() < STREAM_MAX && !self.app.jobs.is_stopping() {
            // A fault of the store is in the log; the client connects again.
            let (job, epoch) = reads::find(&self.app, self.account, self.id).await.ok()?;
            let addresses = view::Addresses {
                app: &self.app,
                base: &self.base,
                epoch,
                from: view::From::Now,
            };
            let reply = view::job(&job, &addresses);
            let status = reply.reply.status;
            if matches!(status, JobStatus::Completed | JobStatus::Failed) {
                self.ended = true;
                return Some(event(
                    job.status.as_str(),
                    &serde_json::to_string(&reply).ok()?,
                ));
            }
            let (stage, fraction) = self.app.jobs.progress(self.id).unzip();
            // Hundredths: finer steps would only send more events.
            let fraction = fraction.map(|fraction| (f64::from(fraction) * 100.0).round() / 100.0);
            let now = JobEvent {
                job_id: self.id.to_string(),
                status,
                stage: stage.filter(|stage| !stage.is_empty()),
                fraction,
            };
            if self.last.as_ref() != Some(&now) {
                let text = event("progress", &serde_json::to_string(&now).ok()?);
                (self.last, self.sent) = (Some(now), Instant::now());
                return Some(text);
            }
            if self.sent.elapsed() >= SILENCE_MAX {
                self.sent = Instant::now();
                return Some(": waiting\n\n".to_string());
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}

/// One event. JSON has no line breaks, so one `data` line carries it.
fn event(name: &str, json: &str) -> String {
    format!("event: {name}\ndata: {json}\n\n")
}
