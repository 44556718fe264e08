//! The stream of events.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::ErrorCode;
use cleanplate_api::admin::{Envelope, Event, Hello, Resync, WatchEvents};
use cleanplate_api::endpoint::Events;
use futures_util::stream;
use tokio::sync::watch;

use super::AdminState;
use crate::answer::Answer;
use crate::app::App;
use crate::feed::{FeedReader, event_text};
use crate::params::Params;
use crate::refusal::Refusal;

/// Longest silence: a comment shows both sides that the other is there.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Pause between looks at whether the daemon ends.
const LOOK: Duration = Duration::from_secs(1);

struct Stream {
    reader: FeedReader,
    state: web::Data<AdminState>,
    news: watch::Receiver<u64>,
    seq: u64,
    /// To be sent before anything else.
    first: Option<String>,
    silent: Duration,
}

/// `GET /events`
pub async fn get(
    req: HttpRequest,
    app: web::Data<App>,
    state: web::Data<AdminState>,
    Params(query): Params<WatchEvents>,
) -> Result<Answer<Events<Envelope>>, Refusal> {
    let most = app.config.admin.streams_max;
    let full = || {
        Refusal::new(
            ErrorCode::QueueFull,
            format!("{most} event streams are open, which is the limit"),
        )
        .retry_after(5)
    };
    let reader = FeedReader::new(&app.feed, most).ok_or_else(full)?;
    let ring = app.feed.ring();
    let last = req
        .headers()
        .get("Last-Event-ID")
        .and_then(|value| value.to_str().ok())
        .map(str::to_string)
        .or(query.since);
    let news = ring.news();
    let resumed = last.and_then(|id| ring.resume(&id));
    let seq = resumed.unwrap_or_else(|| ring.newest());
    let hello = Hello {
        version: crate::VERSION.to_string(),
        boot: ring.boot().to_string(),
        resumed: resumed.is_some(),
    };
    let first = Some(event_text(ring.boot(), seq, Event::Hello(hello)).to_string());
    let stream = Stream {
        reader,
        state,
        news,
        seq,
        first,
        silent: Duration::ZERO,
    };
    let events = stream::unfold(stream, |mut stream| async move {
        let text = stream.next().await?;
        Some((Ok::<Bytes, Refusal>(Bytes::from(text)), stream))
    });
    let mut reply = HttpResponse::Ok();
    reply
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"));
    Ok(Answer::made(reply.streaming(events)))
}

impl Stream {
    /// The next text to send; `None` when the daemon ends.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if self.state.closing.load(Ordering::Relaxed) {
                return None;
            }
            let feed = Arc::clone(self.reader.feed());
            let found = feed.ring().after(self.seq);
            self.seq = found.seq;
            if found.missed > 0 || !found.events.is_empty() {
                self.silent = Duration::ZERO;
                let before = found.seq - found.events.len() as u64;
                let resync = (found.missed > 0).then(|| {
                    event_text(
                        feed.ring().boot(),
                        before,
                        Event::Resync(Resync {
                            missed: found.missed,
                        }),
                    )
                    .to_string()
                });
                return Some(resync.unwrap_or_default() + &found.events.concat());
            }
            match tokio::time::timeout(LOOK, self.news.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => {
                    self.silent += LOOK;
                    if self.silent >= SILENCE_MAX {
                        self.silent = Duration::ZERO;
                        return Some(": silence\n\n".to_string());
                    }
                }
            }
        }
    }
}
