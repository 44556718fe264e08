//! Time, injected so that tests can move it: a wall clock for records, a steady one for spans.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::UnixMs;

/// A source of time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 00:00 UTC, for what is recorded. May jump either way.
    fn now_ms(&self) -> UnixMs;

    /// Milliseconds since a fixed moment of this process, for how long something takes. Never jumps.
    fn steady_ms(&self) -> i64;
}

/// The clocks of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> UnixMs {
        // A machine whose clock stands before 1970 or after the year 292 million reads as the nearest bound.
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        }
    }

    fn steady_ms(&self) -> i64 {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        i64::try_from(ORIGIN.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Clocks that stand still until they are moved.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    steady_ms: AtomicI64,
}

impl ManualClock {
    /// Clocks of which the one on the wall stands at `now_ms`.
    pub fn new(now_ms: UnixMs) -> Self {
        Self {
            wall_ms: AtomicI64::new(now_ms),
            steady_ms: AtomicI64::new(0),
        }
    }

    /// Lets `ms` pass, which are not negative.
    pub fn advance_ms(&self, ms: i64) {
        debug_assert!(
            ms >= 0,
            "time does not run back; jump_ms sets the wall clock"
        );
        self.jump_ms(ms);
        self.steady_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the wall clock by `ms`, back when negative, while no time passes.
    pub fn jump_ms(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> UnixMs {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn steady_ms(&self) -> i64 {
        self.steady_ms.load(Ordering::SeqCst)
    }
}
