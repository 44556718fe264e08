//! PostgreSQL under the conformance suite, and what only a server can do.

#[allow(dead_code)] // The store is measured with it, too.
#[path = "../../../../../tests/common/postgres.rs"]
mod server;

mod copy;
mod expand;
mod faults;
mod guards;
mod schema;
mod windows;

use std::sync::Arc;

use serde_json::json;

use self::server::Server;
use super::{PgAddress, PgStore};
use crate::conformance::{self, Fixture};
use crate::{
    Accept, AccountId, Accounts, Completion, Job, JobId, JobResult, Jobs, KeyId, Keys, Ledger,
    ManualClock, NewJob, NewKey, QueueLimits, Store, StoredFile,
};

const WIDE: QueueLimits = QueueLimits {
    pending_max: 100_000,
    in_flight_per_key_max: 100_000,
};

const LEASE_MS: i64 = 60_000;

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
    let account = store.create_account("Studio", "test").unwrap().id;
    store.top_up(account, 100, "test", "").unwrap();
    let key = store
        .create_key(&NewKey::named(account, "first"), "test")
        .unwrap();
    (account, key.record.id)
}

fn new_job((account, key): (AccountId, KeyId)) -> NewJob {
    NewJob {
        id: JobId::random(),
        account,
        key: Some(key),
        batch: None,
        service: "object-removal".into(),
        pipeline: "default".into(),
        asynchronous: false,
        origin: "worker".into(),
        price: 3,
        input_filename: None,
        original_width: 640,
        original_height: 480,
        request: json!({}),
        idempotency: None,
    }
}

fn accept(store: &PgStore, owner: (AccountId, KeyId)) -> Job {
    match store.accept(&new_job(owner), &WIDE).unwrap() {
        Accept::Accepted { job, .. } => *job,
        other => panic!("not accepted: {other:?}"),
    }
}

fn processing(store: &PgStore, owner: (AccountId, KeyId)) -> Job {
    let job = accept(store, owner);
    store
        .claim_job(job.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap()
}

fn completion() -> Completion {
    let output = StoredFile {
        name: format!("{}.png", JobId::random()),
        sha256: [7; 32],
        bytes: 99,
        media_type: "image/png".into(),
    };
    let none = json!([]);
    let result = JobResult {
        output,
        mask: None,
        candidates: Vec::new(),
        width: 640,
        height: 480,
        credits: 3,
        processing_ms: 1.0,
        timings: none.clone(),
        models: none.clone(),
        device: none.clone(),
        warnings: none,
    };
    Completion {
        result,
        keep_ms: 1_000,
        reply: None,
    }
}
