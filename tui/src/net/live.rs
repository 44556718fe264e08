//! The stream of events: followed for ever, connected again after every end.

use std::sync::Arc;
use std::time::Duration;

use cleanplate_api::admin::{Envelope, Event, EventsQuery, WatchEvents};
use cleanplate_api::endpoint::Request;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::client::refusal;
use super::inbox::{Change, Inbox};
use super::sse::SseParser;
use super::{Client, NetError};

/// Pause before the first new attempt; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// The daemon sends a comment after 15 s of silence; two of them missing mean that nobody is there.
const SILENCE_MAX: Duration = Duration::from_secs(35);
/// Longest wait for the head of the reply.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// Where the stream ended, and what is known of its order.
#[derive(Debug, Default)]
struct Place {
    last_id: Option<String>,
    last_seq: Option<u64>,
}

/// The part of an event that every version has.
#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

/// Follows the stream for ever.
pub async fn follow(client: Client, inbox: Arc<Inbox>) {
    let (mut place, mut pause) = (Place::default(), PAUSE_MIN);
    loop {
        let (any, error) = stream(&client, &inbox, &mut place).await;
        pause = if any { PAUSE_MIN } else { pause };
        let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        inbox.push(Change::Lost {
            why: error.to_string(),
            retry_ms,
        });
        tokio::select! {
            () = sleep(pause) => {}
            () = inbox.reconnect_wanted() => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// One connection: whether any event came, and why it ended.
async fn stream(client: &Client, inbox: &Inbox, place: &mut Place) -> (bool, NetError) {
    let mut any = false;
    let outcome = read(client, inbox, place, &mut any).await;
    (
        any,
        outcome
            .err()
            .unwrap_or_else(|| NetError::Broken("the daemon ended the stream".to_string())),
    )
}

async fn read(
    client: &Client,
    inbox: &Inbox,
    place: &mut Place,
    any: &mut bool,
) -> Result<(), NetError> {
    let request = Request::of::<WatchEvents>(&[], &EventsQuery::default(), &())
        .map_err(|e| NetError::Protocol(format!("the request cannot be written: {e}")))?;
    let id = place.last_id.clone();
    let mut headers = vec![("accept", "text/event-stream")];
    headers.extend(id.as_deref().map(|id| ("last-event-id", id)));
    let late = |_| NetError::Broken(format!("no reply within {} s", HEAD_MAX.as_secs()));
    let reply = timeout(HEAD_MAX, client.send(&request, &headers))
        .await
        .map_err(late)??;
    let status = reply.status().as_u16();
    let mut body = reply.into_body();
    if status != 200 {
        let body = timeout(HEAD_MAX, Limited::new(body, 64 * 1024).collect())
            .await
            .map_err(late)?;
        return Err(refusal(
            status,
            &body
                .map_err(|e| NetError::Broken(e.to_string()))?
                .to_bytes(),
        ));
    }
    let (mut parser, mut events) = (SseParser::default(), Vec::new());
    loop {
        let silent = |_| NetError::Broken(format!("silence for {} s", SILENCE_MAX.as_secs()));
        let Some(frame) = timeout(SILENCE_MAX, body.frame()).await.map_err(silent)? else {
            return Ok(());
        };
        let frame = frame.map_err(NetError::broken)?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        if !parser.feed(bytes, &mut events) {
            return Err(NetError::Protocol(
                "an event is longer than any that a daemon sends".to_string(),
            ));
        }
        for event in events.drain(..) {
            *any = true;
            place.last_id = event.id.or_else(|| place.last_id.take());
            take(&event.data, inbox, place)?;
        }
    }
}

/// Puts one event into the inbox and watches the numbers.
fn take(data: &str, inbox: &Inbox, place: &mut Place) -> Result<(), NetError> {
    match serde_json::from_str::<Envelope>(data) {
        Ok(Envelope { seq, event, .. }) => {
            let first = matches!(event, Event::Hello(_));
            let gap = !first
                && !matches!(event, Event::Resync(_))
                && place.last_seq.is_some_and(|last| seq != last + 1);
            place.last_seq = Some(seq);
            if gap {
                inbox.push(Change::Resync);
            }
            inbox.push_event(event);
        }
        // A newer daemon may tell things that this version does not know; only their number counts.
        Err(error) => {
            let numbered: Numbered = serde_json::from_str(data)
                .map_err(|_| NetError::Protocol(format!("an event cannot be read: {error}")))?;
            place.last_seq = Some(numbered.seq);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resyncs(events: &[&str]) -> usize {
        let (inbox, mut place) = (Inbox::default(), Place::default());
        events
            .iter()
            .for_each(|data| take(data, &inbox, &mut place).unwrap());
        inbox
            .take(usize::MAX)
            .0
            .iter()
            .filter(|change| matches!(change, Change::Resync))
            .count()
    }

    #[test]
    fn a_gap_in_the_numbers_is_noticed() {
        let hello = r#"{"seq":7,"at_ms":0,"type":"hello","data":{"version":"1","boot":"b","resumed":true}}"#;
        let gone = |seq: u64| format!(r#"{{"seq":{seq},"at_ms":0,"type":"key_gone","data":3}}"#);
        let new = r#"{"seq":8,"at_ms":0,"type":"weather","data":"fine"}"#;
        assert_eq!(resyncs(&[hello, &gone(8), &gone(9)]), 0);
        assert_eq!(
            resyncs(&[hello, new, &gone(9)]),
            0,
            "an unknown event is no gap"
        );
        assert_eq!(resyncs(&[hello, &gone(8), &gone(10)]), 1);
        assert_eq!(
            resyncs(&[
                hello,
                &gone(8),
                r#"{"seq":12,"at_ms":0,"type":"resync","data":{"missed":4}}"#,
                &gone(13)
            ]),
            1
        );
    }

    #[test]
    fn what_is_no_event_ends_the_stream() {
        assert!(take("{", &Inbox::default(), &mut Place::default()).is_err());
    }
}
