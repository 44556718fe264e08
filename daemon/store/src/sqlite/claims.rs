//! Taking jobs out of the queue for a while, and putting them back.

use rusqlite::{OptionalExtension, params};

use super::failure::TxResult;
use super::job_row::job_row;
use super::{Tx, job_row};
use crate::JobId;
use crate::jobs::{FailureCode, Job, JobStatus};
use crate::leases::Heartbeat;

/// The next pending job in turn.
pub(super) fn claim_next(tx: &Tx<'_>, worker: &str, lease_ms: i64) -> TxResult<Option<Job>> {
    // Left to itself the planner takes the index by state and sorts the whole queue at every claim.
    let mut next = tx.prepare_cached("SELECT id FROM job INDEXED BY job_queue WHERE status = 'pending' ORDER BY turn, seq LIMIT 1")?;
    let job: Option<JobId> = next.query_row([], |row| row.get(0)).optional()?;
    job.map_or(Ok(None), |job| claim(tx, job, worker, lease_ms))
}

/// This job, if it is pending.
pub(super) fn claim(tx: &Tx<'_>, job: JobId, worker: &str, lease_ms: i64) -> TxResult<Option<Job>> {
    let mut update = tx.prepare_cached(
        "UPDATE job SET status = 'processing', attempt = attempt + 1, worker = ?2, started_at_ms = ?3,
                lease_until_ms = ?4
         WHERE id = ?1 AND status = 'pending' RETURNING *",
    )?;
    let claimed = update
        .query_row(
            params![job, worker, tx.now_ms, tx.run_ms.saturating_add(lease_ms)],
            job_row,
        )
        .optional()?;
    if claimed.is_some() {
        let mut advance = tx.prepare_cached(
            "UPDATE queue SET turn = max(turn, (SELECT turn FROM job WHERE id = ?1))",
        )?;
        advance.execute([job])?;
    }
    Ok(claimed)
}

/// Puts a processing job back, in its old place: it has waited already.
pub(super) fn requeue(tx: &Tx<'_>, job: JobId, attempt: u32) -> TxResult<bool> {
    let found = job_row::existing(tx, tx.operation, None, job)?;
    if found.status != JobStatus::Processing || found.attempt != attempt {
        return Ok(false);
    }
    let mut update = tx.prepare_cached(
        "UPDATE job SET status = 'pending', worker = NULL, started_at_ms = NULL, lease_until_ms = NULL
         WHERE id = ?1 AND attempt = ?2 AND status = 'processing'",
    )?;
    Ok(update.execute(params![job, attempt])? == 1)
}

/// Renews the lease of an attempt under way, or tells what became of it.
pub(super) fn heartbeat(
    tx: &Tx<'_>,
    job: JobId,
    attempt: u32,
    lease_ms: i64,
) -> TxResult<Heartbeat> {
    let mut renew = tx.prepare_cached(
        "UPDATE job SET lease_until_ms = ?3 WHERE id = ?1 AND attempt = ?2 AND status = 'processing'",
    )?;
    if renew.execute(params![job, attempt, tx.run_ms.saturating_add(lease_ms)])? == 1 {
        return Ok(Heartbeat::Yours);
    }
    let found = job_row::existing(tx, tx.operation, None, job)?;
    let cancelled = found
        .failure
        .is_some_and(|failure| failure.code == FailureCode::Cancelled);
    Ok(if found.attempt == attempt && cancelled {
        Heartbeat::Cancelled
    } else {
        Heartbeat::Lost
    })
}
