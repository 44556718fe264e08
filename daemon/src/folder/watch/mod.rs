//! One watched folder: looks, claims, hands in, delivers. A thread of its own, or the command line's.

mod look;
mod open;
mod step;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::after::{Commands, Sheet};
use super::board::Board;
use super::claim::{Claim, Places};
use super::executor::{Executor, Made, Running};
use super::menu::Menu;
use super::notifications::Notifications;
use super::read::Bounds;
use super::report::Report;
use super::scan::{Pair, Tracker};
use super::take::Stamp;
use crate::config::HotFolder;
use crate::pairing::WORKING;
use look::Sight;

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
    /// Its pipeline, and those that sidecars may name.
    pub menu: Menu,
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
    /// Path of its result in the output folder.
    result: Option<String>,
}

/// A folder at work.
pub struct FolderWatch {
    setup: Setup,
    places: Places,
    tracker: Tracker,
    notifications: Notifications,
    held: Vec<Held>,
    sight: Sight,
    ready: VecDeque<Pair>,
    /// Until when nothing is taken.
    paused: Option<Instant>,
    back_off: Duration,
    next_scan: Instant,
    scan_min: Duration,
    /// Pairs that still change.
    settling: usize,
    /// What a single run ends with.
    obstacle: Option<io::Error>,
    /// Since when a single run has nothing to do but wait for files that change.
    restless: Option<Instant>,
    /// Held while the folder is ours; another process that watches it is kept out.
    lock: Option<File>,
    opened: bool,
    commands: Commands,
    sheet: Sheet,
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
            sight: Sight::new(now),
            ready: VecDeque::new(),
            paused: None,
            back_off: BACK_OFF[0],
            next_scan: now,
            scan_min: SCAN_MIN,
            settling: 0,
            obstacle: None,
            restless: None,
            lock: None,
            opened: false,
            commands: Commands::new(&setup.folder.rules.finish.on_done),
            sheet: Sheet::default(),
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
            let ours = self.is_ours();
            if ours && !stopping && self.paused.is_none_or(|until| until <= now) {
                self.work(now)?;
            }
            if ours {
                self.step_all(now, stopping);
            }
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
            self.show_counts();
            self.setup
                .board
                .publish(&self.places.root.join(WORKING), false);
            if self.sheet.is_due(now, || self.is_through()) {
                self.write_sheet();
            }
            self.wait();
        }
        self.show_counts();
        self.setup
            .board
            .publish(&self.places.root.join(WORKING), true);
        self.write_sheet();
        self.commands.finish(self.setup.once);
        Ok(())
    }

    /// Whether this process may work on the folder. What it had under way when another took over is the other's now.
    fn is_ours(&mut self) -> bool {
        let Err(why) = self.setup.executor.ours() else {
            return true;
        };
        self.held.clear();
        self.ready.clear();
        (self.opened, self.lock) = (false, None);
        if self.paused.is_none_or(|until| until <= Instant::now()) {
            self.pause(&why, Some(SCAN_BUSY));
        }
        false
    }

    fn show_counts(&self) {
        let ahead = self.sight.ahead().saturating_sub(self.settling);
        let ready = self.ready.len() + ahead;
        self.setup.board.counts(ready, self.held.len());
    }

    /// A single run ends with what is in its way, be it a full disk or a file that somebody writes without end.
    fn require_progress(&mut self, now: Instant) -> io::Result<()> {
        if let Some(error) = self.obstacle.take() {
            return Err(error);
        }
        if self.settling == 0 || !self.held.is_empty() || !self.ready.is_empty() {
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
        let nothing = self.held.is_empty() && self.ready.is_empty() && self.sight.ahead() == 0;
        self.opened && nothing
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

    fn hold(&mut self, claim: Claim, expected: Option<Stamp>) {
        let report = Report::of(&self.setup.folder.name, &self.setup.menu.own.name, &claim);
        self.held.push(Held {
            claim,
            report,
            state: State::Fresh(Instant::now()),
            expected,
            result: None,
        });
    }

    /// Sleeps until something may have happened.
    fn wait(&mut self) {
        let now = Instant::now();
        let busy = self
            .held
            .iter()
            .any(|held| !matches!(held.state, State::Fresh(_)));
        let looks = self.next_scan.min(self.next_sift());
        let due = self.paused.unwrap_or(looks);
        let due = due.saturating_duration_since(now);
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
        self.touched(&touched);
    }
}
