//! One watched folder: looks, claims, hands in, delivers. A thread of its own, or the command line's.

mod step;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cleanplate_pipeline::Pipeline;

use super::board::Board;
use super::claim::{Claim, Places};
use super::executor::{Executor, Made, Running};
use super::notifications::Notifications;
use super::read::{self, Bounds};
use super::report::Report;
use super::scan::{self, Pair, Tracker, Verdict};
use super::take::Stamp;
use crate::config::HotFolder;
use crate::pairing::WORKING;

/// Pause between looks at running tasks.
const POLL: Duration = Duration::from_millis(10);
/// Shortest pause between two scans.
const SCAN_MIN: Duration = Duration::from_millis(100);
/// Pause between scans while complete pairs wait.
const SCAN_BUSY: Duration = Duration::from_secs(1);
/// First and longest pause after something failed.
const BACK_OFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Everything a folder needs.
pub struct Setup {
    /// The folder.
    pub folder: HotFolder,
    /// Its pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Where pairs are worked on.
    pub executor: Arc<dyn Executor>,
    /// Bounds of what is read.
    pub bounds: Bounds,
    /// Where its state is shown.
    pub board: Arc<Board>,
    /// Take nothing more; what runs still ends.
    pub stop: Arc<AtomicBool>,
    /// End when nothing is left to do, and on the first thing that is in the way.
    pub once: bool,
}

enum State {
    /// To be read and handed in, not before this time.
    Fresh(Instant),
    /// Handed in.
    Running(Box<dyn Running>),
    /// Done; the output folder did not take it.
    Undelivered(Box<Made>),
    /// Its report could not be written.
    Unsettled,
}

struct Held {
    claim: Claim,
    report: Report,
    state: State,
    /// How the photo looked before it was claimed.
    expected: Option<Stamp>,
}

/// A folder at work.
pub struct FolderWatch {
    setup: Setup,
    places: Places,
    tracker: Tracker,
    notifications: Notifications,
    held: Vec<Held>,
    ready: VecDeque<Pair>,
    /// Until when nothing is taken.
    paused: Option<Instant>,
    back_off: Duration,
    next_scan: Instant,
    scan_min: Duration,
    settling: bool,
    /// What a single run ends with.
    obstacle: Option<io::Error>,
    /// Since when a single run has nothing to do but wait for files that change.
    restless: Option<Instant>,
    /// Held while the folder is ours; another process that watches it is kept out.
    lock: Option<File>,
    opened: bool,
}

impl FolderWatch {
    /// A folder that has not been looked at.
    pub fn new(setup: Setup) -> FolderWatch {
        let places = Places {
            root: setup.folder.path.clone(),
            output: setup.folder.output.clone(),
        };
        let now = Instant::now();
        FolderWatch {
            places,
            tracker: Tracker::default(),
            notifications: Notifications::default(),
            held: Vec::new(),
            ready: VecDeque::new(),
            paused: None,
            back_off: BACK_OFF[0],
            next_scan: now,
            scan_min: SCAN_MIN,
            settling: false,
            obstacle: None,
            restless: None,
            lock: None,
            opened: false,
            setup,
        }
    }

    /// Runs until told to stop, or in a single run until nothing is left. The error is what was in the way of a single run.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            let stopping = self.setup.stop.load(Ordering::SeqCst);
            let now = Instant::now();
            if self.setup.board.was_nudged() {
                (self.next_scan, self.paused) = (now, self.paused.map(|_| now));
            }
            // First what a pause was about is looked at, then what waited for it goes on.
            if !stopping && self.paused.is_none_or(|until| until <= now) {
                self.work(now)?;
            }
            self.step_all(now, stopping);
            if self.setup.once {
                self.require_progress(now)?;
            }
            if stopping
                && !self
                    .held
                    .iter()
                    .any(|held| matches!(held.state, State::Running(_)))
            {
                break;
            }
            if self.setup.once && self.is_through() {
                break;
            }
            self.setup.board.counts(self.ready.len(), self.held.len());
            self.setup
                .board
                .publish(&self.places.root.join(WORKING), false);
            self.wait();
        }
        self.setup
            .board
            .publish(&self.places.root.join(WORKING), true);
        Ok(())
    }

    /// A single run ends with what is in its way, be it a full disk or a file that somebody writes without end.
    fn require_progress(&mut self, now: Instant) -> io::Result<()> {
        if let Some(error) = self.obstacle.take() {
            return Err(error);
        }
        if !self.settling || !self.held.is_empty() || !self.ready.is_empty() {
            self.restless = None;
            return Ok(());
        }
        let rules = &self.setup.folder.rules;
        let since = *self.restless.get_or_insert(now);
        if now.duration_since(since) > rules.settle + rules.incomplete_max {
            let seconds = (rules.settle + rules.incomplete_max).as_secs();
            let text = format!(
                "files of {} still change after {seconds} s; run it again once they are whole",
                self.places.root.display()
            );
            return Err(io::Error::other(text));
        }
        Ok(())
    }

    fn is_through(&self) -> bool {
        self.opened && self.held.is_empty() && self.ready.is_empty() && !self.settling
    }

    /// Looks and claims; what is in the way pauses the folder.
    fn work(&mut self, now: Instant) -> io::Result<()> {
        match self.try_work(now) {
            Ok(()) => {
                if self.paused.take().is_some() && self.setup.board.resumed() {
                    tracing::info!(folder = self.setup.folder.name, "hot folder goes on");
                }
                self.back_off = BACK_OFF[0];
                Ok(())
            }
            Err(error) if self.setup.once => Err(error),
            Err(error) => {
                self.pause(&error.to_string(), None);
                Ok(())
            }
        }
    }

    fn try_work(&mut self, now: Instant) -> io::Result<()> {
        if self.setup.board.is_held() {
            return Err(io::Error::other("paused by an administrator"));
        }
        if !self.opened || self.paused.is_some() {
            self.open(now)?;
        }
        if self.next_scan <= now {
            self.look(now)?;
        }
        self.refill(now)
    }

    /// Makes sure that the folder is there and ours, and its output takes results; on the first time takes up what lies in `working`.
    fn open(&mut self, now: Instant) -> io::Result<()> {
        let named = |what: &str, path: &std::path::Path| {
            let text = format!("{what} {}", path.display());
            move |error: io::Error| io::Error::new(error.kind(), format!("{text}: {error}"))
        };
        let root = self.places.root.clone();
        if let Err(error) = std::fs::read_dir(&root) {
            // Whatever comes back in its place is looked at anew.
            self.opened = false;
            return Err(named("reading", &root)(error));
        }
        self.places.prepare().map_err(named("preparing", &root))?;
        if !self.lock.as_ref().is_some_and(|lock| self.is_same(lock)) {
            self.lock = Some(self.take_lock()?);
            self.opened = false;
        }
        // By now a pause can be shown beside the pairs.
        if let Some(why) = self.setup.executor.closed() {
            return Err(io::Error::other(why));
        }
        self.places
            .check_output()
            .map_err(named("writing into the output folder", &self.places.output))?;
        if let Some((_, text)) =
            crate::config::misplaced(std::slice::from_ref(&self.setup.folder)).pop()
        {
            return Err(io::Error::other(text));
        }
        if !self.opened {
            self.held
                .retain(|held| matches!(held.state, State::Running(_)));
            for claim in self
                .places
                .resume()
                .map_err(named("taking up what lies in", &root.join(WORKING)))?
            {
                if self.held.iter().all(|held| held.claim.id != claim.id) {
                    tracing::info!(
                        folder = self.setup.folder.name,
                        photo = claim.photo,
                        "taking up a pair of an earlier run"
                    );
                    self.hold(claim, None);
                }
            }
            self.notifications = Notifications::of(&self.setup.folder);
            self.next_scan = now;
            self.opened = true;
        }
        Ok(())
    }

    fn lock_path(&self) -> std::path::PathBuf {
        self.places.root.join(WORKING).join(".lock")
    }

    /// Whether the lock that we hold is the file in the folder: a share may have been mounted anew.
    fn is_same(&self, lock: &File) -> bool {
        use std::os::unix::fs::MetadataExt;
        let there = self
            .lock_path()
            .symlink_metadata()
            .map(|meta| (meta.dev(), meta.ino()))
            .ok();
        there.is_some() && there == lock.metadata().map(|meta| (meta.dev(), meta.ino())).ok()
    }

    fn take_lock(&self) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.lock_path();
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(std::fs::TryLockError::WouldBlock) => Err(io::Error::other(format!(
                "{} is watched by another process",
                self.places.root.display()
            ))),
            Err(std::fs::TryLockError::Error(error)) => {
                tracing::warn!(folder = self.setup.folder.name, %error, "this file system has no locks; see to it that nobody else watches the folder");
                Ok(lock)
            }
        }
    }

    fn pause(&mut self, why: &str, after: Option<Duration>) {
        let time = after.unwrap_or(self.back_off);
        self.back_off = (self.back_off * 2).min(BACK_OFF[1]);
        self.paused = Some(Instant::now() + time);
        if self.setup.board.paused(why) {
            tracing::warn!(
                folder = self.setup.folder.name,
                why,
                "hot folder paused; it goes on by itself"
            );
        }
    }

    /// Scans the folder and sorts what is there.
    fn look(&mut self, now: Instant) -> io::Result<()> {
        let rules = &self.setup.folder.rules;
        let listing = scan::list(&self.places.root, rules)?;
        self.tracker.update(&listing, now, self.setup.once);
        let (pairs, waiting) = scan::pair(&listing, rules);
        let quiet = |path: &String| self.tracker.quiet(path, now) >= rules.settle;
        let irregular = |path: &String| listing.get(path).is_some_and(|stamp| !stamp.regular);
        // What is no file never gets better; it is claimed and refused.
        let refused = waiting
            .iter()
            .filter(|path| irregular(path))
            .map(|path| Pair::alone(path));
        let all = pairs.len();
        self.ready = pairs
            .into_iter()
            .chain(refused)
            .filter(|pair| pair.files().all(quiet))
            .collect();
        let settling = all.saturating_sub(self.ready.len());
        let waiting: Vec<String> = waiting
            .into_iter()
            .filter(|path| !irregular(path))
            .collect();
        let mut untold = false;
        for path in &waiting {
            if self.tracker.quiet(path, now) < rules.mask_wait {
                untold = true;
            } else if self.tracker.tell_once(path) {
                tracing::warn!(
                    folder = self.setup.folder.name,
                    photo = path,
                    "waiting for a mask"
                );
            }
        }
        // Without another look soon, a photo that nothing happens to would be told of at the next rescan only.
        self.settling = settling > 0 || (untold && !self.setup.once);
        self.setup.board.looked(settling, &waiting);
        self.scan_min = (now.elapsed() * 5).max(SCAN_MIN);
        self.next_scan = now + self.scan_pause().max(self.scan_min);
        Ok(())
    }

    fn scan_pause(&self) -> Duration {
        let rules = &self.setup.folder.rules;
        let rest = if self.notifications.are_on() {
            rules.scan
        } else {
            rules.poll.unwrap_or(Notifications::WITHOUT)
        };
        if self.settling {
            (rules.settle / 4).min(rest)
        } else {
            rest
        }
    }

    /// Claims complete pairs up to the limit.
    fn refill(&mut self, now: Instant) -> io::Result<()> {
        let mut tried = 0;
        // One picture is decoded per round, so that running tasks are looked after in between.
        while self.held.len() < self.setup.folder.rules.in_flight_max && tried < 2 {
            let Some(pair) = self.ready.pop_front() else {
                break;
            };
            if !self.is_whole(&pair, now) {
                self.settling = true;
                self.next_scan = self
                    .next_scan
                    .min(now + self.scan_pause().max(self.scan_min));
                tried += 1;
                continue;
            }
            let expected = self.tracker.stamp(&pair.photo);
            let names: Vec<&str> = self
                .held
                .iter()
                .map(|held| held.claim.name.as_str())
                .collect();
            let claim =
                self.places
                    .take(&pair, |name| names.contains(&name), crate::clock::now_ms())?;
            if let Some(claim) = claim {
                self.hold(claim, expected);
                tried += 1;
            }
        }
        if !self.ready.is_empty() {
            self.next_scan = self.next_scan.min(now + SCAN_BUSY);
        }
        Ok(())
    }

    /// Whether every file of a pair is as the last scan saw it, and decodes.
    fn is_whole(&mut self, pair: &Pair, now: Instant) -> bool {
        let (root, bounds) = (&self.places.root, &self.setup.bounds);
        let patience = if self.setup.once {
            self.setup.folder.rules.settle
        } else {
            self.setup.folder.rules.incomplete_max
        };
        pair.files().all(|path| {
            let place = root.join(path);
            let same = Stamp::of(&place).is_ok_and(|stamp| Some(stamp) == self.tracker.stamp(path));
            let patient = self.tracker.quiet(path, now) < patience;
            same && (self
                .tracker
                .verdict(path, || read::look_into(&place, bounds))
                == Verdict::Ready
                || !patient)
        })
    }

    fn hold(&mut self, claim: Claim, expected: Option<Stamp>) {
        let report = Report::of(&self.setup.folder.name, &self.setup.pipeline.name, &claim);
        self.held.push(Held {
            claim,
            report,
            state: State::Fresh(Instant::now()),
            expected,
        });
    }

    /// Sleeps until something may have happened.
    fn wait(&mut self) {
        let now = Instant::now();
        let busy = self
            .held
            .iter()
            .any(|held| !matches!(held.state, State::Fresh(_)));
        let due = self
            .paused
            .unwrap_or(self.next_scan)
            .saturating_duration_since(now);
        let limit = if busy || (!self.ready.is_empty() && self.paused.is_none()) {
            POLL
        } else {
            Duration::from_millis(200)
        };
        let touched = self
            .notifications
            .wait(due.min(limit).max(Duration::from_millis(1)));
        if touched.is_empty() {
            return;
        }
        let now = Instant::now();
        for path in &touched {
            if let Ok(path) = path.strip_prefix(&self.places.root) {
                self.tracker.touch(&path.to_string_lossy(), now);
            }
        }
        let pause = if self.ready.is_empty() {
            self.scan_min
        } else {
            SCAN_BUSY
        };
        self.next_scan = self.next_scan.min(now + pause);
    }
}
