//! How long a connection waits for a database that another process has locked.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::{Result, StoreError};

/// Longest wait of the daemon: a client stands behind it.
pub(super) const DAEMON_WAIT_MAX: Duration = Duration::from_secs(1);
/// Longest wait of a tool: it gives way to a daemon that writes all the time.
pub(super) const TOOL_WAIT_MAX: Duration = Duration::from_secs(5);
/// Time after a wait in vain during which nobody waits again, ms.
const REST_MS: i64 = 1_000;
/// A moment before all others.
const NEVER: i64 = i64::MIN;

/// One waits for the lock, the others learn from it: calls that stand behind each other do not add up their waits.
pub(super) struct LockWait {
    wait_max: Duration,
    in_vain_at_ms: AtomicI64,
}

impl LockWait {
    pub(super) fn new(wait_max: Duration) -> Self {
        Self {
            wait_max,
            in_vain_at_ms: AtomicI64::new(NEVER),
        }
    }

    /// How long a call waits that begins at `steady_ms`.
    fn wait(&self, steady_ms: i64) -> Duration {
        let in_vain_at_ms = self.in_vain_at_ms.load(Ordering::Relaxed);
        if in_vain_at_ms != NEVER && steady_ms - in_vain_at_ms < REST_MS {
            Duration::ZERO
        } else {
            self.wait_max
        }
    }

    /// Has the connection wait as long as makes sense at `steady_ms`.
    pub(super) fn apply(&self, connection: &Connection, steady_ms: i64) -> rusqlite::Result<()> {
        connection.busy_timeout(self.wait(steady_ms))
    }

    /// Learns from the end of a call.
    pub(super) fn learn<T>(&self, outcome: &Result<T>, steady_ms: i64) {
        match outcome {
            Err(StoreError::Busy { .. }) => self.in_vain_at_ms.store(steady_ms, Ordering::Relaxed),
            Ok(_) => self.in_vain_at_ms.store(NEVER, Ordering::Relaxed),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_wait_in_vain_the_next_ones_do_not_wait() {
        let lock_wait = LockWait::new(DAEMON_WAIT_MAX);
        assert_eq!(lock_wait.wait(0), DAEMON_WAIT_MAX);
        let operation = "testing";
        lock_wait.learn::<()>(&Err(StoreError::Busy { operation }), 1_000);
        assert_eq!(lock_wait.wait(1_999), Duration::ZERO);
        lock_wait.learn::<()>(&Err(StoreError::Full { operation }), 1_500);
        assert_eq!(lock_wait.wait(2_000), DAEMON_WAIT_MAX);
        lock_wait.learn::<()>(&Err(StoreError::Busy { operation }), 3_000);
        lock_wait.learn(&Ok(()), 3_100);
        assert_eq!(lock_wait.wait(3_100), DAEMON_WAIT_MAX);
    }
}
