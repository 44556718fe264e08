//! Ending jobs: the state and the hold change in one transaction, once.

use super::convert::Text;
use super::failure::PgResult;
use super::job_row::{self, job_columns, job_row};
use super::ledger::post;
use super::session::Sql;
use super::{accounts, idempotency};
use crate::jobs::{Completion, Ended, Failure, Job};
use crate::ledger::LedgerKind;
use crate::rules::credits::Posting;
use crate::rules::ending::{self, StoredResult};
use crate::{AccountId, Balance, Credits, JobId, Reply, limits};

pub(super) fn finish(
    sql: &Sql<'_>,
    job: JobId,
    attempt: u32,
    done: &Completion,
) -> PgResult<Ended> {
    let found = job_row::locked(sql, None, job)?;
    if is_done(&found, attempt, done) {
        let balance = accounts::balance(sql, found.account)?;
        return Ok(Ended::Now {
            job: Box::new(found),
            balance,
        });
    }
    if let Some(refused) = ending::refused(&found, attempt) {
        return Ok(refused);
    }
    let charge = ending::charge(sql.operation, &found, done)?;
    let ended = store_result(sql, job, done)?;
    let balance = resolve_hold(sql, &found, LedgerKind::Settle, charge)?;
    if let Some(reply) = &done.reply {
        idempotency::keep_job_reply(sql, job, reply)?;
    }
    Ok(Ended::Now {
        job: Box::new(ended),
        balance,
    })
}

/// Whether this very end was recorded before: a caller whose connection broke while it was committed asks again, and must not
/// take its own result for another's.
fn is_done(found: &Job, attempt: u32, done: &Completion) -> bool {
    let kept = found.result.as_ref();
    found.attempt == attempt && kept.is_some_and(|kept| kept.result.output == done.result.output)
}

pub(super) fn fail(
    sql: &Sql<'_>,
    job: JobId,
    attempt: u32,
    failure: &Failure,
    reply: Option<&Reply>,
) -> PgResult<Ended> {
    let found = job_row::locked(sql, None, job)?;
    if let Some(refused) = ending::refused(&found, attempt) {
        return Ok(refused);
    }
    release(sql, &found, failure, reply)
}

pub(super) fn cancel(
    sql: &Sql<'_>,
    account: Option<AccountId>,
    job: JobId,
    failure: &Failure,
) -> PgResult<Ended> {
    let found = job_row::locked(sql, account, job)?;
    if found.status.is_final() {
        return Ok(ending::stale(&found));
    }
    release(sql, &found, failure, None)
}

/// Fails an unfinished job, which is locked, and returns its hold. Without a reply its idempotency key is freed.
pub(super) fn release(
    sql: &Sql<'_>,
    job: &Job,
    failure: &Failure,
    reply: Option<&Reply>,
) -> PgResult<Ended> {
    let (code, detail) = limits::failure(failure);
    let timings = ending::timings(sql.operation, failure)?;
    let row = sql.one(
        concat!(
            "UPDATE job SET status = 'failed', finished_at_ms = $2, error_code = $3, error_detail = $4, timings = $5
             WHERE id = $1 RETURNING ", job_columns!()
        ),
        &[&job.id, &sql.now_ms, &Text(&code), &Text(&detail), &timings],
    )?;
    let balance = resolve_hold(sql, job, LedgerKind::Release, 0)?;
    match reply {
        Some(reply) => idempotency::keep_job_reply(sql, job.id, reply)?,
        None => idempotency::free_job(sql, job.id)?,
    }
    Ok(Ended::Now {
        job: Box::new(job_row(&row)?),
        balance,
    })
}

/// Takes the whole hold back; what is not charged becomes available again.
fn resolve_hold(sql: &Sql<'_>, job: &Job, kind: LedgerKind, charge: Credits) -> PgResult<Balance> {
    let posting = Posting::resolve(job.account, job.id, job.price, kind, charge);
    let entry = post(sql, &posting)?.ok_or_else(|| posting.not_held(sql.operation))?;
    Ok(entry.balance_after)
}

fn store_result(sql: &Sql<'_>, job: JobId, done: &Completion) -> PgResult<Job> {
    let result = &done.result;
    let mask = result.mask.as_ref();
    let stored = StoredResult::of(sql.operation, result)?;
    let row = sql.one(
        concat!(
            "UPDATE job SET status = 'completed', finished_at_ms = $2, expires_at_ms = $3,
                    output_name = $4, output_sha256 = $5, output_bytes = $6, output_media_type = $7,
                    mask_name = $8, mask_sha256 = $9, mask_bytes = $10, mask_media_type = $11,
                    output_width = $12, output_height = $13, credits = $14, processing_ms = $15,
                    timings = $16, models = $17, device = $18, warnings = $19, candidates = $20
             WHERE id = $1 RETURNING ",
            job_columns!()
        ),
        &[
            &job,
            &sql.now_ms,
            &sql.now_ms.saturating_add(done.keep_ms),
            &Text(&result.output.name),
            &result.output.sha256.as_slice(),
            &stored.output_bytes,
            &Text(&result.output.media_type),
            &mask.map(|file| Text(&file.name)),
            &mask.map(|file| file.sha256.as_slice()),
            &stored.mask_bytes,
            &mask.map(|file| Text(&file.media_type)),
            &i64::from(result.width),
            &i64::from(result.height),
            &result.credits,
            &result.processing_ms,
            &stored.timings,
            &stored.models,
            &stored.device,
            &stored.warnings,
            &stored.candidates,
        ],
    )?;
    job_row(&row)
}
