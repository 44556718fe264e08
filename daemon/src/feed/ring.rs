//! The newest events, numbered and ready to be sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use cleanplate_api::admin::{Envelope, Event};
use tokio::sync::watch;

use cleanplate_basics::lock;

/// Bounds of what is kept for readers that are late or come back.
const EVENTS_MAX: usize = 1_024;
const BYTES_MAX: usize = 8 << 20;
/// Without a reader for this long, events are counted but no longer kept.
const QUIET_AFTER: Duration = Duration::from_secs(30);
/// Events handed to a reader at a time.
const HAND_MAX: usize = 64;

struct Kept {
    /// Number of the newest event.
    newest: u64,
    /// The newest events, text form, oldest first.
    events: VecDeque<Arc<str>>,
    bytes: usize,
    last_read: Instant,
}

/// The newest events.
pub struct Ring {
    boot: String,
    kept: Mutex<Kept>,
    news: watch::Sender<u64>,
    readers: AtomicU32,
}

/// What a reader finds behind its place.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    /// Events that are gone already.
    pub missed: u64,
    /// The next ones.
    pub events: Vec<Arc<str>>,
    /// The place behind them.
    pub seq: u64,
}

/// An event as the stream carries it. JSON has no line breaks, so one `data` line carries it.
pub fn text(boot: &str, seq: u64, event: Event) -> Arc<str> {
    let name = event.name();
    let envelope = Envelope {
        seq,
        at_ms: crate::clock::now_ms(),
        event,
    };
    let json = serde_json::to_string(&envelope).unwrap_or_else(|error| {
        tracing::error!(%error, name, "an event cannot be written");
        "{}".to_string()
    });
    format!("id: {boot}-{seq}\nevent: {name}\ndata: {json}\n\n").into()
}

impl Ring {
    /// An empty ring.
    pub fn new() -> Ring {
        let boot = uuid::Uuid::new_v4().simple().to_string()[..12].to_string();
        let kept = Kept {
            newest: 0,
            events: VecDeque::new(),
            bytes: 0,
            last_read: Instant::now(),
        };
        Ring {
            boot,
            kept: Mutex::new(kept),
            news: watch::Sender::new(0),
            readers: AtomicU32::new(0),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    /// Changes with every start.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Number of the newest event.
    pub fn newest(&self) -> u64 {
        self.kept().newest
    }

    /// Adds an event.
    pub fn push(&self, event: Event) {
        let mut kept = self.kept();
        kept.newest += 1;
        if self.readers.load(Ordering::Relaxed) == 0 && kept.last_read.elapsed() > QUIET_AFTER {
            kept.events.clear();
            kept.bytes = 0;
            return;
        }
        let text = text(&self.boot, kept.newest, event);
        kept.bytes += text.len();
        kept.events.push_back(text);
        while kept.events.len() > EVENTS_MAX || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.events.pop_front() else {
                break;
            };
            kept.bytes -= oldest.len();
        }
        let newest = kept.newest;
        drop(kept);
        self.news.send_replace(newest);
    }

    /// The place after an event id `BOOT-SEQ`, if everything behind it is still there.
    pub fn resume(&self, id: &str) -> Option<u64> {
        let (boot, seq) = id.rsplit_once('-')?;
        let seq = seq.parse::<u64>().ok().filter(|_| boot == self.boot)?;
        let kept = self.kept();
        let oldest = kept.newest - kept.events.len() as u64;
        (oldest..=kept.newest).contains(&seq).then_some(seq)
    }

    /// Counts a reader, unless `most` are there.
    pub(super) fn enter(&self, most: u32) -> bool {
        self.readers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
                (open < most).then_some(open + 1)
            })
            .is_ok()
    }

    /// Counts one reader less.
    pub(super) fn leave(&self) {
        self.kept().last_read = Instant::now();
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Tells of the numbers of new events.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Events after `seq`.
    pub fn after(&self, seq: u64) -> News {
        let mut kept = self.kept();
        kept.last_read = Instant::now();
        let oldest = kept.newest - kept.events.len() as u64;
        let from = seq.max(oldest);
        let events: Vec<_> = kept
            .events
            .iter()
            .skip((from - oldest) as usize)
            .take(HAND_MAX)
            .cloned()
            .collect();
        News {
            missed: from - seq,
            seq: from + events.len() as u64,
            events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_a_late_reader_learns_what_it_missed() {
        let ring = Ring::new();
        for key in 0..EVENTS_MAX as i64 + 10 {
            ring.push(Event::KeyGone(key));
        }
        let found = ring.after(3);
        assert_eq!(
            (found.missed, found.events.len(), found.seq),
            (7, HAND_MAX, 10 + HAND_MAX as u64)
        );
        assert!(
            found.events[0].starts_with(&format!(
                "id: {}-11\nevent: key_gone\ndata: {{\"seq\":11,",
                ring.boot()
            )),
            "{}",
            found.events[0]
        );
        let newest = ring.newest();
        assert_eq!(
            ring.after(newest),
            News {
                missed: 0,
                events: Vec::new(),
                seq: newest
            }
        );
    }

    #[test]
    fn a_stream_goes_on_only_where_nothing_is_lost() {
        let ring = Ring::new();
        for key in 0..EVENTS_MAX as i64 + 10 {
            ring.push(Event::KeyGone(key));
        }
        let id = |seq: u64| format!("{}-{seq}", ring.boot());
        assert_eq!(ring.resume(&id(10)), Some(10));
        assert_eq!(ring.resume(&id(9)), None, "event 10 is gone");
        assert_eq!(ring.resume(&id(ring.newest())), Some(ring.newest()));
        assert_eq!(ring.resume(&id(ring.newest() + 1)), None);
        assert_eq!(ring.resume("other-11"), None);
        for nonsense in ["", "-", "x", "99999999999999999999999", "a-b"] {
            assert_eq!(ring.resume(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn readers_are_counted() {
        let ring = Ring::new();
        assert!(ring.enter(1) && !ring.enter(1));
        ring.leave();
        assert!(ring.enter(1));
    }

    #[test]
    fn bytes_are_bounded() {
        let ring = Ring::new();
        for _ in 0..200 {
            ring.push(Event::FolderGone("x".repeat(100_000)));
        }
        assert!(ring.kept().bytes <= BYTES_MAX && ring.kept().events.len() < 100);
    }
}
