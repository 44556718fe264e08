//! Accepting jobs: checks first, then hold, job, entry and idempotency row in the same transaction.

use rusqlite::{Connection, OptionalExtension, params};

use super::accounts::balance;
use super::failure::TxResult;
use super::idempotency::{self, Earlier, Target};
use super::ledger::{Change, post};
use super::{Tx, job_row, keys};
use crate::error::StoreError;
use crate::jobs::{Accept, BatchSlot, Failure, Inquiry, Job, JobStatus, NewJob, QueueLimits};
use crate::ledger::{LedgerCause, LedgerKind};
use crate::{AccountId, Credits, KeyId, limits};

pub(super) fn accept(tx: &Tx<'_>, new: &NewJob, bounds: &QueueLimits) -> TxResult<Accept> {
    if !keys::may_work(tx, new.account, new.key)? {
        return Ok(Accept::KeyRefused);
    }
    if let Some(wish) = &new.idempotency
        && let Some(earlier) = idempotency::look_up(tx, wish)?
    {
        return answer_again(tx, earlier);
    }
    if let Some(full) = full(tx, lane(new.account, new.key), bounds)? {
        return Ok(full);
    }
    check_slot(tx, new.account, new.batch)?;
    if let Some(short) = short(tx, tx.operation, new.account, new.price)? {
        return Ok(short);
    }
    insert(tx, new, JobStatus::Pending, None)?;
    let cause = LedgerCause::Job(new.id);
    let hold = Change {
        account: new.account,
        kind: LedgerKind::Reserve,
        cause,
        available: -new.price,
        held: new.price,
    };
    let entry = post(tx, &hold)?.ok_or(StoreError::UnknownAccount {
        operation: tx.operation,
        account: new.account,
    })?;
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

fn answer_again(tx: &Tx<'_>, earlier: Earlier) -> TxResult<Accept> {
    Ok(match earlier {
        Earlier::OtherRequest
        | Earlier::Running(Target::Batch(_))
        | Earlier::Ended(Target::Batch(_)) => Accept::KeyReused,
        Earlier::Replied(reply) => Accept::Replay(reply),
        Earlier::Running(Target::Job(job)) => Accept::InFlight(job),
        Earlier::Ended(Target::Job(job)) => {
            Accept::Done(Box::new(job_row::existing(tx, tx.operation, None, job)?))
        }
    })
}

/// Who takes turns with others: the key, or minus the account where there is no key.
fn lane(account: AccountId, key: Option<KeyId>) -> i64 {
    key.map_or(-account.0, |key| key.0)
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
    match full(sql, lane(*account, *key), bounds)? {
        Some(full) => Ok(Some(full)),
        None => short(sql, operation, *account, *price),
    }
}

/// Why there is no place in the queue, if so.
fn full(sql: &Connection, lane: i64, bounds: &QueueLimits) -> TxResult<Option<Accept>> {
    let (pending_max, in_flight_max) = (bounds.pending_max, bounds.in_flight_per_key_max);
    if count_pending(sql, pending_max)? >= pending_max {
        return Ok(Some(Accept::QueueFull { pending_max }));
    }
    let many = count_in_flight(sql, lane, in_flight_max)? >= in_flight_max;
    Ok(many.then_some(Accept::TooManyInFlight { in_flight_max }))
}

/// Why the price cannot be held, if so.
fn short(
    sql: &Connection,
    operation: &'static str,
    account: AccountId,
    price: Credits,
) -> TxResult<Option<Accept>> {
    let available = balance(sql, operation, account)?.available;
    Ok((available < price).then_some(Accept::InsufficientCredits { available, price }))
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

/// A slot must lie within a batch of the same account and hold no job that is running or done.
fn check_slot(tx: &Tx<'_>, account: AccountId, slot: Option<BatchSlot>) -> TxResult<()> {
    let Some(BatchSlot { batch, index }) = slot else {
        return Ok(());
    };
    let mut statement = tx.prepare_cached("SELECT account_id, pairs FROM batch WHERE id = ?1")?;
    let found: Option<(AccountId, u32)> = statement
        .query_row([batch], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (owner, pairs) = found.ok_or(StoreError::UnknownBatch {
        operation: tx.operation,
        batch,
    })?;
    if owner != account || index >= pairs {
        let problem = format!(
            "slot {index} of a batch of {pairs} pairs of account {owner} is not one of account {account}"
        );
        return Err(limits::invalid(tx.operation, "batch", problem).into());
    }
    let mut taken = tx.prepare_cached(
        "SELECT 1 FROM job WHERE batch_id = ?1 AND batch_index = ?2 AND status <> 'failed'",
    )?;
    if taken.exists(params![batch, index])? {
        return Err(limits::invalid(
            tx.operation,
            "batch",
            format!("slot {index} has a job that did not fail"),
        )
        .into());
    }
    Ok(())
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
        lane(new.account, new.key),
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
