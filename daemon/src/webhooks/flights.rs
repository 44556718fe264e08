//! Webhooks that are being sent: a bounded number in all, of one account and to one host, so that receivers that hang hold
//! up their own account and nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use cleanplate_store::{AccountId, JobId};

use cleanplate_basics::lock;

/// Shares that all flights are divided into; an account or a host gets one.
const SHARES: usize = 4;

/// What is being sent.
pub struct Flights {
    all_max: usize,
    under_way: Mutex<HashMap<JobId, (AccountId, String)>>,
    landed: Condvar,
}

/// One webhook under way; it has landed when this is dropped.
pub struct Flight {
    flights: Arc<Flights>,
    job: JobId,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.job);
        self.flights.landed.notify_one();
    }
}

impl Flights {
    /// None yet, of so many at a time.
    pub fn new(all_max: usize) -> Arc<Flights> {
        Arc::new(Flights {
            all_max,
            under_way: Mutex::default(),
            landed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, (AccountId, String)>> {
        // Every change is one insertion or removal.
        lock(&self.under_way)
    }

    /// Most flights of one account, and to one host.
    pub fn share(&self) -> usize {
        (self.all_max / SHARES).max(1)
    }

    /// A flight, unless the same is under way or there is no room for it now.
    pub fn board(self: &Arc<Self>, job: JobId, account: AccountId, host: &str) -> Option<Flight> {
        let mut under_way = self.lock();
        let same_account = under_way.values().filter(|(other, _)| *other == account);
        let same_host = under_way.values().filter(|(_, other)| other == host);
        if under_way.len() >= self.all_max
            || same_account.count() >= self.share()
            || same_host.count() >= self.share()
            || under_way.contains_key(&job)
        {
            return None;
        }
        under_way.insert(job, (account, host.to_string()));
        Some(Flight {
            flights: self.clone(),
            job,
        })
    }

    /// Waits until one has landed, no longer than this.
    pub fn wait(&self, span: Duration) {
        drop(self.landed.wait_timeout(self.lock(), span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_hosts_have_their_share() {
        let flights = Flights::new(8);
        let board = |job, account, host: &str| flights.board(job, AccountId(account), host);
        let [a, b, c] = [(); 3].map(|()| JobId::random());
        let first = board(a, 1, "x").unwrap();
        assert!(board(a, 1, "x").is_none(), "it is under way");
        let _second = board(b, 1, "y").unwrap();
        assert!(board(c, 1, "z").is_none(), "two of an account");
        let _third = board(c, 2, "x").unwrap();
        let d = JobId::random();
        assert!(board(d, 3, "x").is_none(), "two to a host");
        drop(first);
        let _fourth = board(d, 3, "x").unwrap();
        let _more: Vec<_> = (4..9)
            .map(|n| board(JobId::random(), n, &n.to_string()).unwrap())
            .collect();
        assert!(board(JobId::random(), 9, "w").is_none(), "eight in all");
    }

    #[test]
    fn one_at_a_time_is_a_share_too() {
        let flights = Flights::new(1);
        let only = flights.board(JobId::random(), AccountId(1), "x").unwrap();
        assert!(flights.board(JobId::random(), AccountId(2), "y").is_none());
        drop(only);
        assert!(flights.board(JobId::random(), AccountId(2), "y").is_some());
    }
}
