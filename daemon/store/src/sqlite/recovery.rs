//! Ending or requeueing what a dead daemon or a silent worker left unfinished.

use std::collections::HashMap;

use super::failure::TxResult;
use super::job_row::job_row;
use super::{Tx, claims, job_row, resolve};
use crate::jobs::{Failure, FailureCode, Job, JobStatus};
use crate::maintenance::Recovered;
use crate::{JobId, WEBHOOK_PAUSE_MS_MAX};

/// One transaction: the number of unfinished jobs is bounded by the queue.
pub(super) fn recover(tx: &Tx<'_>, attempts_max: u32) -> TxResult<Recovered> {
    let mut recovered = Recovered::default();
    for job in unfinished(tx)? {
        match (job.asynchronous, job.status) {
            (false, _) => {
                let failure = Failure::new(
                    FailureCode::Interrupted,
                    "the server stopped before the work was done; nothing was charged",
                );
                let _ended = resolve::release(tx, &job, &failure, None)?;
                recovered.failed.push(job.id);
            }
            (true, JobStatus::Processing) if job.attempt >= attempts_max => {
                let detail = format!(
                    "the server stopped during each of {} attempts; nothing was charged",
                    job.attempt
                );
                let _ended = resolve::release(
                    tx,
                    &job,
                    &Failure::new(FailureCode::AttemptsExhausted, detail),
                    None,
                )?;
                recovered.exhausted.push(job.id);
            }
            (true, JobStatus::Processing) => {
                claims::requeue(tx, job.id, job.attempt)?;
                recovered.requeued.push(job.id);
            }
            (true, _) => {}
        }
    }
    let batches = tx.execute(
        "UPDATE batch SET interrupted = 1 WHERE answered_at_ms IS NULL AND interrupted = 0",
        [],
    )?;
    // Recorded by a clock that was wrong: nothing would wait longer.
    tx.execute(
        "UPDATE webhook SET next_at_ms = ?1 WHERE next_at_ms > ?1 + ?2",
        [tx.run_ms, WEBHOOK_PAUSE_MS_MAX],
    )?;
    recovered.batches = u32::try_from(batches).unwrap_or(u32::MAX);
    Ok(recovered)
}

/// `claimed`: when jobs were claimed, by the clock that shows `steady_ms` now; those that have ended are dropped from it. A
/// job that is not in it counts from now on.
pub(super) fn expire_holds(
    tx: &Tx<'_>,
    claimed: &mut HashMap<JobId, i64>,
    steady_ms: i64,
    processing_ms_max: i64,
) -> TxResult<Vec<Job>> {
    let mut statement =
        tx.prepare_cached("SELECT * FROM job WHERE status = 'processing' ORDER BY seq")?;
    let mut overdue = statement
        .query_map([], job_row)?
        .collect::<rusqlite::Result<Vec<Job>>>()?;
    let since_ms = |job: &Job| claimed.get(&job.id).copied().unwrap_or(steady_ms);
    *claimed = overdue.iter().map(|job| (job.id, since_ms(job))).collect();
    overdue.retain(|job| steady_ms - claimed[&job.id] > processing_ms_max);
    let failure = Failure::new(
        FailureCode::TimedOut,
        format!(
            "not done after {} s; nothing was charged",
            processing_ms_max / 1_000
        ),
    );
    for job in &overdue {
        let _ended = resolve::release(tx, job, &failure, None)?;
    }
    overdue
        .iter()
        .map(|job| job_row::existing(tx, tx.operation, None, job.id))
        .collect()
}

fn unfinished(tx: &Tx<'_>) -> TxResult<Vec<Job>> {
    let mut statement =
        tx.prepare("SELECT * FROM job WHERE status IN ('pending', 'processing') ORDER BY seq")?;
    let rows = statement.query_map([], job_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
