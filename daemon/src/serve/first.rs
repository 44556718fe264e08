//! First start: an account with credits and a key, shown once.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::PublicUrl;
use cleanplate_store::{Account, CreatedKey, KeyFilter, NewKey, PageRequest, Store, StoreError};

/// Who made them, in the audit table.
const ACTOR: &str = "first start";
/// Held by the one process that makes them, of several that start at once.
const LEASE: &str = "first start";
/// How long one that died on the way keeps the others waiting, ms.
const LEASE_MS: i64 = 10_000;
/// Pause between tries to get it.
const PAUSE: Duration = Duration::from_millis(50);

/// What the first start made.
pub struct First {
    account: Account,
    credits: i64,
    key: CreatedKey,
}

/// Makes an account and a key if there is no key yet, once for all processes that share the store; this one is `name`. A crash in
/// between is made good by the next start.
pub fn prepare(store: &dyn Store, credits: i64, name: &str) -> Result<Option<First>, StoreError> {
    if has_key(store)? {
        return Ok(None);
    }
    while !store.lease(LEASE, name, LEASE_MS)? {
        std::thread::sleep(PAUSE);
    }
    let made = prepare_alone(store, credits);
    // It ends by itself; a key that was made is shown in any case.
    if let Err(error) = store.end_lease(LEASE, name) {
        tracing::warn!(%error, "the lease of the first start could not be given back");
    }
    made
}

fn has_key(store: &dyn Store) -> Result<bool, StoreError> {
    let one = PageRequest {
        after: None,
        rows: 1,
    };
    let any = KeyFilter {
        deleted: true,
        ..KeyFilter::default()
    };
    Ok(!store.list_keys(&any, &one)?.items.is_empty())
}

fn prepare_alone(store: &dyn Store, credits: i64) -> Result<Option<First>, StoreError> {
    let one = PageRequest {
        after: None,
        rows: 1,
    };
    if has_key(store)? {
        return Ok(None);
    }
    let account = match store.list_accounts(None, &one)?.items.pop() {
        Some(account) => account,
        None => store.create_account("default", ACTOR)?,
    };
    if credits > 0 && store.ledger(account.id, &one)?.items.is_empty() {
        store.top_up(account.id, credits, ACTOR, "first credits")?;
    }
    let key = store.create_key(&NewKey::named(account.id, "first"), ACTOR)?;
    let credits = store.balance(account.id)?.available;
    Ok(Some(First {
        account,
        credits,
        key,
    }))
}

impl First {
    /// Prints the key, once, with a line to try it.
    pub fn announce(&self, public_url: Option<&PublicUrl>, address: SocketAddr) {
        let base =
            public_url.map_or_else(|| format!("http://{address}"), |url| url.address.clone());
        let secret = self.key.secret.reveal();
        println!(
            "First start: account {} ({:?}) with {} credits and a key, shown only this once:\n\n  {secret}\n\nTry it:\n\n  curl -H 'Authorization: Bearer {secret}' -F image=@photo.jpg -F mask=@mask.png {base}/v1/services/object-removal\n",
            self.account.id, self.account.name, self.credits
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cleanplate_store::{SqliteStore, SystemClock};

    use super::*;

    #[test]
    fn only_the_first_start_makes_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Arc::new(SystemClock)).unwrap();
        let first = prepare(&store, 100, "test").unwrap().unwrap();
        assert_eq!(first.credits, 100);
        assert!(prepare(&store, 100, "test").unwrap().is_none());
    }

    #[test]
    fn several_that_start_at_once_make_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Arc::new(SystemClock)).unwrap();
        let made = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|at| {
                    let store = &store;
                    scope.spawn(move || prepare(store, 100, &format!("process {at}")).unwrap())
                })
                .collect();
            let made = starts.into_iter().filter_map(|start| start.join().unwrap());
            made.count()
        });
        assert_eq!(made, 1);
        let page = PageRequest {
            after: None,
            rows: 10,
        };
        let accounts = cleanplate_store::Accounts::list_accounts(&store, None, &page).unwrap();
        assert_eq!(accounts.items.len(), 1);
    }

    #[test]
    fn a_start_that_died_half_way_is_made_good_without_giving_credits_twice() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Arc::new(SystemClock)).unwrap();
        let account = cleanplate_store::Accounts::create_account(&store, "default", ACTOR).unwrap();
        cleanplate_store::Ledger::top_up(&store, account.id, 100, ACTOR, "first credits").unwrap();
        let first = prepare(&store, 100, "test").unwrap().unwrap();
        assert_eq!((first.account.id, first.credits), (account.id, 100));
    }
}
