//! Micro-batching: crops of one size, from runs that overlap, go through their network in one go.
//!
//! A run that reaches its network puts its crop in line. The owner of the first crop in line leads: once every run waits
//! for the device, or enough crops of its size are there, or it has waited long enough, it takes those crops, runs the
//! network once on all of them and hands out the predictions. One group is on the device at a time. A group that fails is
//! run again one by one, so that a crop can only spoil its own run.

mod group;
mod line;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cleanplate_basics::lock;
use cleanplate_engine::{EngineError, Executable, Tensor};

use super::{ExecutableKey, is_memory};
use crate::PluginError;
use line::{Done, Line, Share, Ticket};

/// Longest sleep of a waiting run between looks at its own cancellation.
const NAP: Duration = Duration::from_millis(20);

/// One crop for a network.
pub struct CropRequest<'a> {
    /// Weights and size: crops of one key may go together.
    pub key: ExecutableKey,
    /// `u8 [1, H, W, 3]`
    pub image: Tensor,
    /// `u8 [1, H, W]`
    pub mask: Tensor,
    /// The network compiled for so many crops; an error of memory makes groups smaller.
    pub compile: &'a dyn Fn(usize) -> Result<Arc<dyn Executable>, PluginError>,
    /// Hears which share of the network's work is done, 0 to 1, and says whether the run wants to stop.
    pub watch: &'a dyn Fn(f32) -> bool,
}

/// What became of a crop.
#[derive(Debug)]
pub struct Answer {
    /// `f32 [1, 3, Hp, Wp]`
    pub prediction: Tensor,
    /// Crops that went together, this one included.
    pub crops: usize,
    /// Time between asking and the start of the work on the device.
    pub waited: Duration,
}

/// Why a crop has no prediction.
#[derive(Debug)]
pub enum GatherError {
    /// The network could not be compiled for it.
    Compile(PluginError),
    /// The device failed, or the run was cancelled.
    Run(EngineError),
}

/// Gathers the crops of overlapping runs.
pub struct Gather {
    crops_max: usize,
    wait_max: Duration,
    line: Mutex<Line>,
    changed: Condvar,
    groups: AtomicU64,
    crops: AtomicU64,
}

/// A run under way: others wait a little for its crop.
pub struct Seat<'a>(&'a Gather);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.lock().runs -= 1;
        self.0.changed.notify_all();
    }
}

/// A group on the device; however it ends, the device is free afterwards.
struct Busy<'a>(&'a Gather);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().busy = false;
        self.0.changed.notify_all();
    }
}

impl Gather {
    /// Groups of at most `crops_max` crops; the first in line waits at most `wait_max` for others.
    pub fn new(crops_max: usize, wait_max: Duration) -> Self {
        let (line, changed) = (Mutex::default(), Condvar::new());
        Gather {
            crops_max: crops_max.max(1),
            wait_max,
            line,
            changed,
            groups: AtomicU64::new(0),
            crops: AtomicU64::new(0),
        }
    }

    /// Notes a run as under way.
    pub fn enter(&self) -> Seat<'_> {
        self.lock().runs += 1;
        Seat(self)
    }

    /// Groups that ran, and crops in them.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.groups.load(Ordering::Relaxed),
            self.crops.load(Ordering::Relaxed),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        // Every change under this lock is complete before it is given up.
        lock(&self.line)
    }

    /// Runs a network on one crop, together with those of other runs where that can be.
    pub fn run(&self, ask: CropRequest<'_>) -> Result<Answer, GatherError> {
        let asked = Instant::now();
        let share = Arc::new(Share::new(ask.image, ask.mask));
        let mut line = self.lock();
        line.push(Ticket {
            key: ask.key,
            since: asked,
            alone: false,
            share: share.clone(),
        });
        self.changed.notify_all();
        loop {
            match share.take() {
                Some(Ok(Done {
                    prediction,
                    crops,
                    started,
                })) => {
                    return Ok(Answer {
                        prediction,
                        crops,
                        waited: started.saturating_duration_since(asked),
                    });
                }
                Some(Err(refusal)) => return Err(refusal),
                None => {}
            }
            if (ask.watch)(share.done()) {
                // A group that is on the device goes on for the others.
                share.cancel();
                line.leave(&share);
                self.changed.notify_all();
                return Err(GatherError::Run(EngineError::Cancelled));
            }
            let now = Instant::now();
            let leads = !line.busy && line.is_first(&share);
            if leads && line.is_ready(self.crops_max, self.wait_max, now) {
                line.busy = true;
                let group = line.take_group(self.crops_max);
                drop(line);
                self.lead(group, ask.compile, ask.watch);
                line = self.lock();
                continue;
            }
            let nap = if leads {
                line.ripe_in(self.wait_max, now).min(NAP)
            } else {
                NAP
            };
            line = self
                .changed
                .wait_timeout(line, nap)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Runs a group whose first crop is the caller's, and tells its members.
    fn lead(
        &self,
        group: Vec<Ticket>,
        compile: &dyn Fn(usize) -> Result<Arc<dyn Executable>, PluginError>,
        own: &dyn Fn(f32) -> bool,
    ) {
        let _busy = Busy(self);
        let crops = group.len();
        let executable = match compile(crops) {
            Ok(executable) => executable,
            // The plan tells before anything is allocated that so many do not fit.
            Err(PluginError::Engine { source, .. }) if crops > 1 && is_memory(&source) => {
                self.lock()
                    .put_back(group, |line, key| line.limit(key, crops / 2));
                return;
            }
            Err(_) if crops > 1 => return self.apart(group),
            Err(error) => {
                return group
                    .iter()
                    .for_each(|ticket| ticket.share.end(Err(GatherError::Compile(error.clone()))));
            }
        };
        // The group stops only when none of its members wants to go on.
        let watch = |done| {
            group.iter().for_each(|ticket| ticket.share.advance(done));
            if own(done) {
                group[0].share.cancel();
            }
            group.iter().all(|ticket| ticket.share.is_cancelled())
        };
        let started = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| {
            group::run(&*executable, &group, &watch)
        })) {
            Ok(Ok(predictions)) => {
                self.groups.fetch_add(1, Ordering::Relaxed);
                self.crops.fetch_add(crops as u64, Ordering::Relaxed);
                for (ticket, prediction) in group.iter().zip(predictions) {
                    ticket.share.end(Ok(Done {
                        prediction,
                        crops,
                        started,
                    }));
                }
            }
            Ok(Err(error)) if crops == 1 || matches!(error, EngineError::Cancelled) => {
                group
                    .iter()
                    .for_each(|ticket| ticket.share.end(Err(GatherError::Run(error.clone()))));
            }
            Err(panic) if crops == 1 => resume_unwind(panic),
            failed => {
                tracing::warn!(crops, error = ?failed.ok().and_then(Result::err), "a group of crops failed; each is tried alone");
                self.apart(group);
            }
        }
    }

    /// Puts a group back in line, each crop for itself.
    fn apart(&self, mut group: Vec<Ticket>) {
        group.iter_mut().for_each(|ticket| ticket.alone = true);
        self.lock().put_back(group, |_, _| ());
    }
}
