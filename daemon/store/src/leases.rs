//! Several processes over one store: who they are, and which of them does what only one must do.
//!
//! A process has a *name* that stays its own when it is started again; nothing else may use it meanwhile. It takes jobs, webhooks
//! and named leases under that name, each for a span that it renews. A process that does not renew is taken for dead: others go
//! on with what it had. One that wakes up again is told so by its next renewal, and what it still writes is refused by the attempt.
//!
//! All spans are judged by one clock, the store's, never by those of the processes.

use crate::error::Result;
use crate::{JobId, UnixMs};

/// Longest lease, ms. A recorded end that lies further ahead comes from a clock that was wrong, and counts as over.
pub const LEASE_MS_MAX: i64 = 3_600_000;
/// How long a process that is silent stays in the list, ms: longer than idempotency keys are kept.
pub const WORKER_KEEP_MS: i64 = 2 * 24 * 3_600_000;

/// What a renewal of a job's lease finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Heartbeat {
    /// The attempt goes on, its lease is renewed.
    Yours,
    /// The job was cancelled: stop.
    Cancelled,
    /// The attempt is no longer the job's, or the job has ended: stop, and touch nothing of it.
    Lost,
}

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerReport {
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// What it does: `all`, `api` or `worker`.
    pub role: String,
    /// The device it computes on, if it has one open; at most 200 characters.
    pub device: Option<String>,
    /// Its version, 1 to 100 characters.
    pub version: String,
}

/// A process as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// What it said last.
    pub report: WorkerReport,
    /// When it first reported since it was started.
    pub started_at_ms: UnixMs,
    /// How long ago it reported last, ms.
    pub silent_ms: i64,
    /// Whether the span of its last report still runs.
    pub alive: bool,
    /// Jobs that it has under way, oldest first.
    pub jobs: Vec<JobId>,
}

/// Operations of several processes.
pub trait Leases {
    /// Takes the lease of this name, or renews it, for `lease_ms` (1 to [`LEASE_MS_MAX`]) from now. `false` while another has it.
    fn lease(&self, name: &str, holder: &str, lease_ms: i64) -> Result<bool>;

    /// Gives a lease back before its time, if `holder` has it.
    fn end_lease(&self, name: &str, holder: &str) -> Result<()>;

    /// Says that a process is alive for `lease_ms` (1 to [`LEASE_MS_MAX`]) from now. The first report after
    /// [`retire_worker`](Leases::retire_worker) or [`crate::Maintenance::recover`] begins its run. Rows of processes that have been
    /// silent for longer than [`WORKER_KEEP_MS`] go.
    fn report_worker(&self, report: &WorkerReport, lease_ms: i64) -> Result<()>;

    /// Takes a process that ends by itself from the list.
    fn retire_worker(&self, name: &str) -> Result<()>;

    /// All processes, by name.
    fn workers(&self) -> Result<Vec<Worker>>;
}
