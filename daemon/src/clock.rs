//! The wall clock, for what is recorded, signed and shown. It may jump: how long something takes is counted in `Instant`s.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time since 1970; none on a machine whose clock stands before.
fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    since_1970().as_millis() as i64
}

/// Seconds since 1970.
pub fn now_s() -> i64 {
    since_1970().as_secs() as i64
}

/// The moment that lies as far back as `at_ms` does by the wall clock: all that is known of what an earlier run recorded.
pub fn instant_of(at_ms: i64) -> Instant {
    let age = Duration::from_millis(now_ms().saturating_sub(at_ms).max(0) as u64);
    let now = Instant::now();
    now.checked_sub(age).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_ahead_is_now() {
        let ago = instant_of(now_ms() - 200).elapsed();
        assert!(ago >= Duration::from_millis(200) && ago < Duration::from_secs(60));
        assert!(instant_of(now_ms() + 3_600_000).elapsed() < Duration::from_secs(60));
    }
}
