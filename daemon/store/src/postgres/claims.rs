//! Taking jobs out of the queue for a while, and putting them back.

use super::convert::Text;
use super::failure::PgResult;
use super::job_row::{self, job_columns, job_row};
use super::session::Sql;
use crate::jobs::{FailureCode, Job, JobStatus};
use crate::leases::Heartbeat;
use crate::{JobId, UnixMs};

/// The next pending job in turn that nobody else is taking.
pub(super) fn claim_next(sql: &Sql<'_>, worker: &str, lease_ms: i64) -> PgResult<Option<Job>> {
    let row = sql.optional(
        concat!(
            "UPDATE job SET status = 'processing', attempt = attempt + 1, worker = $1, started_at_ms = $2, claimed_at_ms = $3,
                    lease_until_ms = $4
             WHERE seq = (SELECT seq FROM job WHERE status = 'pending' ORDER BY turn, seq LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
             RETURNING ",
            job_columns!()
        ),
        &[&Text(worker), &sql.now_ms, &sql.run_ms, &until_ms(sql, lease_ms)],
    )?;
    row.as_ref().map(job_row).transpose()
}

/// This job, if it is pending.
pub(super) fn claim(
    sql: &Sql<'_>,
    job: JobId,
    worker: &str,
    lease_ms: i64,
) -> PgResult<Option<Job>> {
    let row = sql.optional(
        concat!(
            "UPDATE job SET status = 'processing', attempt = attempt + 1, worker = $2, started_at_ms = $3, claimed_at_ms = $4,
                    lease_until_ms = $5
             WHERE id = $1 AND status = 'pending' RETURNING ",
            job_columns!()
        ),
        &[&job, &Text(worker), &sql.now_ms, &sql.run_ms, &until_ms(sql, lease_ms)],
    )?;
    row.as_ref().map(job_row).transpose()
}

/// Puts a processing job back, in its old place: it has waited already.
pub(super) fn requeue(sql: &Sql<'_>, job: JobId, attempt: u32) -> PgResult<Option<Job>> {
    let found = job_row::locked(sql, None, job)?;
    if found.status != JobStatus::Processing || found.attempt != attempt {
        return Ok(None);
    }
    let row = sql.one(
        concat!(
            "UPDATE job SET status = 'pending', worker = NULL, started_at_ms = NULL, claimed_at_ms = NULL, lease_until_ms = NULL
             WHERE id = $1 RETURNING ",
            job_columns!()
        ),
        &[&job],
    )?;
    job_row(&row).map(Some)
}

/// Renews the lease of an attempt under way, or tells what became of it.
pub(super) fn heartbeat(
    sql: &Sql<'_>,
    job: JobId,
    attempt: u32,
    lease_ms: i64,
) -> PgResult<Heartbeat> {
    let renewed = sql.execute(
        "UPDATE job SET lease_until_ms = $3 WHERE id = $1 AND attempt = $2 AND status = 'processing'",
        &[&job, &i64::from(attempt), &until_ms(sql, lease_ms)],
    )?;
    if renewed == 1 {
        return Ok(Heartbeat::Yours);
    }
    let found = job_row::existing(sql, job)?;
    let cancelled = found
        .failure
        .is_some_and(|failure| failure.code == FailureCode::Cancelled);
    Ok(if found.attempt == attempt && cancelled {
        Heartbeat::Cancelled
    } else {
        Heartbeat::Lost
    })
}

fn until_ms(sql: &Sql<'_>, lease_ms: i64) -> UnixMs {
    sql.run_ms.saturating_add(lease_ms)
}
