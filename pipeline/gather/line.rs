//! The line of crops that wait for the device.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cleanplate_basics::lock;
use cleanplate_engine::Tensor;

use super::GatherError;
use crate::ExecutableKey;

/// Most sizes whose limit is remembered.
const LIMITS_MAX: usize = 64;

/// A prediction and how it was made.
pub struct Done {
    pub prediction: Tensor,
    pub crops: usize,
    pub started: Instant,
}

/// What a waiting run shares with the one that leads its group.
pub struct Share {
    /// `u8 [1, H, W, 3]`
    pub image: Tensor,
    /// `u8 [1, H, W]`
    pub mask: Tensor,
    cancelled: AtomicBool,
    /// Bits of the share of the network's work that is done.
    done: AtomicU32,
    end: Mutex<Option<Result<Done, GatherError>>>,
}

impl Share {
    pub fn new(image: Tensor, mask: Tensor) -> Self {
        Share {
            image,
            mask,
            cancelled: AtomicBool::new(false),
            done: AtomicU32::new(0),
            end: Mutex::default(),
        }
    }

    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub fn advance(&self, done: f32) {
        self.done.store(done.to_bits(), Ordering::Relaxed);
    }

    pub fn done(&self) -> f32 {
        f32::from_bits(self.done.load(Ordering::Relaxed))
    }

    pub fn end(&self, end: Result<Done, GatherError>) {
        *lock(&self.end) = Some(end);
    }

    pub fn take(&self) -> Option<Result<Done, GatherError>> {
        lock(&self.end).take()
    }
}

/// A crop in line.
pub struct Ticket {
    pub key: ExecutableKey,
    pub since: Instant,
    /// It runs by itself: the group that it was in failed.
    pub alone: bool,
    pub share: Arc<Share>,
}

#[derive(Default)]
pub struct Line {
    /// Runs under way; each has at most one crop in line.
    pub runs: usize,
    /// Whether a group is on the device.
    pub busy: bool,
    waiting: VecDeque<Ticket>,
    /// Crops of a size that fit into memory together, where that is less than wished.
    limits: HashMap<ExecutableKey, usize>,
}

impl Line {
    pub fn push(&mut self, ticket: Ticket) {
        self.waiting.push_back(ticket);
    }

    pub fn leave(&mut self, share: &Arc<Share>) {
        self.waiting
            .retain(|ticket| !Arc::ptr_eq(&ticket.share, share));
    }

    pub fn is_first(&self, share: &Arc<Share>) -> bool {
        self.waiting
            .front()
            .is_some_and(|ticket| Arc::ptr_eq(&ticket.share, share))
    }

    /// Whether the first in line gains nothing by waiting longer.
    pub fn is_ready(&self, crops_max: usize, wait_max: Duration, now: Instant) -> bool {
        let Some(first) = self.waiting.front() else {
            return false;
        };
        let most = self.most(&first.key, crops_max);
        first.alone
            || self.like(first).count() >= most
            || self.waiting.len() >= self.runs
            || self.ripe_in(wait_max, now).is_zero()
    }

    /// Time until the first in line has waited long enough.
    pub fn ripe_in(&self, wait_max: Duration, now: Instant) -> Duration {
        self.waiting.front().map_or(wait_max, |first| {
            (first.since + wait_max).saturating_duration_since(now)
        })
    }

    /// Takes the first in line and others of its size: a power of two of them, so that few sizes of graphs are compiled.
    pub fn take_group(&mut self, crops_max: usize) -> Vec<Ticket> {
        let Some(first) = self.waiting.pop_front() else {
            return Vec::new();
        };
        let (key, alone) = (first.key.clone(), first.alone);
        let there = if alone {
            1
        } else {
            (1 + self.like(&first).count()).min(self.most(&key, crops_max))
        };
        let wanted = 1 << there.max(1).ilog2();
        let mut group = vec![first];
        let mut rest = VecDeque::with_capacity(self.waiting.len());
        for ticket in self.waiting.drain(..) {
            if group.len() < wanted && !ticket.alone && ticket.key == key {
                group.push(ticket)
            } else {
                rest.push_back(ticket)
            }
        }
        self.waiting = rest;
        group
    }

    /// Puts a group back to the front, in its order, after `note` was told its size.
    pub fn put_back(&mut self, group: Vec<Ticket>, note: impl FnOnce(&mut Line, &ExecutableKey)) {
        if let Some(first) = group.first() {
            note(self, &first.key);
        }
        // Whoever cancelled meanwhile does not look any more.
        group
            .into_iter()
            .rev()
            .filter(|ticket| !ticket.share.is_cancelled())
            .for_each(|ticket| self.waiting.push_front(ticket));
    }

    /// Remembers that no more crops of this size fit into memory together.
    pub fn limit(&mut self, key: &ExecutableKey, crops: usize) {
        if self.limits.len() >= LIMITS_MAX {
            self.limits.clear();
        }
        self.limits.insert(key.clone(), crops);
    }

    fn most(&self, key: &ExecutableKey, crops_max: usize) -> usize {
        self.limits
            .get(key)
            .copied()
            .unwrap_or(crops_max)
            .clamp(1, crops_max)
    }

    fn like(&self, first: &Ticket) -> impl Iterator<Item = &Ticket> {
        self.waiting
            .iter()
            .filter(move |ticket| !ticket.alone && ticket.key == first.key)
    }
}
