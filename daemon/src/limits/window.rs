//! A sliding window per key and route: in any 60 seconds, exactly the quota passes and no request more.
//!
//! Why not a token bucket (GCRA): with burst `b` and rate `r`, a window of `w` seconds lets `b + r*w` through. A fresh key
//! that may send its 60 requests at once (`b = 60`) could then send 119 within its first minute; keeping the promise would
//! need `r = 0`. A log of the last `quota` passed requests keeps the promise exactly: a request passes when the
//! `quota`-th last one is at least a window ago. It costs 16 bytes per request of the last minute.
//!
//! Time is monotonic: a jump of the wall clock gives no quota away. A restart forgets the window, which credits bound.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use cleanplate_store::KeyId;

use super::{LimitState, Route, WINDOW_S};

use cleanplate_basics::lock;

const WINDOW: Duration = Duration::from_secs(WINDOW_S);

/// Requests of the last window, per key and route.
#[derive(Debug, Default)]
pub struct WindowLimit {
    passed: Mutex<HashMap<(KeyId, Route), VecDeque<Instant>>>,
}

impl WindowLimit {
    /// Counts one request at `now` (monotonic, never before an earlier call's); refused ones do not count.
    pub fn count(&self, key: KeyId, route: Route, quota: u32, now: Instant) -> LimitState {
        let mut all = self.lock();
        let log = all.entry((key, route)).or_default();
        drop_old(log, now);
        let allowed = log.len() < quota as usize;
        if allowed {
            log.push_back(now);
        }
        // With a smaller quota than the log is long (the limit was lowered), more than one request must leave first.
        let surplus = log.len().saturating_sub(quota as usize);
        let reset = log.get(surplus).map_or(Duration::ZERO, |at| {
            (*at + WINDOW).saturating_duration_since(now)
        });
        let remaining = (quota as usize).saturating_sub(log.len()) as u32;
        LimitState {
            policy: route.policy(),
            limit: quota,
            remaining,
            reset,
            allowed,
        }
    }

    /// Drops keys without a request in the last window.
    pub fn forget_idle(&self, now: Instant) {
        self.lock().retain(|_, log| {
            drop_old(log, now);
            !log.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(KeyId, Route), VecDeque<Instant>>> {
        // A panic elsewhere cannot leave a log half-changed.
        lock(&self.passed)
    }
}

fn drop_old(log: &mut VecDeque<Instant>, now: Instant) {
    while log
        .front()
        .is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW)
    {
        log.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixty_at_once_pass_and_the_next_is_refused_until_told() {
        let (limit, start) = (WindowLimit::default(), Instant::now());
        for i in 0..60 {
            let state = limit.count(KeyId(1), Route::Removal, 60, start);
            assert!(state.allowed);
            assert_eq!(state.remaining, 59 - i);
        }
        let later = start + Duration::from_millis(1_500);
        let refused = limit.count(KeyId(1), Route::Removal, 60, later);
        assert!(!refused.allowed);
        assert_eq!((refused.remaining, refused.retry_after_s()), (0, 59));
        let told = later + Duration::from_secs(refused.retry_after_s());
        assert!(limit.count(KeyId(1), Route::Removal, 60, told).allowed);
    }

    #[test]
    fn keys_and_routes_are_counted_apart() {
        let (limit, now) = (WindowLimit::default(), Instant::now());
        assert!(limit.count(KeyId(1), Route::Removal, 1, now).allowed);
        assert!(!limit.count(KeyId(1), Route::Removal, 1, now).allowed);
        assert!(limit.count(KeyId(2), Route::Removal, 1, now).allowed);
        assert!(limit.count(KeyId(1), Route::Read, 1, now).allowed);
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let (limit, now) = (WindowLimit::default(), Instant::now());
        limit.count(KeyId(1), Route::Removal, 5, now);
        limit.forget_idle(now + Duration::from_secs(59));
        assert_eq!(limit.lock().len(), 1);
        limit.forget_idle(now + WINDOW);
        assert_eq!(limit.lock().len(), 0);
    }

    proptest! {
        /// Any arrival trace: decisions equal the definition, no window exceeds the quota, `Retry-After` is never early.
        #[test]
        fn decisions_equal_the_definition(gaps_ms in prop::collection::vec(0u64..20_000, 1..200), quota in 1u32..12) {
            let (limit, mut now) = (WindowLimit::default(), Instant::now());
            let mut passed: Vec<Instant> = Vec::new();
            for gap in gaps_ms {
                now += Duration::from_millis(gap);
                let recent = passed.iter().filter(|at| now - **at < WINDOW).count();
                let state = limit.count(KeyId(1), Route::Removal, quota, now);
                prop_assert_eq!(state.allowed, recent < quota as usize);
                if state.allowed {
                    passed.push(now);
                } else {
                    let told = now + Duration::from_secs(state.retry_after_s());
                    prop_assert!(passed.iter().filter(|at| told - **at < WINDOW).count() < quota as usize);
                }
            }
            for (i, at) in passed.iter().enumerate() {
                prop_assert!(passed[i..].iter().filter(|other| **other - *at < WINDOW).count() <= quota as usize);
            }
        }
    }
}
