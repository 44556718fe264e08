//! What lies in the folder: listed by name, then looked at closely a window at a time.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use cleanplate_api::FolderFile;

use super::super::claim::Taken;
use super::super::hold;
use super::super::mark::{self, Marked};
use super::super::notifications::Notifications;
use super::super::read;
use super::super::scan::{self, Left, NAMES_MAX, Pair, Verdict, Waiting};
use super::{FolderWatch, SCAN_BUSY, SCAN_MIN};
use crate::pairing::path::{self, join, shown};

/// Complete pairs that are kept ready.
const READY_MAX: usize = 128;
/// Pairs that are looked at together while none is complete; more if none of them ever is.
const WINDOW: usize = 128;
/// Longest look at pairs while others are ready or may soon be, on a share that answers slowly; longer if none of them ever is.
const SIFT: Duration = Duration::from_millis(400);
/// Pairs that every look takes in.
const SIFT_LEAST: usize = 8;
/// Listing takes at most one part of the time in so many.
const LISTING_SHARE: u32 = 5;
/// However long a listing takes, the next one is no farther away when something has changed.
const LISTING_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Photos without a mask whose waiting is told in the log.
const TOLD_MAX: usize = 100;
/// Pause before a pair that could not be moved is tried again.
const STUCK: Duration = Duration::from_secs(30);

/// What a folder knows of the files in it.
pub(super) struct Sight {
    /// Pairs as listed, in order, but for those that are ready.
    pairs: Vec<Pair>,
    /// Photos without a mask.
    waiting: Vec<Waiting>,
    /// Of those, since when and whether it was told.
    since: HashMap<String, (Instant, bool)>,
    /// Everything else that stays where it is.
    left: Left,
    /// Photos of pairs that could not be moved: why, and until when they are let be.
    stuck: HashMap<String, (String, Instant)>,
    /// Pairs that are looked at together.
    window: usize,
    /// How long that may take.
    patience: Duration,
    next_sift: Instant,
}

impl Sight {
    pub(super) fn new(now: Instant) -> Sight {
        Sight {
            pairs: Vec::new(),
            waiting: Vec::new(),
            since: HashMap::new(),
            left: Left::default(),
            stuck: HashMap::new(),
            window: WINDOW,
            patience: SIFT,
            next_sift: now,
        }
    }

    /// Pairs that are neither ready nor stuck.
    pub(super) fn ahead(&self) -> usize {
        self.pairs.len().saturating_sub(self.stuck.len())
    }
}

impl FolderWatch {
    /// Lists the folder and sorts what is there.
    pub(super) fn look(&mut self, now: Instant) -> io::Result<()> {
        // On a busy machine `now` may lie far back.
        let begun = Instant::now();
        let rules = &self.setup.folder.rules;
        let listing = scan::list(&self.places.root, rules)?;
        self.tracker.retain(&listing);
        let added = self.notifications.follow(&self.places.root, &listing.dirs);
        let sorted = scan::sort(listing, rules);
        self.ready.clear();
        let sight = &mut self.sight;
        (sight.pairs, sight.waiting, sight.left) = (sorted.pairs, sorted.waiting, sorted.left);
        let there: HashSet<&str> = sight.pairs.iter().map(|pair| &*pair.photo).collect();
        sight.stuck.retain(|photo, _| there.contains(&**photo));
        let pause = begun.elapsed() * LISTING_SHARE;
        self.scan_min = pause.clamp(SCAN_MIN, LISTING_PAUSE_MAX);
        let rest = if added { Duration::ZERO } else { self.rest() };
        self.next_scan = now + rest.max(self.scan_min);
        self.wait_for_masks(now);
        self.sift(now);
        Ok(())
    }

    /// Tells of photos that wait for long.
    fn wait_for_masks(&mut self, now: Instant) {
        let (sight, rules) = (&mut self.sight, &self.setup.folder.rules);
        let mut since = HashMap::new();
        for waiting in sight.waiting.iter().take(TOLD_MAX) {
            let seen = sight.since.get(&waiting.photo).copied();
            since.insert(waiting.photo.clone(), seen.unwrap_or((now, false)));
        }
        sight.since = since;
        for (photo, (since, told)) in &mut sight.since {
            if now.duration_since(*since) < rules.mask_wait {
                // Without another look, a photo that nothing happens to would be told of at the next rescan only.
                self.next_scan = self.next_scan.min(*since + rules.mask_wait);
            } else if !std::mem::replace(told, true) {
                tracing::warn!(
                    folder = self.setup.folder.name,
                    photo = shown(photo),
                    "waiting for a mask"
                );
            }
        }
    }

    /// Looks closely at the first pairs: those that hold still are ready. However many files there are, a look at them costs
    /// the same.
    pub(super) fn sift(&mut self, now: Instant) {
        let begun = Instant::now();
        let (settle, aged) = (self.setup.folder.rules.settle, self.setup.once);
        let (sight, root) = (&mut self.sight, &self.places.root);
        let mut rest = Vec::with_capacity(sight.pairs.len());
        let (mut looked, mut unready, mut gone, mut late) = (0, 0, false, false);
        // Until one of them may be ready, at the soonest.
        let mut due = settle;
        for pair in std::mem::take(&mut sight.pairs) {
            let patience = if self.ready.is_empty() {
                sight.patience
            } else {
                SIFT
            };
            late = late || (looked >= SIFT_LEAST && begun.elapsed() > patience);
            if late || self.ready.len() >= READY_MAX || unready >= sight.window {
                rest.push(pair);
                continue;
            }
            if sight
                .stuck
                .get(&pair.photo)
                .is_some_and(|(_, until)| *until > now)
            {
                rest.push(pair);
                continue;
            }
            looked += 1;
            let mut quiet = Some(Duration::MAX);
            for path in pair.files() {
                let stamp = hold::stamp(root, path).ok();
                let own = stamp.map(|stamp| self.tracker.see(path, stamp, now, aged));
                quiet = quiet.zip(own).map(|(a, b)| a.min(b));
            }
            match quiet {
                // One of its files is gone: the next listing knows what it is now.
                None => gone = true,
                Some(quiet) if quiet >= settle => self.ready.push_back(pair),
                Some(quiet) => {
                    due = due.min(settle - quiet);
                    unready += 1;
                    rest.push(pair);
                }
            }
        }
        // Those of a full window may change for ever: the ones behind them do not wait for that.
        let rest_min = if unready >= sight.window {
            settle / 4
        } else {
            due.max(settle / 4)
        };
        (sight.window, sight.patience) =
            if self.ready.is_empty() && (late || unready >= sight.window) {
                (sight.window * 2, sight.patience * 2)
            } else {
                (WINDOW, SIFT)
            };
        sight.pairs = rest;
        sight.next_sift = (now + rest_min).max(Instant::now() + begun.elapsed());
        self.settling = unready;
        if gone {
            self.next_scan = self.next_scan.min(now + self.scan_min);
        }
        self.show_left();
    }

    /// Shows what is not taken, and why.
    fn show_left(&self) {
        let sight = &self.sight;
        let mut left = Left::default();
        left.add_all(sight.stuck.iter().map(|(photo, (why, _))| FolderFile {
            name: shown(photo),
            why: why.clone(),
        }));
        left.add_all(sight.waiting.iter().map(|waiting| FolderFile {
            name: shown(&waiting.photo),
            why: format!("waits for a mask: {}", shown(&waiting.wanted)),
        }));
        left.count += sight.left.count;
        let room = NAMES_MAX.saturating_sub(left.first.len());
        left.first
            .extend(sight.left.first.iter().take(room).cloned());
        let waiting = sight.waiting.iter().map(|waiting| shown(&waiting.photo));
        let waiting = waiting.take(NAMES_MAX).collect();
        self.setup
            .board
            .looked(self.settling, sight.waiting.len(), waiting, left);
    }

    fn rest(&self) -> Duration {
        let rules = &self.setup.folder.rules;
        if self.notifications.are_on() {
            rules.scan
        } else {
            rules.poll.unwrap_or(Notifications::WITHOUT)
        }
    }

    /// Claims complete pairs up to the limit.
    pub(super) fn refill(&mut self, now: Instant) -> io::Result<()> {
        let few = self.ready.len() < READY_MAX / 2;
        if self.sight.next_sift <= now && few && !self.sight.pairs.is_empty() {
            self.sift(now);
        }
        let mut tried = 0;
        // One picture is decoded per round, so that running tasks are looked after in between.
        while self.held.len() < self.setup.folder.rules.in_flight_max && tried < 2 {
            let Some(pair) = self.ready.pop_front() else {
                break;
            };
            tried += 1;
            if !self.is_whole(&pair, now) {
                self.settling += 1;
                self.sight.pairs.insert(0, pair);
                continue;
            }
            self.try_take(pair, now)?;
        }
        Ok(())
    }

    /// Takes a pair that is whole.
    fn try_take(&mut self, pair: Pair, now: Instant) -> io::Result<()> {
        let stays = pair.twin && self.has_twin(&pair);
        let (root, bounds) = (&self.places.root, &self.setup.bounds);
        let channel = self.setup.folder.rules.mask_channel;
        let tracker = &mut self.tracker;
        let size = || tracker.size(&pair.photo, || mark::size(root, &pair.photo, bounds));
        let mark = match mark::find(root, &pair, stays, bounds, channel, size) {
            Marked::Yes(mark) => mark,
            Marked::Waits(why) => {
                let wanted = if why.is_empty() {
                    pair.wanted
                } else {
                    format!("{}; {why}", pair.wanted)
                };
                let photo = pair.photo;
                self.sight.waiting.push(Waiting { photo, wanted });
                self.wait_for_masks(now);
                self.show_left();
                return Ok(());
            }
        };
        let expected = self.tracker.stamp(&pair.photo);
        let held = &self.held;
        let used = |name: &str| {
            held.iter()
                .any(|held| join(held.claim.dir(), &held.claim.name) == name)
        };
        match self
            .places
            .take(&pair, &mark, used, crate::clock::now_ms())?
        {
            Taken::Claim(claim) => {
                self.sight.stuck.remove(&pair.photo);
                self.hold(*claim, expected);
            }
            Taken::Gone => {}
            Taken::Stuck(error) => {
                let why = format!("cannot be moved into working: {error}");
                let until = now + STUCK;
                let told = self.sight.stuck.insert(pair.photo.clone(), (why, until));
                if told.is_none() {
                    tracing::warn!(folder = self.setup.folder.name, photo = shown(&pair.photo), %error, "a pair cannot be moved; it is tried again");
                }
                self.sight.pairs.push(pair);
                self.show_left();
            }
        }
        Ok(())
    }

    /// Whether another photo that is still to come has the same mask or sidecar.
    fn has_twin(&self, pair: &Pair) -> bool {
        let same = |other: &Pair| {
            (pair.mask.is_some() && other.mask == pair.mask)
                || (pair.sidecar.is_some() && other.sidecar == pair.sidecar)
        };
        self.ready.iter().chain(&self.sight.pairs).any(same)
    }

    /// Whether every file of a pair is as the last look saw it, and decodes.
    fn is_whole(&mut self, pair: &Pair, now: Instant) -> bool {
        let (root, bounds) = (&self.places.root, &self.setup.bounds);
        let patience = if self.setup.once {
            self.setup.folder.rules.settle
        } else {
            self.setup.folder.rules.incomplete_max
        };
        pair.files().all(|path| {
            let same =
                hold::stamp(root, path).is_ok_and(|stamp| Some(stamp) == self.tracker.stamp(path));
            let patient = self.tracker.quiet(path, now) < patience;
            same && (self
                .tracker
                .verdict(path, || read::look_into(root, path, bounds))
                == Verdict::Ready
                || !patient)
        })
    }

    /// When the files of pairs are to be looked at again.
    pub(super) fn next_sift(&self) -> Instant {
        if self.sight.pairs.is_empty() {
            self.next_scan
        } else {
            self.sight.next_sift
        }
    }

    /// Takes in which files were touched.
    pub(super) fn touched(&mut self, paths: &[std::path::PathBuf]) {
        let now = Instant::now();
        for touched in paths {
            if let Ok(relative) = touched.strip_prefix(&self.places.root) {
                self.tracker.touch(&path::text(relative.as_os_str()), now);
            }
        }
        let pause = if self.ready.is_empty() {
            self.scan_min
        } else {
            SCAN_BUSY.max(self.scan_min)
        };
        self.next_scan = self.next_scan.min(now + pause);
    }
}
