//! Ending or requeueing what a dead process or a silent one left unfinished.

use super::convert::Text;
use super::failure::PgResult;
use super::job_row::{job_columns, job_row};
use super::session::{Sql, Values};
use super::{claims, resolve};
use crate::jobs::{Ended, Failure, FailureCode, Job};
use crate::maintenance::Recovered;
use crate::{LEASE_MS_MAX, WEBHOOK_PAUSE_MS_MAX};

/// What was done, and the jobs as they are now.
type Changed = (Recovered, Vec<Job>);

/// One transaction: the number of unfinished jobs is bounded by the queue.
pub(super) fn recover(sql: &Sql<'_>, worker: &str, attempts_max: u32) -> PgResult<Changed> {
    let (mut recovered, mut changed) = Changed::default();
    // Nobody waits any more for what was accepted here, or by a process that is dead, and not answered. Rows without names were
    // copied from older stores.
    let unanswered = locked(
        sql,
        concat!(
            "SELECT ",
            job_columns!(),
            " FROM job WHERE status IN ('pending', 'processing') AND NOT asynchronous
             AND (origin = $1 OR NOT EXISTS (
                 SELECT 1 FROM worker WHERE name = job.origin AND until_ms > $2 AND until_ms <= $2 + $3))
             ORDER BY seq FOR NO KEY UPDATE"
        ),
        &[&Text(worker), &sql.run_ms, &LEASE_MS_MAX],
    )?;
    let failure = Failure::new(
        FailureCode::Interrupted,
        "the server stopped before the work was done; nothing was charged",
    );
    for job in &unanswered {
        changed.extend(now(resolve::release(sql, job, &failure, None)?));
        recovered.failed.push(job.id);
    }
    let under_way = locked(
        sql,
        concat!(
            "SELECT ",
            job_columns!(),
            " FROM job WHERE status = 'processing' AND (worker = $1 OR lease_until_ms IS NULL)
             ORDER BY seq FOR NO KEY UPDATE"
        ),
        &[&Text(worker)],
    )?;
    put_back(
        sql,
        &under_way,
        attempts_max,
        (&mut recovered, &mut changed),
    )?;
    let batches = sql.execute(
        "UPDATE batch SET interrupted = true WHERE answered_at_ms IS NULL AND NOT interrupted AND (origin = $1 OR NOT EXISTS (
             SELECT 1 FROM worker WHERE name = batch.origin AND until_ms > $2 AND until_ms <= $2 + $3))",
        &[&Text(worker), &sql.run_ms, &LEASE_MS_MAX],
    )?;
    recovered.batches = u32::try_from(batches).unwrap_or(u32::MAX);
    // Recorded by a clock that was wrong: nothing would wait longer.
    sql.execute(
        "UPDATE webhook SET next_at_ms = $1 WHERE next_at_ms > $1::bigint + $2::bigint",
        &[&sql.run_ms, &WEBHOOK_PAUSE_MS_MAX],
    )?;
    sql.execute(
        "UPDATE webhook SET holder = NULL, lease_until_ms = NULL WHERE holder = $1",
        &[&Text(worker)],
    )?;
    sql.execute("DELETE FROM lease WHERE holder = $1", &[&Text(worker)])?;
    sql.execute("DELETE FROM worker WHERE name = $1", &[&Text(worker)])?;
    Ok((recovered, changed))
}

/// Takes jobs from processes that did not renew their leases; those that another process is taking are left to it.
pub(super) fn reclaim(sql: &Sql<'_>, attempts_max: u32) -> PgResult<Changed> {
    let lost = locked(
        sql,
        concat!(
            "SELECT ",
            job_columns!(),
            " FROM job WHERE status = 'processing'
             AND (lease_until_ms <= $1 OR lease_until_ms > $1 + $2 OR lease_until_ms IS NULL)
             ORDER BY seq FOR NO KEY UPDATE SKIP LOCKED"
        ),
        &[&sql.run_ms, &LEASE_MS_MAX],
    )?;
    let (mut recovered, mut changed) = Changed::default();
    put_back(sql, &lost, attempts_max, (&mut recovered, &mut changed))?;
    Ok((recovered, changed))
}

/// Puts jobs under way back into the queue, those that were begun once too often excepted.
fn put_back(
    sql: &Sql<'_>,
    jobs: &[Job],
    attempts_max: u32,
    (recovered, changed): (&mut Recovered, &mut Vec<Job>),
) -> PgResult<()> {
    for job in jobs {
        if job.attempt < attempts_max {
            changed.extend(claims::requeue(sql, job.id, job.attempt)?);
            recovered.requeued.push(job.id);
            continue;
        }
        let detail = format!(
            "the server stopped during each of {} attempts; nothing was charged",
            job.attempt
        );
        let failure = Failure::new(FailureCode::AttemptsExhausted, detail);
        changed.extend(now(resolve::release(sql, job, &failure, None)?));
        recovered.exhausted.push(job.id);
    }
    Ok(())
}

pub(super) fn expire_holds(
    sql: &Sql<'_>,
    worker: &str,
    processing_ms_max: i64,
) -> PgResult<Vec<Job>> {
    let overdue = locked(
        sql,
        concat!(
            "SELECT ",
            job_columns!(),
            " FROM job WHERE status = 'processing' AND worker = $1 AND claimed_at_ms < $2
             ORDER BY seq FOR NO KEY UPDATE SKIP LOCKED"
        ),
        &[&Text(worker), &sql.run_ms.saturating_sub(processing_ms_max)],
    )?;
    let failure = Failure::new(
        FailureCode::TimedOut,
        format!(
            "not done after {} s; nothing was charged",
            processing_ms_max / 1_000
        ),
    );
    let mut expired = Vec::new();
    for job in &overdue {
        expired.extend(now(resolve::release(sql, job, &failure, None)?));
    }
    Ok(expired)
}

fn now(ended: Ended) -> Option<Job> {
    match ended {
        Ended::Now { job, .. } => Some(*job),
        Ended::Stale { .. } => None,
    }
}

fn locked(sql: &Sql<'_>, query: &str, values: Values<'_>) -> PgResult<Vec<Job>> {
    sql.all(query, values)?.iter().map(job_row).collect()
}
