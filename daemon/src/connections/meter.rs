//! What a connection is doing, and until when it may.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::expectation::Expectation;
use cleanplate_basics::lock;

use crate::config::UploadTime;

/// Time beyond a bound, so that the library's own timers, which close with a reply, come first.
const SLACK: Duration = Duration::from_secs(1);
/// Pause between looks at a connection whose client owes nothing.
const LOOK: Duration = Duration::from_secs(1);

/// How long a connection may do what.
#[derive(Debug, Clone, Copy)]
pub struct Spans {
    /// Until the head of a request is complete, from its first byte on; also for a body that nobody reads.
    pub head_max: Duration,
    /// Without any byte between two requests.
    pub idle_max: Duration,
    /// For which one side may wait for the other within a body.
    pub transfer: UploadTime,
}

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing came.
    Idle,
    /// A head was not complete in time, or the rest of a body that nobody reads went on.
    Head,
    /// A reply was not taken.
    Reply,
    /// It was waiting, and others needed its place.
    Crowded,
}

impl Cut {
    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Cut::Idle => "idle",
            Cut::Head => "head",
            Cut::Reply => "reply",
            Cut::Crowded => "crowded",
        }
    }
}

#[derive(Debug)]
enum State {
    /// No request is under way: nothing comes, or a head, or what is left of a body that nobody reads.
    Waiting {
        since: Instant,
        idle_max: Duration,
        heard: Option<Instant>,
    },
    /// A request is received or worked on; its body has a bound of its own.
    Working,
    /// A reply is sent: `waited` is how long its client let us wait before `blocked`.
    Replying {
        bytes: u64,
        waited: Duration,
        blocked: Option<Instant>,
    },
}

/// The state of one connection, shared by its stream, its requests and its watchdog.
#[derive(Debug)]
pub struct Meter {
    spans: Spans,
    state: Mutex<State>,
    expectation: Expectation,
    evicted: Notify,
}

impl Meter {
    /// Of a connection that was accepted now.
    pub fn new(spans: Spans) -> Meter {
        let state = State::Waiting {
            since: Instant::now(),
            idle_max: spans.head_max,
            heard: None,
        };
        Meter {
            spans,
            state: Mutex::new(state),
            expectation: Expectation::default(),
            evicted: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment; a panic elsewhere leaves it whole.
        lock(&self.state)
    }

    /// How long it may do what.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Whether the client waits to be told to go on.
    pub fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    /// Bytes came.
    pub fn heard(&self) {
        if let State::Waiting { heard, .. } = &mut *self.state() {
            heard.get_or_insert_with(Instant::now);
        }
    }

    /// The head of a request is complete.
    pub fn working(&self) {
        *self.state() = State::Working;
    }

    /// The head of a reply is known.
    pub fn replying(&self) {
        *self.state() = State::Replying {
            bytes: 0,
            waited: Duration::ZERO,
            blocked: None,
        };
    }

    /// The reply is complete, or there is none.
    pub fn waiting(&self) {
        *self.state() = State::Waiting {
            since: Instant::now(),
            idle_max: self.spans.idle_max,
            heard: None,
        };
    }

    /// The client took bytes.
    pub fn took(&self, count: usize) {
        if let State::Replying {
            bytes,
            waited,
            blocked,
        } = &mut *self.state()
        {
            *bytes += count as u64;
            *waited += blocked.take().map_or(Duration::ZERO, |at| at.elapsed());
        }
    }

    /// The client takes no bytes now.
    pub fn blocked(&self) {
        if let State::Replying { blocked, .. } = &mut *self.state() {
            blocked.get_or_insert_with(Instant::now);
        }
    }

    /// Since when it has been waiting for its client, if no request is under way.
    pub fn waiting_since(&self) -> Option<Instant> {
        match &*self.state() {
            State::Waiting { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// Gives its place to another connection.
    pub fn evict(&self) {
        self.evicted.notify_one();
    }

    /// When it has to be cut unless something happens, and why.
    fn deadline(&self) -> Option<(Instant, Cut)> {
        match &*self.state() {
            State::Waiting {
                heard: Some(at), ..
            } => Some((*at + self.spans.head_max + SLACK, Cut::Head)),
            State::Waiting {
                since, idle_max, ..
            } => Some((*since + *idle_max + SLACK, Cut::Idle)),
            State::Working => None,
            State::Replying {
                bytes,
                waited,
                blocked,
            } => {
                let left = self.spans.transfer.patience(*bytes).saturating_sub(*waited);
                blocked.map(|at| (at + left, Cut::Reply))
            }
        }
    }

    /// Waits until the connection has to be cut. Every change of state but a blocked reply moves the deadline back, and a
    /// reply is looked at every second: no deadline is missed by more.
    pub async fn expired(&self) -> Cut {
        loop {
            let now = Instant::now();
            let wake = match self.deadline() {
                Some((at, why)) if at <= now => return why,
                Some((at, _)) => at,
                None => now + LOOK,
            };
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                // A request that has begun meanwhile is not cut off.
                () = self.evicted.notified() => if self.waiting_since().is_some() {
                    return Cut::Crowded;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPANS: Spans = Spans {
        head_max: Duration::from_secs(5),
        idle_max: Duration::from_secs(30),
        transfer: UploadTime {
            base: Duration::from_secs(10),
            bytes_per_s_min: 1000,
            max: Duration::from_secs(60),
        },
    };

    /// Seconds until the deadline, and why; rounded, so that the time between two calls does not count.
    fn left(meter: &Meter) -> Option<(u64, Cut)> {
        let (at, why) = meter.deadline()?;
        Some((
            at.saturating_duration_since(Instant::now())
                .as_secs_f64()
                .round() as u64,
            why,
        ))
    }

    #[test]
    fn every_state_but_work_has_a_deadline() {
        let meter = Meter::new(SPANS);
        assert_eq!(left(&meter), Some((6, Cut::Idle)), "the first head");
        meter.heard();
        assert_eq!(left(&meter), Some((6, Cut::Head)));
        meter.working();
        assert_eq!((left(&meter), meter.waiting_since()), (None, None));
        meter.replying();
        assert_eq!(left(&meter), None, "we owe the bytes");
        meter.blocked();
        assert_eq!(left(&meter), Some((10, Cut::Reply)));
        meter.took(20_000);
        assert_eq!(left(&meter), None);
        meter.blocked();
        assert_eq!(
            left(&meter),
            Some((30, Cut::Reply)),
            "10 s and 20 s for bytes"
        );
        meter.waiting();
        assert_eq!(left(&meter), Some((31, Cut::Idle)), "a later head");
        meter.heard();
        meter.heard();
        assert_eq!(left(&meter), Some((6, Cut::Head)), "of a byte, not of each");
    }

    #[actix_web::test]
    async fn a_trickling_client_does_not_put_the_end_off() {
        let meter = Meter::new(Spans {
            head_max: Duration::ZERO,
            ..SPANS
        });
        meter.heard();
        assert_eq!(meter.expired().await, Cut::Head);
        let meter = Meter::new(SPANS);
        meter.evict();
        assert_eq!(meter.expired().await, Cut::Crowded);
        meter.working();
        meter.evict();
        let end = tokio::time::timeout(Duration::from_millis(50), meter.expired());
        assert!(end.await.is_err(), "a request under way was cut off");
    }
}
