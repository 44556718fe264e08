//! What a connection is doing, and until when it may.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::expectation::Expectation;
use cleanplate_basics::lock;

use crate::config::UploadTime;

/// Time beyond a bound, so that the library's own timers, which close with a reply, come first.
const SLACK: Duration = Duration::from_secs(1);
/// Time in which a client that has begun a head may end it before its place is given to another.
pub(super) const BEGUN_MIN: Duration = Duration::from_millis(500);
/// The same for one that says nothing: its first bytes come with the connection.
pub(super) const SILENT_MIN: Duration = Duration::from_millis(50);
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
        /// What comes is the rest of a body that nobody reads, so the connection ends in any case.
        rest: bool,
        /// The end of the last reply is still on its way.
        unsent: bool,
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
    /// The request under way, or the last one, has a body that was not read to its end.
    unread: AtomicBool,
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
            rest: false,
            unsent: false,
        };
        Meter {
            spans,
            state: Mutex::new(state),
            unread: AtomicBool::new(false),
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

    /// The head of a request is complete; whether a body follows.
    pub fn working(&self, body: bool) {
        self.unread.store(body, Relaxed);
        *self.state() = State::Working;
    }

    /// The body of the request has been read to its end.
    pub fn read(&self) {
        self.unread.store(false, Relaxed);
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
            rest: self.unread.load(Relaxed),
            unsent: false,
        };
    }

    /// The client took bytes.
    pub fn took(&self, count: usize) {
        match &mut *self.state() {
            State::Replying {
                bytes,
                waited,
                blocked,
            } => {
                *bytes += count as u64;
                *waited += blocked.take().map_or(Duration::ZERO, |at| at.elapsed());
            }
            State::Waiting { unsent, .. } => *unsent = false,
            State::Working => {}
        }
    }

    /// The client takes no bytes now.
    pub fn blocked(&self) {
        match &mut *self.state() {
            State::Replying { blocked, .. } => drop(blocked.get_or_insert_with(Instant::now)),
            State::Waiting { unsent, .. } => *unsent = true,
            State::Working => {}
        }
    }

    /// Whether no request is under way.
    pub fn is_waiting(&self) -> bool {
        matches!(&*self.state(), State::Waiting { .. })
    }

    /// Whether its place may be given to another, and how soon: silent ones first, those that have waited the longest first.
    /// Nothing that anybody waits for is lost with a connection whose client says nothing, or only what nobody reads; one that
    /// has begun a head, or still takes a reply, has some time.
    pub fn replaceable(&self) -> Option<(bool, Instant)> {
        let state = self.state();
        let State::Waiting {
            since,
            heard,
            rest,
            unsent,
            ..
        } = &*state
        else {
            return None;
        };
        let begun = heard.filter(|_| !rest);
        let (from, time) = match begun {
            Some(at) => (at, BEGUN_MIN),
            None if *unsent => (*since, BEGUN_MIN),
            None => (*since, SILENT_MIN),
        };
        (from.elapsed() >= time).then_some((begun.is_some(), *since))
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
                () = self.evicted.notified() => if self.is_waiting() {
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
        meter.working(false);
        assert_eq!((left(&meter), meter.replaceable()), (None, None));
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

    #[test]
    fn a_head_that_was_begun_has_more_time_than_silence_and_the_rest_of_a_body() {
        let (silent, begun, rest, unsent) = (
            Meter::new(SPANS),
            Meter::new(SPANS),
            Meter::new(SPANS),
            Meter::new(SPANS),
        );
        begun.heard();
        unsent.working(false);
        unsent.waiting();
        unsent.blocked();
        rest.working(true);
        rest.waiting();
        rest.heard();
        let all = [&silent, &begun, &rest, &unsent];
        // Time itself is what gives a place away.
        std::thread::sleep(SILENT_MIN);
        let soon = all.map(|meter| meter.replaceable().is_some());
        assert!(soon[0] && soon[2]);
        std::thread::sleep(BEGUN_MIN);
        let later = all.map(|meter| meter.replaceable().map(|(begun, _)| begun));
        assert_eq!(later, [Some(false), Some(true), Some(false), Some(false)]);
        // What was read to its end leaves no rest.
        rest.working(true);
        rest.read();
        rest.waiting();
        rest.heard();
        unsent.took(1);
        let again = [&rest, &unsent].map(|meter| meter.replaceable().is_some());
        assert_eq!(again, [false, true]);
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
        meter.working(false);
        meter.evict();
        let end = tokio::time::timeout(Duration::from_millis(50), meter.expired());
        assert!(end.await.is_err(), "a request under way was cut off");
    }
}
