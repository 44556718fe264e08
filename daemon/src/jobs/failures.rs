//! Jobs that fail by their own request cost nothing and yet leave a row and two entries of the ledger: so many a day of one
//! account are taken, then its calls wait for the next day.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cleanplate_api::{ERRORS, ErrorCode};
use cleanplate_basics::lock;
use cleanplate_store::{AccountId, FailureCode, Job};

use super::{Jobs, told};
use crate::refusal::Refusal;

/// From the first failure on.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Failures of accounts since the first one of their day. A restart forgets them.
pub(super) struct Failures {
    per_day_max: u32,
    days: Mutex<HashMap<AccountId, (Instant, u32)>>,
}

impl Failures {
    /// None yet; 0: no bound.
    pub fn new(per_day_max: u32) -> Self {
        let days = Mutex::default();
        Failures { per_day_max, days }
    }

    /// Notes a job of this account that failed by its request.
    pub fn note(&self, account: AccountId, now: Instant) {
        let mut days = lock(&self.days);
        days.retain(|_, (first, _)| now.duration_since(*first) < DAY);
        days.entry(account).or_insert((now, 0)).1 += 1;
    }

    /// Refuses an account that has had its share.
    pub fn admit(&self, account: AccountId, now: Instant) -> Result<(), Refusal> {
        let Some((first, count)) = lock(&self.days).get(&account).copied() else {
            return Ok(());
        };
        let left = DAY.saturating_sub(now.duration_since(first));
        if self.per_day_max == 0 || count < self.per_day_max || left.is_zero() {
            return Ok(());
        }
        let text = format!(
            "{count} jobs of this account failed by what was sent since {} ago, {} a day are taken",
            humane(now.duration_since(first)),
            self.per_day_max
        );
        Err(Refusal::new(ErrorCode::RateLimited, text).retry_after(left.as_secs().max(1)))
    }
}

impl Jobs {
    /// Notes a job that has failed, in whichever process, if what was sent with a key is why: not for want of credits or places.
    /// One that was cancelled is noted by whoever cancelled it.
    pub(super) fn note_failed(&self, job: &Job) {
        use ErrorCode::{InsufficientCredits, QueueFull, RateLimited};
        let Some(failure) = job.failure.as_ref().filter(|_| job.key.is_some()) else {
            return;
        };
        if failure.code == FailureCode::Cancelled {
            return;
        }
        // What never began has the code of its refusal.
        let refused = ERRORS.iter().find(|row| row.name == failure.code.as_str());
        let code = refused.map_or_else(|| told::of(job).code, |row| row.code);
        let short = matches!(code, InsufficientCredits | QueueFull | RateLimited);
        if code.status() < 500 && !short {
            self.failures.note(job.account, Instant::now());
        }
    }
}

fn humane(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    format!("{} h {} min", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_so_many_a_day() {
        let (failures, begun) = (Failures::new(2), Instant::now());
        let at = |s: u64| begun + Duration::from_secs(s);
        let (one, other) = (AccountId(1), AccountId(2));
        failures.note(one, at(0));
        assert!(failures.admit(one, at(1)).is_ok());
        failures.note(one, at(60));
        let refusal = failures.admit(one, at(3660)).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::RateLimited);
        assert!(
            refusal.text.contains("since 1 h 1 min ago"),
            "{}",
            refusal.text
        );
        assert!(failures.admit(other, at(61)).is_ok());
        assert!(failures.admit(one, at(24 * 3600)).is_ok());
        // The next day begins with the next failure, and the old one is forgotten.
        failures.note(other, at(25 * 3600));
        assert_eq!(lock(&failures.days).len(), 1);
        let unbounded = Failures::new(0);
        (0..9).for_each(|s| unbounded.note(one, at(s)));
        assert!(unbounded.admit(one, at(9)).is_ok());
    }
}
