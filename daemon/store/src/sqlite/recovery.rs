//! Ending or requeueing what a dead daemon or a silent worker left unfinished.

use std::collections::HashMap;

use rusqlite::{Params, params};

use super::failure::TxResult;
use super::job_row::job_row;
use super::{Tx, claims, job_row, resolve};
use crate::jobs::{Failure, FailureCode, Job};
use crate::maintenance::Recovered;
use crate::{JobId, LEASE_MS_MAX, WEBHOOK_PAUSE_MS_MAX};

/// What was done, and the jobs as they are now.
type Changed = (Recovered, Vec<Job>);

/// Forgets who worked on the store.
pub(super) fn adopt(tx: &Tx<'_>) -> TxResult<()> {
    tx.execute_batch(
        "UPDATE job SET lease_until_ms = NULL WHERE status = 'processing';
         UPDATE webhook SET holder = NULL, lease_until_ms = NULL WHERE holder IS NOT NULL;
         DELETE FROM lease;
         DELETE FROM worker",
    )?;
    Ok(())
}

/// One transaction: the number of unfinished jobs is bounded by the queue.
pub(super) fn recover(tx: &Tx<'_>, worker: &str, attempts_max: u32) -> TxResult<Changed> {
    let mut recovered = Recovered::default();
    // Nobody waits any more for what was accepted here, or by a process that is dead, and not answered. Rows without names are of
    // older programs, which were alone.
    let unanswered = select(
        tx,
        "SELECT * FROM job WHERE status IN ('pending', 'processing') AND asynchronous = 0 AND (origin = ?1 OR NOT EXISTS (
             SELECT 1 FROM worker WHERE name = origin AND until_ms > ?2 AND until_ms <= ?2 + ?3)) ORDER BY seq",
        params![worker, tx.run_ms, LEASE_MS_MAX],
    )?;
    let failure = Failure::new(
        FailureCode::Interrupted,
        "the server stopped before the work was done; nothing was charged",
    );
    for job in &unanswered {
        let _ended = resolve::release(tx, job, &failure, None)?;
        recovered.failed.push(job.id);
    }
    let under_way = select(
        tx,
        "SELECT * FROM job WHERE status = 'processing' AND (worker = ?1 OR lease_until_ms IS NULL) ORDER BY seq",
        params![worker],
    )?;
    put_back(tx, &under_way, attempts_max, &mut recovered)?;
    let batches = tx.execute(
        "UPDATE batch SET interrupted = 1 WHERE answered_at_ms IS NULL AND interrupted = 0 AND (origin = ?1 OR NOT EXISTS (
             SELECT 1 FROM worker WHERE name = origin AND until_ms > ?2 AND until_ms <= ?2 + ?3))",
        params![worker, tx.run_ms, LEASE_MS_MAX],
    )?;
    recovered.batches = u32::try_from(batches).unwrap_or(u32::MAX);
    // Recorded by a clock that was wrong: nothing would wait longer.
    tx.execute(
        "UPDATE webhook SET next_at_ms = ?1 WHERE next_at_ms > ?1 + ?2",
        [tx.run_ms, WEBHOOK_PAUSE_MS_MAX],
    )?;
    tx.execute(
        "UPDATE webhook SET holder = NULL, lease_until_ms = NULL WHERE holder = ?1",
        [worker],
    )?;
    tx.execute("DELETE FROM lease WHERE holder = ?1", [worker])?;
    tx.execute("DELETE FROM worker WHERE name = ?1", [worker])?;
    let jobs = unanswered.iter().chain(&under_way);
    Ok((recovered, now(tx, jobs)?))
}

/// Takes jobs from processes that did not renew their leases.
pub(super) fn reclaim(tx: &Tx<'_>, attempts_max: u32) -> TxResult<Changed> {
    let mut statement = tx.prepare_cached(
        "SELECT * FROM job WHERE status = 'processing'
         AND (lease_until_ms <= ?1 OR lease_until_ms > ?1 + ?2 OR lease_until_ms IS NULL) ORDER BY seq",
    )?;
    let lost = statement
        .query_map([tx.run_ms, LEASE_MS_MAX], job_row)?
        .collect::<rusqlite::Result<Vec<Job>>>()?;
    let mut recovered = Recovered::default();
    put_back(tx, &lost, attempts_max, &mut recovered)?;
    Ok((recovered, now(tx, lost.iter())?))
}

/// Puts jobs under way back into the queue, those that were begun once too often excepted.
fn put_back(
    tx: &Tx<'_>,
    jobs: &[Job],
    attempts_max: u32,
    recovered: &mut Recovered,
) -> TxResult<()> {
    for job in jobs {
        if job.attempt < attempts_max {
            claims::requeue(tx, job.id, job.attempt)?;
            recovered.requeued.push(job.id);
            continue;
        }
        let detail = format!(
            "the server stopped during each of {} attempts; nothing was charged",
            job.attempt
        );
        let failure = Failure::new(FailureCode::AttemptsExhausted, detail);
        let _ended = resolve::release(tx, job, &failure, None)?;
        recovered.exhausted.push(job.id);
    }
    Ok(())
}

/// These jobs as they are now.
fn now<'a>(tx: &Tx<'_>, jobs: impl Iterator<Item = &'a Job>) -> TxResult<Vec<Job>> {
    jobs.map(|job| job_row::existing(tx, tx.operation, None, job.id))
        .collect()
}

/// `times`: what the clock of `claimed` shows now, and the longest span, ms. `claimed`: when jobs were claimed by that clock; those
/// that have ended are dropped from it. A job that is not in it counts from now on.
pub(super) fn expire_holds(
    tx: &Tx<'_>,
    worker: &str,
    claimed: &mut HashMap<JobId, i64>,
    (steady_ms, processing_ms_max): (i64, i64),
) -> TxResult<Vec<Job>> {
    let mut statement =
        tx.prepare_cached("SELECT * FROM job WHERE status = 'processing' ORDER BY seq")?;
    let mut overdue = statement
        .query_map([], job_row)?
        .collect::<rusqlite::Result<Vec<Job>>>()?;
    let since_ms = |job: &Job| claimed.get(&job.id).copied().unwrap_or(steady_ms);
    *claimed = overdue.iter().map(|job| (job.id, since_ms(job))).collect();
    overdue.retain(|job| {
        job.worker.as_deref() == Some(worker) && steady_ms - claimed[&job.id] > processing_ms_max
    });
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
    now(tx, overdue.iter())
}

fn select(tx: &Tx<'_>, query: &str, values: impl Params) -> TxResult<Vec<Job>> {
    let mut statement = tx.prepare_cached(query)?;
    let rows = statement.query_map(values, job_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
