//! What happens in the daemon, for those who look on: events with numbers, figures per second, log lines.
//!
//! Threads that work only leave their newest state here, under a lock that is held for a moment; a thread of its own
//! turns what changed into events ten times a second. However fast jobs come, each shows at most once in an event, and a
//! reader that is slow misses events instead of slowing anyone.

mod figures;
mod jobs;
mod ring;
mod row;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cleanplate_api::admin::{Event, JobRow, Latency, MetricsTick, Totals};
use cleanplate_store::{
    Job, JobFilter, JobId, JobProgress, JobStatus, PageRequest, Store, StoreError, Watcher,
};

pub use ring::{Ring, text as event_text};
pub use row::job_row;

use figures::{Figures, Second};
use jobs::OpenJobs;

use cleanplate_basics::lock;

/// Seconds of figures that are kept.
pub const HISTORY_S: usize = 300;

/// What an event is about, so that a newer one takes the place of an older one that was not sent yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Folder(String),
    Model(String),
    Account(i64),
    Key(i64),
}

impl Slot {
    fn of(event: &Event) -> Option<Slot> {
        Some(match event {
            Event::Folder(folder) => Slot::Folder(folder.name.clone()),
            Event::FolderGone(name) => Slot::Folder(name.clone()),
            Event::Model(model) => Slot::Model(model.name.clone()),
            Event::Account(account) => Slot::Account(account.id),
            Event::Key(key) => Slot::Key(key.id),
            Event::KeyGone(key) => Slot::Key(*key),
            _ => return None,
        })
    }
}

#[derive(Default)]
struct State {
    jobs: OpenJobs,
    figures: Figures,
    /// Newest event of each thing that has one to send.
    others: BTreeMap<Slot, Event>,
    history: VecDeque<MetricsTick>,
}

/// The place of someone who reads events. It counts as one until dropped.
pub struct FeedReader(Arc<Feed>);

impl FeedReader {
    /// A place, unless `most` are taken.
    pub fn new(feed: &Arc<Feed>, most: u32) -> Option<FeedReader> {
        feed.ring.enter(most).then(|| FeedReader(feed.clone()))
    }

    /// What is read.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.0
    }
}

impl Drop for FeedReader {
    fn drop(&mut self) {
        self.0.ring.leave();
    }
}

/// Where changes are left, and read as events.
pub struct Feed {
    state: Mutex<State>,
    ring: Ring,
}

impl Feed {
    /// A feed that knows the jobs of the store. Call before anything is accepted or run.
    pub fn new(store: &dyn Store) -> Result<Feed, StoreError> {
        let mut state = State::default();
        let counts = store.job_counts()?;
        state.jobs.set_ended(counts.completed, counts.failed);
        for status in [JobStatus::Pending, JobStatus::Processing] {
            let filter = JobFilter {
                status: Some(status),
                ..JobFilter::default()
            };
            let mut request = PageRequest::default();
            loop {
                let page = store.list_jobs(&filter, &request)?;
                page.items
                    .iter()
                    .for_each(|job| state.jobs.know(job_row(job)));
                request.after = page.next;
                if request.after.is_none() {
                    break;
                }
            }
        }
        Ok(Feed {
            state: Mutex::new(state),
            ring: Ring::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete in itself.
        lock(&self.state)
    }

    /// Events for readers.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Leaves an event about a folder, a model, an account or a key; the newest about each is sent.
    pub fn leave(&self, event: Event) {
        if let Some(slot) = Slot::of(&event) {
            self.state().others.insert(slot, event);
        }
    }

    /// Jobs waiting and jobs on the device.
    pub fn load(&self) -> (u32, u32) {
        self.state().jobs.load()
    }

    /// Jobs on the device.
    pub fn on_device(&self) -> Vec<JobId> {
        self.state().jobs.on_device()
    }

    /// Turns what changed since the last call into events, once `progress` is noted.
    pub fn take(&self, progress: Vec<JobProgress>) -> Vec<Event> {
        let State { jobs, others, .. } = &mut *self.state();
        for now in progress {
            jobs.progress(now.job, now.stage, now.fraction);
        }
        let changed = jobs.take().map(Event::Jobs);
        let others = std::mem::take(others).into_values();
        changed.into_iter().chain(others).collect()
    }

    /// What the last `span` counted: jobs, latency, time waited. Counting starts anew.
    pub fn second(&self, span: Duration) -> (Second, Latency, Latency) {
        self.state().figures.second(span)
    }

    /// Keeps a second's figures, and sends them.
    pub fn keep(&self, tick: MetricsTick) {
        {
            let history = &mut self.state().history;
            if history.len() == HISTORY_S {
                history.pop_front();
            }
            history.push_back(tick.clone());
        }
        self.ring.push(Event::Metrics(tick));
    }

    /// The row with stage and share done, if the job is on the device.
    pub fn with_progress(&self, row: JobRow) -> JobRow {
        self.state().jobs.with_progress(row)
    }

    /// Jobs by state.
    pub fn totals(&self) -> Totals {
        self.state().jobs.totals()
    }

    /// The last `seconds` seconds, oldest first.
    pub fn history(&self, seconds: usize) -> Vec<MetricsTick> {
        let state = self.state();
        state
            .history
            .iter()
            .skip(state.history.len().saturating_sub(seconds))
            .cloned()
            .collect()
    }

    /// The newest second.
    pub fn newest(&self) -> MetricsTick {
        self.state().history.back().cloned().unwrap_or_default()
    }
}

impl Watcher for Feed {
    fn job_changed(&self, job: &Job) {
        let row = job_row(job);
        let mut state = self.state();
        let State { jobs, figures, .. } = &mut *state;
        figures.note(&row, jobs.is_open(job.id));
        jobs.changed(job.id, row);
        figures.set_running(jobs.load().1);
    }
}
