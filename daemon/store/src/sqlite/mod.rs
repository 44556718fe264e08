//! The store in one SQLite file: one writing connection behind a lock, a few reading ones beside it.

mod accept;
mod accounts;
mod audit;
mod backup;
mod batches;
mod claims;
mod convert;
mod copy;
mod failure;
mod idempotency;
mod invariants;
mod job_row;
mod jobs;
mod keys;
mod leases;
mod ledger;
mod lock_wait;
mod lost;
mod maintenance;
mod migrate;
mod open;
mod pool;
mod recovery;
mod resolve;
mod results;
mod room;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::HashMap;
use std::fs::File;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use cleanplate_basics::lock;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) use self::copy::{broken, different, full};
pub use self::open::{DATABASE_FILE, LOCK_FILE};

use self::failure::TxResult;
use self::lock_wait::LockWait;
use self::pool::ReaderPool;
use crate::clock::Clock;
use crate::error::{Result, StoreError};
use crate::jobs::Job;
use crate::watch::{JobProgress, Watched, Watcher};
use crate::{JobId, UnixMs};

/// The store in one SQLite file.
///
/// Write-ahead log, forced to disk at every commit; all writes are immediate transactions of one connection, so they
/// never meet a busy database inside the program and wait at most a second for another one (a tool beside the daemon).
pub struct SqliteStore {
    // Dropped in this order: the writing connection closes last and folds the log into the database.
    readers: ReaderPool,
    writer: Mutex<Connection>,
    /// What the disk answered when it first failed to store data; from then on nothing is written.
    halted: OnceLock<String>,
    clock: Arc<dyn Clock>,
    /// What the wall clock would show when the steady one stands at 0, as it was when the store was opened.
    origin_ms: UnixMs,
    lock_wait: LockWait,
    /// When this process claimed the jobs under way, by the steady clock.
    claimed: Mutex<HashMap<JobId, UnixMs>>,
    path: PathBuf,
    watchers: RwLock<Vec<Arc<dyn Watcher>>>,
    _lock: Option<File>,
}

/// An open write transaction.
struct Tx<'a> {
    sql: Transaction<'a>,
    /// What is being done, for errors.
    operation: &'static str,
    /// One time for the whole transaction, for what is recorded.
    now_ms: UnixMs,
    /// The same by the clock of this run.
    run_ms: UnixMs,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.sql
    }
}

impl SqliteStore {
    /// Takes over what others left unfinished, whatever they were called: the next [`recover`](crate::Maintenance::recover) ends
    /// or requeues it. For who has the file alone: a daemon by its lock, a copy of a backup.
    pub fn adopt(&self) -> Result<()> {
        self.write("taking over the store", recovery::adopt)
    }

    /// The clock of this run: the wall clock at its start and the time that has passed since. What is due is judged by it, so
    /// that a jump of the wall clock neither delays nor hurries anything; another run can still read what it recorded.
    fn run_ms(&self) -> UnixMs {
        self.origin_ms.saturating_add(self.clock.steady_ms())
    }

    /// Runs `body` in an immediate transaction; commits when it returns `Ok`, changes nothing otherwise.
    fn write<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Tx<'_>) -> TxResult<T>,
    ) -> Result<T> {
        self.write_jobs(operation, body, |_| Vec::new())
    }

    /// The same; then tells of the jobs that changed, before another write begins: they are told in the order of the commits.
    fn write_jobs<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Tx<'_>) -> TxResult<T>,
        changed: impl for<'a> FnOnce(&'a T) -> Vec<&'a Job>,
    ) -> Result<T> {
        // A panic in an earlier body rolled its transaction back; the connection itself is sound.
        let mut writer = lock(&self.writer);
        if let Some(detail) = self.halted.get() {
            return Err(StoreError::Halted {
                operation,
                detail: detail.clone(),
            });
        }
        let times = (self.clock.now_ms(), self.run_ms());
        let outcome = self
            .set_wait(operation, &writer)
            .and_then(|()| run_transaction(&mut writer, operation, times, body));
        self.lock_wait.learn(&outcome, self.clock.steady_ms());
        if let Err(StoreError::Halted { detail, .. }) = &outcome {
            let _ = self.halted.set(detail.clone());
        }
        if let Ok(value) = &outcome {
            let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
            for job in changed(value) {
                watchers.iter().for_each(|watcher| watcher.job_changed(job));
            }
        }
        outcome
    }

    /// Runs `body` on one consistent state, beside running writes.
    fn read<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Connection) -> TxResult<T>,
    ) -> Result<T> {
        let reader = self.readers.take();
        self.set_wait(operation, &reader)?;
        let outcome = reader
            .unchecked_transaction()
            .map_err(|error| failure::store_error(operation, error))
            .and_then(|snapshot| body(&snapshot).map_err(|error| error.named(operation)));
        // Readers do not wait for writers: that one could read says nothing about the lock.
        if outcome.is_err() {
            self.lock_wait.learn(&outcome, self.clock.steady_ms());
        }
        outcome
    }

    fn set_wait(&self, operation: &'static str, connection: &Connection) -> Result<()> {
        self.lock_wait
            .apply(connection, self.clock.steady_ms())
            .map_err(|error| failure::store_error(operation, error))
    }
}

impl Watched for SqliteStore {
    fn watch(&self, watcher: Arc<dyn Watcher>) {
        let watchers = self.watchers.write();
        watchers
            .unwrap_or_else(PoisonError::into_inner)
            .push(watcher);
    }

    // Only one process has the file.
    fn tell_progress(&self, _progress: Vec<JobProgress>) {}
}

fn run_transaction<T>(
    writer: &mut Connection,
    operation: &'static str,
    (now_ms, run_ms): (UnixMs, UnixMs),
    body: impl FnOnce(&Tx<'_>) -> TxResult<T>,
) -> Result<T> {
    let begin = writer.transaction_with_behavior(TransactionBehavior::Immediate);
    let tx = Tx {
        sql: begin.map_err(|error| failure::store_error(operation, error))?,
        operation,
        now_ms,
        run_ms,
    };
    let value = body(&tx).map_err(|error| error.named(operation))?;
    tx.sql
        .commit()
        .map_err(|error| failure::store_error(operation, error))?;
    Ok(value)
}

/// A condition on texts: `?` is in one of the columns, in any case of A to Z.
fn contains(columns: &[&str]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .map(|column| format!("instr(lower(coalesce({column}, '')), lower(?)) > 0"))
        .collect();
    format!("({})", parts.join(" OR "))
}
