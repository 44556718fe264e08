//! Buffers of CPU runs: kept between runs of one executable, given back when idle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::memory::{Held, Ledger};

/// How long buffers outlive their last run, in seconds.
const IDLE_S_MAX: u64 = 10;

/// The buffers of one backend. Its lock also serialises runs.
#[derive(Debug, Default)]
pub(super) struct Pool {
    slots: Mutex<Slots>,
    ledger: Ledger,
    ids: AtomicU64,
}

/// Slot buffers and the scratch buffer. Floats throughout: integer tensors use the same memory.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub buffers: Vec<Vec<f32>>,
    pub scratch: Vec<f32>,
    owner: u64,
    held: Option<Held>,
    used: Option<Instant>,
    /// Whether a thread waits to release the buffers.
    watched: bool,
}

impl Slots {
    /// Makes the buffers those of executable `owner`, if they are not already.
    fn fit(&mut self, ledger: &Ledger, owner: u64, slot_bytes: &[u64], scratch: usize) {
        let floats = |bytes: u64| bytes.div_ceil(4) as usize;
        let fits = self.owner == owner
            && self.scratch.len() == scratch
            && self.buffers.len() == slot_bytes.len()
            && self
                .buffers
                .iter()
                .zip(slot_bytes)
                .all(|(buffer, bytes)| buffer.len() == floats(*bytes));
        if !fits {
            self.release();
            self.buffers = slot_bytes
                .iter()
                .map(|bytes| vec![0.0; floats(*bytes)])
                .collect();
            self.scratch = vec![0.0; scratch];
            self.owner = owner;
            self.held = Some(ledger.hold(slot_bytes.iter().sum::<u64>() + 4 * scratch as u64));
        }
    }

    fn release(&mut self) {
        self.buffers = Vec::new();
        self.scratch = Vec::new();
        self.held = None;
    }
}

impl Pool {
    /// A new executable's number.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Bytes of the buffers at the moment.
    pub fn bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// Runs `work` with buffers of the given sizes for executable `owner`; one at a time.
    pub fn with<T>(
        pool: &Arc<Pool>,
        owner: u64,
        slot_bytes: &[u64],
        scratch: usize,
        work: impl FnOnce(&mut Slots) -> T,
    ) -> T {
        let mut slots = pool.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.fit(&pool.ledger, owner, slot_bytes, scratch);
        let result = work(&mut slots);
        slots.used = Some(Instant::now());
        if !slots.watched {
            let weak = Arc::downgrade(pool);
            let thread = std::thread::Builder::new().name("engine-idle".into());
            match thread.spawn(move || release_when_idle(&weak, Duration::from_secs(IDLE_S_MAX))) {
                Ok(_) => slots.watched = true,
                Err(_) => slots.release(),
            }
        }
        result
    }
}

/// Waits until no run has used the pool for `idle`, then gives its buffers back.
fn release_when_idle(pool: &Weak<Pool>, idle: Duration) {
    let mut wait = idle;
    loop {
        std::thread::sleep(wait);
        let Some(pool) = pool.upgrade() else { return };
        let mut slots = pool.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = slots.used.map_or(idle, |used| used.elapsed());
        if quiet >= idle {
            slots.release();
            slots.watched = false;
            return;
        }
        wait = idle - quiet;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_stay_for_their_owner_and_change_with_it() {
        let pool = Arc::new(Pool::default());
        let first = Pool::with(&pool, 1, &[64, 32], 5, |slots| {
            slots.buffers[0].as_ptr() as usize
        });
        assert_eq!(pool.bytes(), 116);
        assert_eq!(
            Pool::with(&pool, 1, &[64, 32], 5, |slots| slots.buffers[0].as_ptr()
                as usize),
            first
        );
        Pool::with(&pool, 2, &[16], 0, |slots| {
            assert_eq!((slots.buffers.len(), slots.buffers[0].len()), (1, 4))
        });
        assert_eq!(pool.bytes(), 16);
    }

    #[test]
    fn idle_buffers_are_given_back() {
        let pool = Arc::new(Pool::default());
        Pool::with(&pool, 1, &[64], 0, |_| ());
        release_when_idle(&Arc::downgrade(&pool), Duration::from_millis(1));
        assert_eq!(pool.bytes(), 0);
        Pool::with(&pool, 1, &[64], 0, |slots| {
            assert_eq!(slots.buffers[0].len(), 16)
        });
    }
}
