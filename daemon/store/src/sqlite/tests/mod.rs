//! SQLite under the conformance suite, and the faults that only a file can have.

mod backup;
mod breaches;
mod faults;
mod guards;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::{DATABASE_FILE, SqliteStore};
use crate::conformance::{self, Fixture};
use crate::{
    Accept, AccountId, Accounts, Completion, Job, JobId, JobResult, Jobs, KeyId, Keys, Ledger,
};
use crate::{ManualClock, NewJob, NewKey, QueueLimits, Store, StoredFile};

const WIDE: QueueLimits = QueueLimits {
    pending_max: 100_000,
    in_flight_per_key_max: 100_000,
};

const LEASE_MS: i64 = 60_000;

/// A folder in memory where there is one: what reaches a disk is checked by the settings, the rest need not wait for it.
fn temporary_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

struct SqliteFixture {
    store: Option<Arc<SqliteStore>>,
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl SqliteFixture {
    fn fresh() -> Self {
        let folder = temporary_folder();
        let clock = Arc::new(ManualClock::new(1_800_000_000_000));
        let store = Some(Arc::new(
            SqliteStore::open(folder.path(), clock.clone()).unwrap(),
        ));
        Self {
            store,
            folder,
            clock,
        }
    }

    fn sqlite(&self) -> Arc<SqliteStore> {
        self.store.clone().unwrap()
    }
}

impl Fixture for SqliteFixture {
    fn store(&self) -> Arc<dyn Store> {
        self.sqlite()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The files as they lie while the store is open are what `kill -9` leaves: the log is not folded in.
    fn crash(&mut self) {
        let left = temporary_folder();
        for name in [DATABASE_FILE.to_owned(), format!("{DATABASE_FILE}-wal")] {
            fs::copy(self.folder.path().join(&name), left.path().join(&name)).unwrap();
        }
        self.store = None;
        self.folder = left;
        self.store = Some(Arc::new(
            SqliteStore::open(self.folder.path(), self.clock.clone()).unwrap(),
        ));
    }
}

#[test]
fn conforms() {
    conformance::all(&|| Box::new(SqliteFixture::fresh()));
}

/// An account with 100 credits and a key.
fn funded(store: &SqliteStore) -> (AccountId, KeyId) {
    let account = store.create_account("Studio", "test").unwrap().id;
    store.top_up(account, 100, "test", "").unwrap();
    (
        account,
        store
            .create_key(&NewKey::named(account, "first"), "test")
            .unwrap()
            .record
            .id,
    )
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

fn accept(store: &SqliteStore, owner: (AccountId, KeyId)) -> Job {
    match store.accept(&new_job(owner), &WIDE).unwrap() {
        Accept::Accepted { job, .. } => *job,
        other => panic!("not accepted: {other:?}"),
    }
}

fn processing(store: &SqliteStore, owner: (AccountId, KeyId)) -> Job {
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
