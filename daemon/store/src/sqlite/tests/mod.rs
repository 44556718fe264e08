//! SQLite under the conformance suite, and the faults that only a file can have.

mod backup;
mod breaches;
mod faults;
mod guards;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::{DATABASE_FILE, SqliteStore};
use crate::conformance::{self, Fixture, LEASE_MS, PRICE, WIDE, new_job};
use crate::{AccountId, Completion, Job, KeyId, ManualClock, Store};

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
    conformance::funded(store, 100)
}

fn accept(store: &SqliteStore, owner: (AccountId, KeyId)) -> Job {
    conformance::accept(store, &new_job(owner))
}

fn processing(store: &SqliteStore, owner: (AccountId, KeyId)) -> Job {
    conformance::processing(store, owner)
}

fn completion() -> Completion {
    conformance::completion(PRICE)
}
