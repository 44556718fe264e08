//! What came from the daemon and is not yet shown.
//!
//! A busy daemon tells more than a screen can show or a hand can wait for. Changes of the same thing are merged here, only
//! the newest is kept; the event loop takes a bounded number of them at a time and looks at the keyboard in between.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use cleanplate_api::admin::{
    AccountRow, Event, Hello, ImagePart, JobRow, KeyRow, LogLine, MetricsTick, ModelRow,
    StateChanged,
};
use cleanplate_api::endpoint::Endpoint;
use cleanplate_api::{FolderStatus, QueueView};
use cleanplate_basics::lock;
use tokio::sync::Notify;

use super::{Call, NetError, Reply};
use crate::preview::Picture;

/// Different things that can wait to be shown; more than that, and everything is fetched anew.
const SLOTS_MAX: usize = 10_000;
/// Log lines that can wait; the oldest are dropped, the daemon keeps them.
const LINES_MAX: usize = 2_000;
/// Log lines in one change.
const LINES_PER_CHANGE: usize = 100;
/// Seconds of figures that can wait.
const TICKS_MAX: usize = 300;

/// One thing to be shown.
#[derive(Debug)]
pub enum Change {
    /// The stream of events began.
    Linked(Hello),
    /// The stream ended or could not be opened.
    Lost {
        /// Why.
        why: String,
        /// Until the next attempt.
        retry_ms: u64,
    },
    /// Events were missed: fetch everything.
    Resync,
    /// A request was answered.
    Reply(Box<Call>, Result<Reply, NetError>),
    /// A picture is ready to be drawn, or cannot be.
    Picture(ImagePart, Result<Arc<Picture>, String>),
    /// A job.
    Job(Box<JobRow>),
    /// The queue.
    Queue(QueueView),
    /// Whether work is taken.
    State(StateChanged),
    /// Figures of a second.
    Tick(Box<MetricsTick>),
    /// A folder, or its end.
    Folder(String, Option<Box<FolderStatus>>),
    /// A model.
    Model(Box<ModelRow>),
    /// An account.
    Account(AccountRow),
    /// A key, or its end.
    Key(i64, Option<Box<KeyRow>>),
    /// Log lines, oldest first.
    Log(Vec<LogLine>),
}

impl Change {
    /// What a request of `E` brought: the request and its reply.
    pub fn reply<E: Endpoint>(&self) -> Option<(&Call, &E::Reply)> {
        match self {
            Change::Reply(call, Ok(reply)) if call.is::<E>() => Some((call, reply.of::<E>()?)),
            _ => None,
        }
    }

    /// Whether it tells what happens in the daemon: held back while the picture is held.
    pub fn is_event(&self) -> bool {
        !matches!(
            self,
            Change::Linked(_)
                | Change::Lost { .. }
                | Change::Reply(..)
                | Change::Picture(..)
                | Change::Resync
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Slot {
    Job(String),
    Queue,
    State,
    Folder(String),
    Model(String),
    Account(i64),
    Key(i64),
}

#[derive(Debug, Default)]
struct Waiting {
    first: VecDeque<Change>,
    slots: HashMap<Slot, Change>,
    order: VecDeque<Slot>,
    ticks: VecDeque<MetricsTick>,
    lines: VecDeque<LogLine>,
    overflowed: bool,
}

/// Changes on their way from the network tasks to the screen.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    reconnect: Notify,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Whoever panicked with the lock held has left whole changes behind.
        lock(&self.waiting)
    }

    /// Puts in an answer or the state of the stream; these keep their order and go before events.
    pub fn push(&self, change: Change) {
        self.lock().first.push_back(change);
        self.arrived.notify_one();
    }

    /// Puts in an event, over an older one about the same thing.
    pub fn push_event(&self, event: Event) {
        let mut waiting = self.lock();
        match event {
            Event::Hello(hello) => waiting.first.push_back(Change::Linked(hello)),
            Event::Resync(_) => waiting.first.push_back(Change::Resync),
            Event::Jobs(changed) => {
                waiting.overflowed |= changed.omitted > 0;
                changed.jobs.into_iter().for_each(|job| {
                    waiting.put(Slot::Job(job.id.clone()), Change::Job(Box::new(job)))
                });
            }
            Event::Queue(queue) => waiting.put(Slot::Queue, Change::Queue(queue)),
            Event::State(state) => waiting.put(Slot::State, Change::State(state)),
            Event::Metrics(tick) => {
                waiting.ticks.push_back(tick);
                if waiting.ticks.len() > TICKS_MAX {
                    waiting.ticks.pop_front();
                }
            }
            Event::Folder(folder) => waiting.put(
                Slot::Folder(folder.name.clone()),
                Change::Folder(folder.name.clone(), Some(Box::new(folder))),
            ),
            Event::FolderGone(name) => {
                waiting.put(Slot::Folder(name.clone()), Change::Folder(name, None))
            }
            Event::Model(model) => waiting.put(
                Slot::Model(model.name.clone()),
                Change::Model(Box::new(model)),
            ),
            Event::Account(account) => {
                waiting.put(Slot::Account(account.id), Change::Account(account))
            }
            Event::Key(key) => {
                waiting.put(Slot::Key(key.id), Change::Key(key.id, Some(Box::new(key))))
            }
            Event::KeyGone(id) => waiting.put(Slot::Key(id), Change::Key(id, None)),
            Event::Log(log) => {
                waiting.lines.extend(log.lines);
                let over = waiting.lines.len().saturating_sub(LINES_MAX);
                waiting.lines.drain(..over);
            }
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// At most `changes_max` changes, the oldest first, and whether more are waiting.
    pub fn take(&self, changes_max: usize) -> (Vec<Change>, bool) {
        let mut waiting = self.lock();
        if std::mem::take(&mut waiting.overflowed) {
            waiting.first.push_back(Change::Resync);
        }
        let mut out = Vec::new();
        while out.len() < changes_max {
            let Some(change) = waiting.next() else { break };
            out.push(change);
        }
        let more = !waiting.is_empty();
        (out, more)
    }

    /// Whether nothing is waiting.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Returns when something has arrived since the last call.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Ends the pause before the next attempt to connect.
    pub fn reconnect(&self) {
        self.reconnect.notify_waiters();
    }

    /// Returns when [`reconnect`](Inbox::reconnect) is called.
    pub async fn reconnect_wanted(&self) {
        self.reconnect.notified().await;
    }
}

impl Waiting {
    fn put(&mut self, slot: Slot, change: Change) {
        if self.slots.insert(slot.clone(), change).is_none() {
            self.order.push_back(slot);
        }
        if self.order.len() > SLOTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.slots.remove(&oldest);
            self.overflowed = true;
        }
    }

    fn next(&mut self) -> Option<Change> {
        if let Some(change) = self.first.pop_front() {
            return Some(change);
        }
        if let Some(tick) = self.ticks.pop_front() {
            return Some(Change::Tick(Box::new(tick)));
        }
        if let Some(slot) = self.order.pop_front() {
            return self.slots.remove(&slot);
        }
        let lines = self.lines.len().min(LINES_PER_CHANGE);
        (lines > 0).then(|| Change::Log(self.lines.drain(..lines).collect()))
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty()
            && self.order.is_empty()
            && self.ticks.is_empty()
            && self.lines.is_empty()
            && !self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use cleanplate_api::admin::{JobsChanged, LogLevel, LogLines, Resync};

    use super::*;
    use crate::tests::made_up::job;

    fn jobs(ids: impl Iterator<Item = usize>, attempt: u32) -> Event {
        let jobs = ids
            .map(|id| JobRow {
                attempt,
                ..job(&format!("job-{id}"))
            })
            .collect();
        Event::Jobs(JobsChanged { jobs, omitted: 0 })
    }

    #[test]
    fn only_the_newest_state_of_a_thing_is_kept() {
        let inbox = Inbox::default();
        for attempt in 0..500 {
            inbox.push_event(jobs(0..3, attempt));
        }
        let (changes, more) = inbox.take(100);
        assert!(!more && changes.len() == 3, "{}", changes.len());
        assert!(
            changes
                .iter()
                .all(|change| matches!(change, Change::Job(job) if job.attempt == 499))
        );
    }

    #[test]
    fn answers_go_first_and_no_more_than_asked_for_is_given() {
        let inbox = Inbox::default();
        inbox.push_event(jobs(0..200, 1));
        inbox.push_event(Event::Resync(Resync { missed: 3 }));
        let (changes, more) = inbox.take(64);
        assert!(more && changes.len() == 64 && matches!(changes[0], Change::Resync));
    }

    #[test]
    fn too_much_is_told_and_not_kept() {
        let inbox = Inbox::default();
        inbox.push_event(jobs(0..SLOTS_MAX + 50, 1));
        let (changes, more) = inbox.take(usize::MAX);
        assert!(!more && changes.len() == SLOTS_MAX + 1);
        assert!(matches!(changes[0], Change::Resync));
        let line = |number| LogLine {
            number,
            at_ms: 0,
            level: LogLevel::Info,
            target: String::new(),
            text: String::new(),
            fields: vec![],
        };
        inbox.push_event(Event::Log(LogLines {
            lines: (0..5000).map(line).collect(),
            omitted: 0,
        }));
        let (changes, _) = inbox.take(usize::MAX);
        assert_eq!(changes.len(), LINES_MAX / LINES_PER_CHANGE);
        assert!(
            matches!(changes.last(), Some(Change::Log(lines)) if lines.last().unwrap().number == 4999)
        );
    }
}
