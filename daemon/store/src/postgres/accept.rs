//! Accepting jobs: checks first, then hold, job, entry and idempotency row in the same transaction.
//!
//! The account is locked first, so that its credits, its jobs in flight and its idempotency keys stay as they are found. Only
//! the number of all pending jobs is not: it may be exceeded by as many calls as arrive in the same instant.

use super::accounts::{balance, locked};
use super::convert::{Text, column, natural};
use super::failure::PgResult;
use super::job_row::{self, job_columns, job_row};
use super::ledger::post;
use super::session::Sql;
use super::{idempotency, keys};
use crate::error::StoreError;
use crate::jobs::{Accept, BatchSlot, Failure, Inquiry, Job, JobStatus, NewJob, QueueLimits};
use crate::rules::accepting;
use crate::rules::credits::Posting;
use crate::rules::idempotency::Target;
use crate::{AccountId, limits};

pub(super) fn accept(sql: &Sql<'_>, new: &NewJob, bounds: &QueueLimits) -> PgResult<Accept> {
    let account = locked(sql, new.account)?;
    if !keys::may_work(sql, new.account, new.key)? {
        return Ok(Accept::KeyRefused);
    }
    if let Some(wish) = &new.idempotency
        && let Some(earlier) = idempotency::look_up(sql, wish)?
    {
        return earlier.answer(|job| job_row::existing(sql, job));
    }
    if let Some(full) = full(sql, accepting::lane(new.account, new.key), bounds)? {
        return Ok(full);
    }
    check_slot(sql, new.account, new.batch)?;
    if let Some(short) = accepting::short(account, new.price) {
        return Ok(short);
    }
    let job = insert(sql, new, JobStatus::Pending, None)?;
    let hold = Posting::hold(new.account, new.id, new.price);
    let entry = post(sql, &hold)?.ok_or_else(|| hold.unknown_account(sql.operation))?;
    if let Some(wish) = &new.idempotency {
        idempotency::insert(sql, wish, Target::Job(new.id))?;
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
    match full(sql, accepting::lane(*account, *key), bounds)? {
        Some(full) => Ok(Some(full)),
        None => Ok(accepting::short(balance(sql, *account)?, *price)),
    }
}

/// Why there is no place in the queue, if so.
fn full(sql: &Sql<'_>, lane: i64, bounds: &QueueLimits) -> PgResult<Option<Accept>> {
    let row = sql.one(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'pending' LIMIT $2) AS few) AS pending,
                (SELECT count(*) FROM (SELECT 1 FROM job WHERE lane = $1 AND status IN ('pending', 'processing') LIMIT $3) AS few)
                    AS in_flight",
        &[
            &lane,
            &i64::from(bounds.pending_max),
            &i64::from(bounds.in_flight_per_key_max),
        ],
    )?;
    let (pending, in_flight) = (natural(&row, "pending")?, natural(&row, "in_flight")?);
    Ok(accepting::full(bounds, pending, in_flight))
}

fn check_slot(sql: &Sql<'_>, account: AccountId, slot: Option<BatchSlot>) -> PgResult<()> {
    let Some(slot) = slot else { return Ok(()) };
    let BatchSlot { batch, index } = slot;
    let operation = sql.operation;
    let found = sql.optional(
        "SELECT account_id, pairs FROM batch WHERE id = $1",
        &[&batch],
    )?;
    let found = found.ok_or(StoreError::UnknownBatch { operation, batch })?;
    let found = (column(&found, "account_id")?, natural(&found, "pairs")?);
    let taken = sql.exists(
        "SELECT 1 FROM job WHERE batch_id = $1 AND batch_index = $2 AND status <> 'failed'",
        &[&batch, &i64::from(index)],
    )?;
    Ok(accepting::slot(operation, slot, found, account, taken)?)
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
            &accepting::lane(new.account, new.key),
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
