//! Care of the store as a whole: start-up recovery, self-check, health, backup.

use std::fmt;
use std::path::Path;

use crate::JobId;
use crate::error::Result;

/// What recovery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Synchronous jobs that were pending or processing: failed, hold returned.
    pub failed: Vec<JobId>,
    /// Jobs that were processing: back in the queue, hold kept.
    pub requeued: Vec<JobId>,
    /// Jobs that were processing once too often: failed, hold returned.
    pub exhausted: Vec<JobId>,
    /// Batches whose request was not answered: marked interrupted.
    pub batches: u32,
}

/// The rules that hold between any two transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// I1: available + held + spent = top-ups + corrections, and the balances equal the sums of the ledger.
    Conserved,
    /// I2: available and held are never negative.
    NotNegative,
    /// I3: a hold is taken once and resolved once: settled for completed jobs, released for failed ones, open for others.
    ResolvedOnce,
    /// I4: a completed job names its file with length, hash and expiry.
    ResultNamed,
    /// I5: one idempotency key belongs to one job or batch and one request hash.
    DoneOnce,
    /// I6: the ledger and audit tables refuse changes and deletions.
    AppendOnly,
    /// The database file itself is sound.
    FileSound,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conserved => "I1 credits conserved",
            Self::NotNegative => "I2 balances not negative",
            Self::ResolvedOnce => "I3 holds resolved once",
            Self::ResultNamed => "I4 results named",
            Self::DoneOnce => "I5 requests done once",
            Self::AppendOnly => "I6 ledger append-only",
            Self::FileSound => "database file sound",
        })
    }
}

/// A broken rule. The daemon then takes no new jobs and says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which rule.
    pub invariant: Invariant,
    /// Where and how, for people.
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// State of a working store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Version of the schema.
    pub schema_version: i64,
    /// Size of the database, bytes.
    pub database_bytes: u64,
    /// Size of the write-ahead log, bytes.
    pub log_bytes: u64,
}

/// Operations on the store as a whole.
pub trait Maintenance {
    /// Ends or requeues what the process of this name left unfinished in an earlier run: synchronous jobs that it accepted fail,
    /// for nobody waits for them any more; other jobs that it was working on go back into the queue, unless they have
    /// `attempts_max` attempts or more; its unanswered batches are marked interrupted; its leases and webhooks under way are free.
    /// Synchronous jobs and batches of processes that give no sign of life end the same way, for their names may never come back.
    /// Call once, before work is taken; a tool beside a running daemon must not. Other processes that live are not touched.
    fn recover(&self, worker: &str, attempts_max: u32) -> Result<Recovered>;

    /// Fails jobs that the process of this name claimed longer than `processing_ms_max` ago and returns their holds: the last net
    /// under a worker that renews its leases and never reports. The span is counted from the claim by a clock that does not jump.
    fn expire_holds(&self, worker: &str, processing_ms_max: i64) -> Result<Vec<JobId>>;

    /// Forgets the details of at most `rows_max` jobs that ended longer than `keep_ms` ago, and their webhooks: names of
    /// files, parameters, timings, remarks. What was charged for, when and with which end stays: the ledger names the jobs.
    /// Returns how many.
    fn forget_details(&self, keep_ms: i64, rows_max: u32) -> Result<u32>;

    /// Checks all rules; empty when all hold. Reads everything once, beside running writes.
    fn invariants(&self) -> Result<Vec<Breach>>;

    /// Checks the pages of the database file too. Slow on a large one.
    fn integrity(&self) -> Result<Vec<Breach>>;

    /// Whether the store answers and would take a write now. Writes nothing.
    fn health(&self) -> Result<Health>;

    /// Sets room aside inside the store's own files, so that ends of jobs can be recorded on a volume that others fill to the
    /// last byte. Called again and again while there is room: what was used is made up for. Costs little when nothing was. A
    /// file system that cannot set room aside is no error.
    fn keep_room(&self) -> Result<()>;

    /// Brings the files into the state in which nothing has to be made good at the next start: for a daemon that ends while
    /// some of its threads may still hold the store.
    fn settle(&self) -> Result<()>;

    /// Writes a consistent copy of the database to a new file, forced to disk, while work goes on.
    fn backup(&self, to: &Path) -> Result<()>;
}
