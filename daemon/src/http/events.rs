//! `GET /v1/jobs/{id}/events`: the life of a job as server-sent events.

use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::endpoint::Events;
use cleanplate_api::{ErrorCode, JobEvent, JobStatus};
use cleanplate_store::{AccountId, JobId, KeyId, KeyState};
use futures_util::stream;

use super::{auth, reads, view};
use crate::answer::Answer;
use crate::app::App;
use crate::clock::now_ms;
use crate::jobs::Standing;
use crate::limits::{Route, Share};
use crate::refusal::Refusal;

/// Pause between looks at the job.
const LOOK: Duration = Duration::from_millis(200);
/// Longest silence: a comment keeps proxies from closing the connection.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Longest stream; clients connect again by themselves.
const STREAM_MAX: Duration = Duration::from_secs(3600);

struct EventStream {
    app: web::Data<App>,
    /// Who looks on.
    key: KeyId,
    account: AccountId,
    id: JobId,
    base: String,
    started: Instant,
    sent: Instant,
    last: Option<JobEvent>,
    ended: bool,
    _place: Share,
}

/// The life of a job as server-sent events: `progress` with a JobEvent whenever state, stage or progress change, then
/// `completed` or `failed` with the job's reply, and the stream ends.
pub async fn get(
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<Answer<Events<JobEvent>>, Refusal> {
    let caller = auth::caller(&req, &app, Route::Read).await?;
    let id = reads::job_id(&id)?;
    reads::find(&app, caller.account, id).await?;
    let place = app.streams.take(caller.account).ok_or_else(|| {
        let text = "as many event streams are open as this account may have now; close some";
        Refusal::new(ErrorCode::QueueFull, text).retry_after(5)
    })?;
    let (base, now) = (view::base_url(&req, &app), Instant::now());
    let watch = EventStream {
        app,
        key: caller.id,
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
    let reply = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .streaming(events);
    Ok(Answer::made(reply))
}

impl EventStream {
    async fn may_look(&self) -> bool {
        let id = self.key;
        let key = self.app.store(move |store| store.key(id)).await;
        matches!(key, Ok(Some(key)) if key.state(now_ms()) == KeyState::Active)
    }

    /// Where the job stands as far as this process knows: of one that waits elsewhere, only that it does.
    fn standing(&self, status: JobStatus) -> Option<Standing> {
        let waits = |standing: &Standing| matches!(standing, Standing::Waiting(_));
        let standing = self.app.jobs.standing(self.id)?;
        (status == JobStatus::Pending || !waits(&standing)).then_some(standing)
    }

    /// The next text to send; `None` when the stream ends.
    async fn next(&mut self) -> Option<String> {
        while !self.ended && self.started.elapsed() < STREAM_MAX && !self.app.jobs.is_stopping() {
            // A fault of the store is in the log; the client connects again. A key that no longer opens the door sees no more.
            if !self.may_look().await {
                return None;
            }
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
            let now = JobEvent {
                job_id: self.id.to_string(),
                status,
                ..progress(self.standing(status))
            };
            // The time left falls by itself: it is told with what moved.
            let moved = |last: &JobEvent| JobEvent {
                left_ms: now.left_ms,
                ..last.clone()
            };
            if self.last.as_ref().map(moved).as_ref() != Some(&now) {
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

/// What is known of a job's progress.
fn progress(standing: Option<Standing>) -> JobEvent {
    let mut event = JobEvent {
        job_id: String::new(),
        status: JobStatus::Pending,
        stage: None,
        fraction: None,
        ahead: None,
        done: None,
        left_ms: None,
    };
    // Hundredths: finer steps would only send more events.
    let hundredths = |share: f64| (share * 100.0).round() / 100.0;
    match standing {
        Some(Standing::Waiting(ahead)) => event.ahead = Some(ahead),
        Some(Standing::Running(current)) => {
            event.fraction = Some(hundredths(f64::from(current.fraction)));
            event.done = Some(hundredths(current.done));
            event.left_ms = Some(current.left_ms);
            event.stage = Some(current.stage).filter(|stage| !stage.is_empty());
        }
        None => {}
    }
    event
}

/// One event. JSON has no line breaks, so one `data` line carries it.
fn event(name: &str, json: &str) -> String {
    format!("event: {name}\ndata: {json}\n\n")
}
