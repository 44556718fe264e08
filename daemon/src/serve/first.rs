//! First start: an account with credits and a key, shown once.

use std::net::SocketAddr;

use crate::config::PublicUrl;
use cleanplate_store::{Account, CreatedKey, KeyFilter, NewKey, PageRequest, Store, StoreError};

/// Who made them, in the audit table.
const ACTOR: &str = "first start";

/// What the first start made.
pub struct First {
    account: Account,
    credits: i64,
    key: CreatedKey,
}

/// Makes an account and a key if there is no key yet. A crash in between is made good by the next start.
pub fn prepare(store: &dyn Store, credits: i64) -> Result<Option<First>, StoreError> {
    let one = PageRequest {
        after: None,
        rows: 1,
    };
    let any = KeyFilter {
        deleted: true,
        ..KeyFilter::default()
    };
    if !store.list_keys(&any, &one)?.items.is_empty() {
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
        let first = prepare(&store, 100).unwrap().unwrap();
        assert_eq!(first.credits, 100);
        assert!(prepare(&store, 100).unwrap().is_none());
    }

    #[test]
    fn a_start_that_died_half_way_is_made_good_without_giving_credits_twice() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Arc::new(SystemClock)).unwrap();
        let account = cleanplate_store::Accounts::create_account(&store, "default", ACTOR).unwrap();
        cleanplate_store::Ledger::top_up(&store, account.id, 100, ACTOR, "first credits").unwrap();
        let first = prepare(&store, 100).unwrap().unwrap();
        assert_eq!((first.account.id, first.credits), (account.id, 100));
    }
}
