//! Places for what goes on beside the jobs (photos that are fetched, previews, conversions, streams of events): so many in all,
//! of which no account takes more than it leaves to the rest.
//! Whoever comes next finds one, as long as fewer accounts than halvings are at it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cleanplate_store::AccountId;
use tokio::sync::Notify;

use cleanplate_basics::lock;

/// The places.
pub struct Shares {
    all_max: usize,
    taken: Mutex<HashMap<AccountId, usize>>,
    freed: Notify,
}

/// One of them, until this is dropped.
pub struct Share {
    places: Arc<Shares>,
    account: AccountId,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.taken);
        if let Some(count) = taken.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.account);
            }
        }
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

impl Shares {
    /// So many, all free.
    pub fn new(all_max: usize) -> Arc<Shares> {
        Arc::new(Shares {
            all_max,
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A place for this account, if it may have one now.
    pub fn take(self: &Arc<Self>, account: AccountId) -> Option<Share> {
        let mut taken = lock(&self.taken);
        let free = self.all_max - taken.values().sum::<usize>();
        let own = taken.get(&account).copied().unwrap_or_default();
        if own + 1 > free {
            return None;
        }
        taken.insert(account, own + 1);
        Some(Share {
            places: self.clone(),
            account,
        })
    }

    /// The same; waits for one no longer than this.
    pub async fn wait(self: &Arc<Self>, account: AccountId, span: Duration) -> Option<Share> {
        let wait = async {
            loop {
                // Listened for before looking: one that is given back in between is heard.
                let mut freed = std::pin::pin!(self.freed.notified());
                freed.as_mut().enable();
                if let Some(place) = self.take(account) {
                    return place;
                }
                freed.await;
            }
        };
        tokio::time::timeout(span, wait).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_takes_no_more_than_it_leaves() {
        let places = Shares::new(8);
        let all_of = |account: i64| -> Vec<Share> {
            std::iter::from_fn(|| places.take(AccountId(account))).collect()
        };
        let first = all_of(1);
        let rest: Vec<Vec<Share>> = (2..6).map(all_of).collect();
        assert_eq!(first.len(), 4);
        assert_eq!(rest.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 0]);
        drop(rest);
        assert_eq!(all_of(9).len(), 2);
        drop(first);
        assert!(lock(&places.taken).is_empty());
        assert_eq!(all_of(2).len(), 4);
    }

    #[test]
    fn a_single_place_serves_everybody_in_turn() {
        let places = Shares::new(1);
        let only = places.take(AccountId(1)).unwrap();
        assert!(places.take(AccountId(2)).is_none());
        drop(only);
        assert!(places.take(AccountId(2)).is_some());
        assert!(Shares::new(0).take(AccountId(1)).is_none());
    }

    #[actix_web::test]
    async fn whoever_waits_hears_of_a_place() {
        let places = Shares::new(1);
        let only = places.take(AccountId(1)).unwrap();
        let short = Duration::from_millis(20);
        assert!(places.wait(AccountId(2), short).await.is_none());
        let waiting = {
            let places = places.clone();
            actix_web::rt::spawn(async move {
                places
                    .wait(AccountId(2), Duration::from_secs(20))
                    .await
                    .is_some()
            })
        };
        // Long enough for it to begin to wait; it is served at any rate.
        tokio::time::sleep(short).await;
        drop(only);
        assert!(waiting.await.unwrap());
    }
}
