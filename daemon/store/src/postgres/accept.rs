//! Accepting jobs: checks first, then hold, job, entry and idempotency row in the same transaction.
//!
//! The account is locked first, so that its credits, its jobs in flight and its idempotency keys stay as they are found. Only
//! the number of all pending jobs is not: it may be exceeded by as many calls as arrive in the same instant.

use super::accounts::{balance, locked};
use super::convert::{Text, column, natural};
use super::failure::PgResult;
use super::idempotency::{self, EarlierUse, Purpose};
use super::job_row::{self, job_columns, job_row};
use super::keys;
use super::ledger::{Posting, post};
use super::session::Sql;
use crate::accounts::Balance;
use crate::error::StoreError;
use crate::jobs::{Accept, BatchSlot, Failure, Inquiry, Job, JobStatus, NewJob, QueueLimits};
use crate::ledger::{LedgerCause, LedgerKind};
use crate::{AccountId, Credits, KeyId, limits};

pub(super) fn accept(sql: &Sql<'_>, new: &NewJob, bounds: &QueueLimits) -> PgResult<Accept> {
    let account = locked(sql, new.account)?;
    if !keys::may_work(sql, new.account, new.key)? {
        return Ok(Accept::KeyRefused);
    }
    if let Some(wish) = &new.idempotency
        && let Some(earlier) = idempotency::look_up(sql, wish)?
    {
        return answer_again(sql, earlier);
    }
    if let Some(full) = full(sql, lane(new.account, new.key), bounds)? {
        return Ok(full);
    }
    check_slot(sql, new.account, new.batch)?;
    if let Some(short) = short(account, new.price) {
        return Ok(short);
    }
    let job = insert(sql, new, JobStatus::Pending, None)?;
    let hold = Posting {
        account: new.account,
        kind: LedgerKind::Reserve,
        cause: LedgerCause::Job(new.id),
        available: -new.price,
        held: new.price,
    };
    let entry = post(sql, &hold)?.ok_or(StoreError::UnknownAccount {
        operation: sql.operation,
        account: new.account,
    })?;
    if let Some(wish) = &new.idempotency {
        idempotency::insert(sql, wish, Purpose::Job(new.id))?;
    }
    Ok(Accept::Accepted {
        job: Box::new(job),
        balance: entry.balance_after,
    })
}

pub(super) fn record_failed(sql: &Sql<'_>, new: &NewJob, failure: &Failure) -> PgResult<Job> {
    balance(sql, new.account)?;
    keys::may_work(sql, new.account, new.key)?;
    check_slot(sql, new.account, new.batch)?;
    insert(sql, new, JobStatus::Failed, Some(failure))
}

fn answer_again(sql: &Sql<'_>, earlier: EarlierUse) -> PgResult<Accept> {
    Ok(match earlier {
        EarlierUse::OtherRequest
        | EarlierUse::Running(Purpose::Batch(_))
        | EarlierUse::Ended(Purpose::Batch(_)) => Accept::KeyReused,
        EarlierUse::Replied(reply) => Accept::Replay(reply),
        EarlierUse::Running(Purpose::Job(job)) => Accept::InFlight(job),
        EarlierUse::Ended(Purpose::Job(job)) => {
            Accept::Done(Box::new(job_row::existing(sql, job)?))
        }
    })
}

/// Who takes turns with others: the key, or minus the account where there is no key.
fn lane(account: AccountId, key: Option<KeyId>) -> i64 {
    key.map_or(-account.0, |key| key.0)
}

/// What of [`accept`] does not depend on the rest of the request.
pub(super) fn foresee(
    sql: &Sql<'_>,
    inquiry: &Inquiry,
    bounds: &QueueLimits,
) -> PgResult<Option<Accept>> {
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
        None => Ok(short(balance(sql, *account)?, *price)),
    }
}

/// Why there is no place in the queue, if so.
fn full(sql: &Sql<'_>, lane: i64, bounds: &QueueLimits) -> PgResult<Option<Accept>> {
    let (pending_max, in_flight_max) = (bounds.pending_max, bounds.in_flight_per_key_max);
    let row = sql.one(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'pending' LIMIT $2) AS few) AS pending,
                (SELECT count(*) FROM (SELECT 1 FROM job WHERE lane = $1 AND status IN ('pending', 'processing') LIMIT $3) AS few)
                    AS in_flight",
        &[&lane, &i64::from(pending_max), &i64::from(in_flight_max)],
    )?;
    if column::<i64>(&row, "pending")? >= i64::from(pending_max) {
        return Ok(Some(Accept::QueueFull { pending_max }));
    }
    let many = column::<i64>(&row, "in_flight")? >= i64::from(in_flight_max);
    Ok(many.then_some(Accept::TooManyInFlight { in_flight_max }))
}

/// Why the price cannot be held, if so.
fn short(account: Balance, price: Credits) -> Option<Accept> {
    let available = account.available;
    (available < price).then_some(Accept::InsufficientCredits { available, price })
}

/// A slot must lie within a batch of the same account and hold no job that is running or done.
fn check_slot(sql: &Sql<'_>, account: AccountId, slot: Option<BatchSlot>) -> PgResult<()> {
    let Some(BatchSlot { batch, index }) = slot else {
        return Ok(());
    };
    let operation = sql.operation;
    let found = sql.optional(
        "SELECT account_id, pairs FROM batch WHERE id = $1",
        &[&batch],
    )?;
    let found = found.ok_or(StoreError::UnknownBatch { operation, batch })?;
    let owner: AccountId = column(&found, "account_id")?;
    let pairs: u32 = natural(&found, "pairs")?;
    if owner != account || index >= pairs {
        let problem = format!(
            "slot {index} of a batch of {pairs} pairs of account {owner} is not one of account {account}"
        );
        return Err(limits::invalid(operation, "batch", problem).into());
    }
    let taken = sql.exists(
        "SELECT 1 FROM job WHERE batch_id = $1 AND batch_index = $2 AND status <> 'failed'",
        &[&batch, &i64::from(index)],
    )?;
    if taken {
        let problem = format!("slot {index} has a job that did not fail");
        return Err(limits::invalid(operation, "batch", problem).into());
    }
    Ok(())
}

fn insert(
    sql: &Sql<'_>,
    new: &NewJob,
    status: JobStatus,
    failure: Option<&Failure>,
) -> PgResult<Job> {
    let failure = failure.map(limits::failure);
    let request = limits::json(sql.operation, "request", &new.request)?;
    let webhook = new
        .request
        .pointer("/webhook/url")
        .and_then(|url| url.as_str());
    // A lane's n-th waiting job stands beside the n-th of every other lane, counted from the place where the queue is: that of
    // the furthest job under way, or just before the first one that waits. No row has to be written for it at every claim.
    let row = sql.one(
        concat!(
            "INSERT INTO job (id, account_id, key_id, batch_id, batch_index, service, pipeline, asynchronous, status, price, reserved,
                              lane, turn, input_filename, original_width, original_height, request, webhook_url, created_at_ms,
                              finished_at_ms, error_code, error_detail, origin, changed_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
                     1 + greatest((SELECT max(turn) FROM job WHERE status = 'processing'),
                                  (SELECT min(turn) - 1 FROM job WHERE status = 'pending'),
                                  (SELECT max(turn) FROM job WHERE lane = $12 AND status IN ('pending', 'processing')), 0),
                     $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, 0)
             RETURNING ", job_columns!()
        ),
        &[
            &new.id,
            &new.account,
            &new.key,
            &new.batch.map(|slot| slot.batch),
            &new.batch.map(|slot| i64::from(slot.index)),
            &Text(&new.service),
            &Text(&new.pipeline),
            &new.asynchronous,
            &status,
            &new.price,
            &failure.is_none(),
            &lane(new.account, new.key),
            &new.input_filename.as_deref().map(Text),
            &i64::from(new.original_width),
            &i64::from(new.original_height),
            &request,
            &webhook,
            &sql.now_ms,
            &status.is_final().then_some(sql.now_ms),
            &failure.as_ref().map(|(code, _)| Text(code)),
            &failure.as_ref().map(|(_, detail)| Text(detail)),
            &Text(&new.origin),
        ],
    )?;
    job_row(&row)
}
