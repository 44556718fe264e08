//! Accepting jobs: checks first, then hold, job, entry and idempotency row in the same transaction.

use rusqlite::{Connection, OptionalExtension, params};

use super::accounts::balance;
use super::failure::TxResult;
use super::ledger::post;
use super::{Tx, idempotency, job_row, keys};
use crate::error::StoreError;
use crate::jobs::{Accept, BatchSlot, Failure, Inquiry, Job, JobStatus, NewJob, QueueLimits};
use crate::rules::accepting;
use crate::rules::credits::Posting;
use crate::rules::idempotency::Target;
use crate::{AccountId, limits};

pub(super) fn accept(tx: &Tx<'_>, new: &NewJob, bounds: &QueueLimits) -> TxResult<Accept> {
    if !keys::may_work(tx, new.account, new.key)? {
        return Ok(Accept::KeyRefused);
    }
    if let Some(wish) = &new.idempotency
        && let Some(earlier) = idempotency::look_up(tx, wish)?
    {
        return earlier.answer(|job| job_row::existing(tx, tx.operation, None, job));
    }
    if let Some(full) = full(tx, accepting::lane(new.account, new.key), bounds)? {
        return Ok(full);
    }
    check_slot(tx, new.account, new.batch)?;
    let account = balance(tx, tx.operation, new.account)?;
    if let Some(short) = accepting::short(account, new.price) {
        return Ok(short);
    }
    insert(tx, new, JobStatus::Pending, None)?;
    let hold = Posting::hold(new.account, new.id, new.price);
    let entry = post(tx, &hold)?.ok_or_else(|| hold.unknown_account(tx.operation))?;
    if let Some(wish) = &new.idempotency {
        idempotency::insert(tx, wish, Target::Job(new.id))?;
    }
    let job = job_row::existing(tx, tx.operation, None, new.id)?;
    Ok(Accept::Accepted {
        job: Box::new(job),
        balance: entry.balance_after,
    })
}

pub(super) fn record_failed(tx: &Tx<'_>, new: &NewJob, failure: &Failure) -> TxResult<Job> {
    keys::may_work(tx, new.account, new.key)?;
    check_slot(tx, new.account, new.batch)?;
    balance(tx, tx.operation, new.account)?;
    insert(tx, new, JobStatus::Failed, Some(failure))?;
    job_row::existing(tx, tx.operation, None, new.id)
}

/// What of [`accept`] does not depend on the rest of the request.
pub(super) fn foresee(
    sql: &Connection,
    operation: &'static str,
    inquiry: &Inquiry,
    bounds: &QueueLimits,
) -> TxResult<Option<Accept>> {
    let Inquiry {
        account,
        key,
        price,
        idempotency,
    } = inquiry;
    if let Some((scope, text)) = idempotency
        && idempotency::is_known(sql, scope, text)?
    {
        return Ok(None);
    }
    match full(sql, accepting::lane(*account, *key), bounds)? {
        Some(full) => Ok(Some(full)),
        None => Ok(accepting::short(balance(sql, operation, *account)?, *price)),
    }
}

/// Why there is no place in the queue, if so.
fn full(sql: &Connection, lane: i64, bounds: &QueueLimits) -> TxResult<Option<Accept>> {
    let pending = count_pending(sql, bounds.pending_max)?;
    let in_flight = count_in_flight(sql, lane, bounds.in_flight_per_key_max)?;
    Ok(accepting::full(bounds, pending, in_flight))
}

fn count_pending(sql: &Connection, enough: u32) -> TxResult<u32> {
    let mut count = sql.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'pending' LIMIT ?1)",
    )?;
    Ok(count.query_row([enough], |row| row.get(0))?)
}

fn count_in_flight(sql: &Connection, lane: i64, enough: u32) -> TxResult<u32> {
    let mut count =
        sql.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM job WHERE lane = ?1 AND status IN ('pending', 'processing') LIMIT ?2)")?;
    Ok(count.query_row([lane, i64::from(enough)], |row| row.get(0))?)
}

fn check_slot(tx: &Tx<'_>, account: AccountId, slot: Option<BatchSlot>) -> TxResult<()> {
    let Some(slot) = slot else { return Ok(()) };
    let BatchSlot { batch, index } = slot;
    let mut statement = tx.prepare_cached("SELECT account_id, pairs FROM batch WHERE id = ?1")?;
    let found: Option<(AccountId, u32)> = statement
        .query_row([batch], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let operation = tx.operation;
    let found = found.ok_or(StoreError::UnknownBatch { operation, batch })?;
    let mut taken = tx.prepare_cached(
        "SELECT 1 FROM job WHERE batch_id = ?1 AND batch_index = ?2 AND status <> 'failed'",
    )?;
    let taken = taken.exists(params![batch, index])?;
    Ok(accepting::slot(operation, slot, found, account, taken)?)
}

fn insert(tx: &Tx<'_>, new: &NewJob, status: JobStatus, failure: Option<&Failure>) -> TxResult<()> {
    let failure = failure.map(limits::failure);
    let request = limits::json(tx.operation, "request", &new.request)?;
    // A lane's n-th waiting job stands beside the n-th of every other lane, counted from the job claimed last.
    let mut insert = tx.prepare_cached(
        "INSERT INTO job (id, account_id, key_id, batch_id, batch_index, service, pipeline, asynchronous, status, price, reserved,
                          lane, turn, input_filename, original_width, original_height, request, created_at_ms,
                          finished_at_ms, error_code, error_detail, origin)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 1 + max((SELECT turn FROM queue),
                         coalesce((SELECT max(turn) FROM job WHERE lane = ?12 AND status IN ('pending', 'processing')), 0)),
                 ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
    )?;
    insert.execute(params![
        new.id,
        new.account,
        new.key,
        new.batch.map(|slot| slot.batch),
        new.batch.map(|slot| slot.index),
        new.service,
        new.pipeline,
        new.asynchronous,
        status,
        new.price,
        failure.is_none(),
        accepting::lane(new.account, new.key),
        new.input_filename,
        new.original_width,
        new.original_height,
        request,
        tx.now_ms,
        status.is_final().then_some(tx.now_ms),
        failure.as_ref().map(|(code, _)| code),
        failure.as_ref().map(|(_, detail)| detail),
        new.origin,
    ])?;
    Ok(())
}
