//! The thread that turns changes into events: ten times a second what changed, once a second the figures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cleanplate_api::admin::{Event, LogLevel, LogLines, MetricsTick, ServerState, StateChanged};
use cleanplate_api::{FolderStatus, QueueView};

use crate::app::App;
use crate::folder::Folders;
use crate::jobs::DeviceState;
use crate::process::{self, Process};
use crate::telemetry::names;

/// Pause between looks at what changed.
const TICK: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// Most log lines of one event.
const LINES_MAX: usize = 100;

struct Ticker {
    app: Arc<App>,
    folders: Arc<Folders>,
    process: Process,
    queue: QueueView,
    state: Option<StateChanged>,
    statuses: BTreeMap<String, FolderStatus>,
    /// Number of the last log line that was sent.
    line: u64,
    requests: f64,
    errors: f64,
    second: Instant,
}

/// Starts the thread; it ends soon after `stop` is set.
pub fn start(
    app: Arc<App>,
    folders: Arc<Folders>,
    stop: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<()>> {
    let mut ticker = Ticker {
        queue: queue(&app),
        process: Process::new(),
        state: None,
        statuses: BTreeMap::new(),
        line: app.tail.newest(),
        requests: app.metrics.sum(names::REQUESTS),
        errors: app.metrics.sum(names::ERRORS),
        second: Instant::now(),
        app,
        folders,
    };
    std::thread::Builder::new()
        .name("feed".to_string())
        .spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                ticker.tick();
            }
        })
}

fn queue(app: &App) -> QueueView {
    let (waiting, running) = app.feed.load();
    QueueView {
        waiting,
        running,
        length_max: app.config.queue.length_max as u32,
    }
}

/// Whether work is taken, and why not.
pub fn server_state(app: &App) -> StateChanged {
    let closed = app.closed().map(|refusal| refusal.text);
    let state = match (&closed, app.jobs.device()) {
        (None, _) => ServerState::Ready,
        (Some(_), _) if app.jobs.is_stopping() => ServerState::Draining,
        (Some(_), DeviceState::Opening) => ServerState::Starting,
        (Some(_), _) => ServerState::Degraded,
    };
    StateChanged {
        state,
        reason: closed,
    }
}

impl Ticker {
    fn tick(&mut self) {
        for event in self.changes() {
            self.app.feed.ring().push(event);
        }
        if self.second.elapsed() >= SECOND {
            self.end_second();
        }
    }

    fn changes(&mut self) -> Vec<Event> {
        let feed = &self.app.feed;
        // The engine thread's lock is never taken under the feed's.
        let progress: Vec<_> = feed
            .on_device()
            .into_iter()
            .filter_map(|id| self.app.jobs.progress(id))
            .collect();
        let mut events = feed.take(progress);
        let queue = queue(&self.app);
        if self.queue != queue {
            self.queue = queue.clone();
            events.push(Event::Queue(queue));
        }
        let state = server_state(&self.app);
        if self.state.as_ref() != Some(&state) {
            self.state = Some(state.clone());
            events.push(Event::State(state));
        }
        events.extend(self.lines());
        events
    }

    fn lines(&mut self) -> Option<Event> {
        let fresh = self.app.tail.after(self.line);
        self.line = fresh.last()?.number;
        let mut lines: Vec<_> = fresh
            .into_iter()
            .filter(|line| line.level >= LogLevel::Info)
            .collect();
        let omitted = lines.len().saturating_sub(LINES_MAX);
        lines.drain(..omitted);
        (!lines.is_empty()).then_some(Event::Log(LogLines {
            lines,
            omitted: omitted as u64,
        }))
    }

    fn end_second(&mut self) {
        let span = self.second.elapsed();
        self.second = Instant::now();
        let app = &self.app;
        app.jobs.tell_progress();
        let (requests, errors) = (
            app.metrics.sum(names::REQUESTS),
            app.metrics.sum(names::ERRORS),
        );
        let (second, latency, wait) = app.feed.second(span);
        let tick = MetricsTick {
            at_ms: crate::clock::now_ms(),
            completed: second.completed,
            failed: second.failed,
            requests: (requests - self.requests) as u32,
            errors: (errors - self.errors) as u32,
            credits: second.credits,
            waiting: self.queue.waiting,
            running: self.queue.running,
            busy: second.busy,
            latency,
            wait,
            rss_bytes: process::rss_bytes(),
            device_bytes: app.jobs.device_bytes(),
            cpu_cores: self.process.cpu_cores(),
            disk_free_bytes: process::free_bytes(&app.dirs.data),
        };
        (self.requests, self.errors) = (requests, errors);
        app.feed.keep(tick);
        self.look_at_folders();
    }

    fn look_at_folders(&mut self) {
        let now: BTreeMap<String, FolderStatus> = self
            .folders
            .status()
            .into_iter()
            .map(|status| (status.name.clone(), status))
            .collect();
        for (name, status) in &now {
            if self.statuses.get(name) != Some(status) {
                self.app.feed.ring().push(Event::Folder(status.clone()));
            }
        }
        for name in self.statuses.keys().filter(|name| !now.contains_key(*name)) {
            self.app.feed.ring().push(Event::FolderGone(name.clone()));
        }
        self.statuses = now;
    }
}
