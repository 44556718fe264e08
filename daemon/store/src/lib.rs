//! Accounts, keys, credits and jobs of the daemon, kept durably.
//!
//! [`Store`] is what the daemon codes against; [`SqliteStore`] keeps it in one SQLite file. All operations are
//! synchronous and are called from threads that may block. Each writing operation is one transaction: it happened and is
//! on disk when the call returns, or nothing changed.
//!
//! Units: credits are whole numbers, times are wall-clock milliseconds since 1970 (`_at_ms`), spans are ms.
//! What a client may cause (no credits, full queue, key used twice) is an outcome in the returned enum; a
//! [`StoreError`] means that the caller or the storage is at fault.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod accounts;
mod audit;
mod batches;
mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
mod idempotency;
mod ids;
mod jobs;
mod keys;
mod leases;
mod ledger;
mod limits;
mod maintenance;
mod postgres;
mod rules;
mod secret;
mod sqlite;
mod tables;
mod watch;
mod webhooks;

pub use accounts::{Account, Accounts, Balance};
pub use audit::{Audit, AuditEntry};
pub use batches::{BATCH_PAIRS_MAX, Batch, BatchStart, Batches, NewBatch};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Result, StoreError};
pub use idempotency::{
    IDEMPOTENCY_KEEP_MS, Idempotency, IdempotencyKey, IdempotencyKeyError, IdempotencyRows,
    IdempotencyScope, REPLY_BYTES_MAX, Reply,
};
pub use ids::{
    AccountId, AuditId, BatchId, Credits, Cursor, EntryId, IdError, JobId, KeyId, PAGE_ROWS_MAX,
    Page, PageRequest, UnixMs,
};
pub use jobs::{
    Accept, BatchSlot, CANDIDATES_MAX, Completion, Ended, ExpiredResult, Failure, FailureCode,
    Inquiry, Job, JobCounts, JobFilter, JobResult, JobStatus, Jobs, KeptCandidate, KeptResult,
    NewJob, QueueLimits, StoredFile,
};
pub use keys::{
    CreatedKey, KeyChange, KeyCheck, KeyFilter, KeyLimits, KeyRecord, KeyState, Keys,
    LAST_USED_STALE_MS, NewKey,
};
pub use leases::{Heartbeat, LEASE_MS_MAX, Leases, WORKER_KEEP_MS, Worker, WorkerReport};
pub use ledger::{Ledger, LedgerCause, LedgerEntry, LedgerKind};
pub use maintenance::{Breach, Health, Invariant, Maintenance, Recovered};
pub use postgres::{PgAddress, PgStore, WindowCount};
pub use secret::{
    ApiKey, KEY_CHARS, KEY_PREFIX, KeyFormatError, KeyHash, SHOWN_PREFIX_CHARS, SHOWN_SUFFIX_CHARS,
};
pub use sqlite::{DATABASE_FILE, LOCK_FILE, SqliteStore};
pub use tables::Contents;
pub use watch::{JobProgress, Watched, Watcher};
pub use webhooks::{DueWebhook, WEBHOOK_PAUSE_MS_MAX, WebhookState, Webhooks};

/// Everything the daemon keeps. Object safe: the daemon holds an `Arc<dyn Store>`.
pub trait Store:
    Accounts
    + Ledger
    + Keys
    + Jobs
    + Batches
    + IdempotencyRows
    + Audit
    + Maintenance
    + Watched
    + Webhooks
    + Leases
    + Send
    + Sync
{
}

impl<
    T: Accounts
        + Ledger
        + Keys
        + Jobs
        + Batches
        + IdempotencyRows
        + Audit
        + Maintenance
        + Watched
        + Webhooks
        + Leases
        + Send
        + Sync,
> Store for T
{
}
