//! PostgreSQL under the conformance suite, and what only a server can do.

#[allow(dead_code)] // The store is measured with it, too.
#[path = "../../../../../tests/common/postgres.rs"]
mod server;

mod copy;
mod faults;
mod guards;
mod schema;
mod windows;

use std::sync::Arc;

use self::server::Server;
use super::{PgAddress, PgStore};
use crate::conformance::{self, Fixture, LEASE_MS, PRICE, WIDE, new_job};
use crate::{AccountId, Completion, Job, KeyId, ManualClock, Store};

struct PgFixture {
    store: Option<Arc<PgStore>>,
    address: PgAddress,
    clock: Arc<ManualClock>,
}

impl PgFixture {
    fn fresh() -> Self {
        let address = PgAddress::parse(&Server::shared().fresh(), None).unwrap();
        let clock = Arc::new(ManualClock::new(1_800_000_000_000));
        let store = Some(Arc::new(PgStore::open_at(&address, clock.clone()).unwrap()));
        Self {
            store,
            address,
            clock,
        }
    }

    fn pg(&self) -> Arc<PgStore> {
        self.store.clone().unwrap()
    }

    /// A connection beside the store.
    fn outsider(&self) -> postgres::Client {
        let mut client = self.address.config.connect(postgres::NoTls).unwrap();
        let schema = self.address.schema.as_ref().unwrap();
        client
            .batch_execute(&format!("SET search_path TO {schema}"))
            .unwrap();
        client
    }
}

impl Fixture for PgFixture {
    fn store(&self) -> Arc<dyn Store> {
        self.pg()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn histories(&self) -> u64 {
        1_000
    }

    /// The server undoes what a process that is gone had not committed.
    fn crash(&mut self) {
        self.store = None;
        self.store = Some(Arc::new(
            PgStore::open_at(&self.address, self.clock.clone()).unwrap(),
        ));
    }
}

#[test]
fn conforms() {
    conformance::all(&|| Box::new(PgFixture::fresh()));
}

/// An account with 100 credits and a key.
fn funded(store: &PgStore) -> (AccountId, KeyId) {
    conformance::funded(store, 100)
}

fn accept(store: &PgStore, owner: (AccountId, KeyId)) -> Job {
    conformance::accept(store, &new_job(owner))
}

fn processing(store: &PgStore, owner: (AccountId, KeyId)) -> Job {
    conformance::processing(store, owner)
}

fn completion() -> Completion {
    conformance::completion(PRICE)
}
