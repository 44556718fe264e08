//! Webhooks: telling clients of the ends of their jobs, at least once.
//!
//! A job whose `request` has `webhook.url` gets a row in the transaction that ends it. The row is due until it was
//! delivered or given up.

use crate::error::Result;
use crate::jobs::Job;
use crate::{JobId, UnixMs};

/// Longest pause between two attempts, milliseconds.
pub const WEBHOOK_PAUSE_MS_MAX: i64 = 6 * 3_600_000;

/// A webhook to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub struct DueWebhook {
    /// The job that ended.
    pub job: Box<Job>,
    /// Where to send it.
    pub url: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookState {
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; `None` once it was delivered or given up.
    pub next_at_ms: Option<UnixMs>,
    /// When it was delivered.
    pub delivered_at_ms: Option<UnixMs>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// Operations on webhooks.
pub trait Webhooks {
    /// Webhooks whose time has come: the oldest of each account, then the second ones and so on, up to the
    /// `per_account_max`-th, so that no account stands in another's way. The first attempt is due at once; pauses are counted
    /// by a clock that does not jump with the one on the wall. Those that a process has claimed are left out. Changes nothing.
    fn due_webhooks(&self, per_account_max: u32, rows_max: u32) -> Result<Vec<DueWebhook>>;

    /// Takes a webhook that is due for `lease_ms` (1 to [`crate::LEASE_MS_MAX`]) from now, so that no other process sends it at the
    /// same time. `false` when it is no longer due or another has it. How the attempt ended frees it, at the latest the lease's end.
    fn claim_webhook(&self, job: JobId, holder: &str, lease_ms: i64) -> Result<bool>;

    /// Notes that a webhook was taken by its receiver. Counts as an attempt.
    fn webhook_delivered(&self, job: JobId) -> Result<()>;

    /// Notes a failed attempt: it is tried again in `again_in_ms` (0 to [`WEBHOOK_PAUSE_MS_MAX`]), or given up. `detail` is cut
    /// at 500 characters.
    fn webhook_failed(&self, job: JobId, detail: &str, again_in_ms: Option<i64>) -> Result<()>;

    /// The webhook of a job, if it has one and has ended.
    fn webhook(&self, job: JobId) -> Result<Option<WebhookState>>;
}
