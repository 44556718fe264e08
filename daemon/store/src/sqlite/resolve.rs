//! Ending jobs: the state and the hold change in one transaction, once.

use rusqlite::params;

use super::failure::TxResult;
use super::ledger::{Change, post};
use super::{Tx, idempotency, job_row};
use crate::error::StoreError;
use crate::jobs::{Completion, Ended, Failure, Job, JobStatus};
use crate::ledger::{LedgerCause, LedgerKind};
use crate::{AccountId, Balance, Credits, JobId, Reply, limits};

pub(super) fn finish(tx: &Tx<'_>, job: JobId, attempt: u32, done: &Completion) -> TxResult<Ended> {
    let found = job_row::existing(tx, tx.operation, None, job)?;
    if found.status != JobStatus::Processing || found.attempt != attempt {
        return Ok(stale(&found));
    }
    let charge = done.result.credits;
    if charge > found.price {
        let problem = format!("is {charge}, the job's hold is {}", found.price);
        return Err(limits::invalid(tx.operation, "credits", problem).into());
    }
    store_result(tx, job, attempt, done)?;
    let balance = resolve_hold(tx, &found, LedgerKind::Settle, charge)?;
    if let Some(reply) = &done.reply {
        idempotency::keep_job_reply(tx, job, reply)?;
    }
    ended(tx, job, balance)
}

pub(super) fn fail(
    tx: &Tx<'_>,
    job: JobId,
    attempt: u32,
    failure: &Failure,
    reply: Option<&Reply>,
) -> TxResult<Ended> {
    let found = job_row::existing(tx, tx.operation, None, job)?;
    if found.status != JobStatus::Processing || found.attempt != attempt {
        return Ok(stale(&found));
    }
    release(tx, &found, failure, reply)
}

pub(super) fn cancel(
    tx: &Tx<'_>,
    account: Option<AccountId>,
    job: JobId,
    failure: &Failure,
) -> TxResult<Ended> {
    let found = job_row::existing(tx, tx.operation, account, job)?;
    if found.status.is_final() {
        return Ok(stale(&found));
    }
    release(tx, &found, failure, None)
}

/// Fails an unfinished job and returns its hold. Without a reply its idempotency key is freed.
pub(super) fn release(
    tx: &Tx<'_>,
    job: &Job,
    failure: &Failure,
    reply: Option<&Reply>,
) -> TxResult<Ended> {
    let (code, detail) = limits::failure(failure);
    let timings = (!failure.timings.is_null())
        .then(|| limits::json(tx.operation, "timings", &failure.timings))
        .transpose()?;
    let mut update = tx.prepare_cached(
        "UPDATE job SET status = 'failed', finished_at_ms = ?3, error_code = ?4, error_detail = ?5, timings = ?6
         WHERE id = ?1 AND attempt = ?2 AND status IN ('pending', 'processing')",
    )?;
    one_row(
        tx,
        update.execute(params![
            job.id,
            job.attempt,
            tx.now_ms,
            code,
            detail,
            timings
        ])?,
    )?;
    let balance = resolve_hold(tx, job, LedgerKind::Release, 0)?;
    match reply {
        Some(reply) => idempotency::keep_job_reply(tx, job.id, reply)?,
        None => idempotency::free_job(tx, job.id)?,
    }
    ended(tx, job.id, balance)
}

/// Takes the whole hold back; what is not charged becomes available again.
fn resolve_hold(tx: &Tx<'_>, job: &Job, kind: LedgerKind, charge: Credits) -> TxResult<Balance> {
    let cause = LedgerCause::Job(job.id);
    let change = Change {
        account: job.account,
        kind,
        cause,
        available: job.price - charge,
        held: -job.price,
    };
    let entry = post(tx, &change)?.ok_or_else(|| StoreError::Corrupt {
        operation: tx.operation,
        what: "balance",
        detail: format!(
            "account {} holds less than the {} credits of job {}",
            job.account, job.price, job.id
        ),
    })?;
    Ok(entry.balance_after)
}

fn store_result(tx: &Tx<'_>, job: JobId, attempt: u32, done: &Completion) -> TxResult<()> {
    let result = &done.result;
    let mask = result.mask.as_ref();
    let candidates = (!result.candidates.is_empty()).then(|| serde_json::json!(result.candidates));
    let json = |field, value| limits::json(tx.operation, field, value);
    let length = |bytes: u64| {
        i64::try_from(bytes)
            .map_err(|_| limits::invalid(tx.operation, "file length", format!("is {bytes} bytes")))
    };
    let mut update = tx.prepare_cached(
        "UPDATE job SET status = 'completed', finished_at_ms = ?3, expires_at_ms = ?4,
                output_name = ?5, output_sha256 = ?6, output_bytes = ?7, output_media_type = ?8,
                mask_name = ?9, mask_sha256 = ?10, mask_bytes = ?11, mask_media_type = ?12,
                output_width = ?13, output_height = ?14, credits = ?15, processing_ms = ?16,
                timings = ?17, models = ?18, device = ?19, warnings = ?20, candidates = ?21
         WHERE id = ?1 AND attempt = ?2 AND status = 'processing'",
    )?;
    let changed = update.execute(params![
        job,
        attempt,
        tx.now_ms,
        tx.now_ms.saturating_add(done.keep_ms),
        result.output.name,
        result.output.sha256,
        length(result.output.bytes)?,
        result.output.media_type,
        mask.map(|file| &file.name),
        mask.map(|file| file.sha256),
        mask.map(|file| length(file.bytes)).transpose()?,
        mask.map(|file| &file.media_type),
        result.width,
        result.height,
        result.credits,
        result.processing_ms,
        json("timings", &result.timings)?,
        json("models", &result.models)?,
        json("device", &result.device)?,
        json("warnings", &result.warnings)?,
        candidates
            .as_ref()
            .map(|list| json("candidates", list))
            .transpose()?,
    ])?;
    one_row(tx, changed)
}

/// The row was read in this transaction, so a conditional update that misses it is a fault, not a race.
fn one_row(tx: &Tx<'_>, changed: usize) -> TxResult<()> {
    if changed == 1 {
        return Ok(());
    }
    let detail = format!("{changed} rows changed where one was to");
    Err(StoreError::Corrupt {
        operation: tx.operation,
        what: "job",
        detail,
    }
    .into())
}

fn ended(tx: &Tx<'_>, job: JobId, balance: Balance) -> TxResult<Ended> {
    let job = job_row::existing(tx, tx.operation, None, job)?;
    Ok(Ended::Now {
        job: Box::new(job),
        balance,
    })
}

fn stale(found: &Job) -> Ended {
    Ended::Stale {
        status: found.status,
        attempt: found.attempt,
    }
}
