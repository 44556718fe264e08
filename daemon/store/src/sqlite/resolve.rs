//! Ending jobs: the state and the hold change in one transaction, once.

use rusqlite::params;

use super::failure::TxResult;
use super::ledger::post;
use super::{Tx, idempotency, job_row};
use crate::error::StoreError;
use crate::jobs::{Completion, Ended, Failure, Job};
use crate::ledger::LedgerKind;
use crate::rules::credits::Posting;
use crate::rules::ending::{self, StoredResult};
use crate::{AccountId, Balance, Credits, JobId, Reply, limits};

pub(super) fn finish(tx: &Tx<'_>, job: JobId, attempt: u32, done: &Completion) -> TxResult<Ended> {
    let found = job_row::existing(tx, tx.operation, None, job)?;
    if let Some(refused) = ending::refused(&found, attempt) {
        return Ok(refused);
    }
    let charge = ending::charge(tx.operation, &found, done)?;
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
    if let Some(refused) = ending::refused(&found, attempt) {
        return Ok(refused);
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
        return Ok(ending::stale(&found));
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
    let timings = ending::timings(tx.operation, failure)?;
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
    let posting = Posting::resolve(job.account, job.id, job.price, kind, charge);
    let entry = post(tx, &posting)?.ok_or_else(|| posting.not_held(tx.operation))?;
    Ok(entry.balance_after)
}

fn store_result(tx: &Tx<'_>, job: JobId, attempt: u32, done: &Completion) -> TxResult<()> {
    let result = &done.result;
    let mask = result.mask.as_ref();
    let stored = StoredResult::of(tx.operation, result)?;
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
        stored.output_bytes,
        result.output.media_type,
        mask.map(|file| &file.name),
        mask.map(|file| file.sha256),
        stored.mask_bytes,
        mask.map(|file| &file.media_type),
        result.width,
        result.height,
        result.credits,
        result.processing_ms,
        stored.timings,
        stored.models,
        stored.device,
        stored.warnings,
        stored.candidates,
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
