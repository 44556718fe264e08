//! Batches.

use postgres::Row;

use super::accounts::locked;
use super::convert::{Text, column, natural};
use super::failure::PgResult;
use super::job_row::{job_columns, job_row};
use super::session::Sql;
use super::{PgStore, idempotency, keys};
use crate::batches::{BATCH_PAIRS_MAX, Batch, BatchStart, Batches, NewBatch};
use crate::error::{Result, StoreError};
use crate::jobs::Job;
use crate::rules::idempotency::{Earlier, Target};
use crate::{AccountId, BatchId, LEASE_MS_MAX, Reply, limits};

/// The columns of a batch that are read.
macro_rules! batch_columns {
    () => {
        "id, account_id, key_id, pairs, asynchronous, created_at_ms, answered_at_ms, interrupted"
    };
}

impl Batches for PgStore {
    fn start_batch(&self, new: &NewBatch) -> Result<BatchStart> {
        const OPERATION: &str = "starting a batch";
        if !(1..=BATCH_PAIRS_MAX).contains(&new.pairs) {
            return Err(limits::invalid(
                OPERATION,
                "pairs",
                format!("is {}, 1 to {BATCH_PAIRS_MAX} are allowed", new.pairs),
            ));
        }
        limits::text(OPERATION, "origin", &new.origin, 100)?;
        new.idempotency
            .as_ref()
            .map_or(Ok(()), |wish| limits::idempotency(OPERATION, wish))?;
        self.write(OPERATION, |sql| start(sql, new))
    }

    fn answer_batch(&self, batch: BatchId, reply: Option<&Reply>) -> Result<()> {
        const OPERATION: &str = "answering a batch";
        reply.map_or(Ok(()), |reply| limits::reply(OPERATION, reply))?;
        self.write(OPERATION, |sql| {
            let changed = sql.execute(
                "UPDATE batch SET answered_at_ms = coalesce(answered_at_ms, $2), interrupted = false WHERE id = $1",
                &[&batch, &sql.now_ms],
            )?;
            if changed == 0 {
                return Err(unknown(sql, batch));
            }
            reply.map_or(Ok(()), |reply| idempotency::keep_batch_reply(sql, batch, reply))
        })
    }

    fn interrupt_batch(&self, batch: BatchId) -> Result<()> {
        self.write("interrupting a batch", |sql| {
            existing(sql, batch)?;
            sql.execute(
                "UPDATE batch SET interrupted = true WHERE id = $1 AND answered_at_ms IS NULL",
                &[&batch],
            )?;
            Ok(())
        })
    }

    fn discard_batch(&self, batch: BatchId) -> Result<bool> {
        self.write("discarding a batch", |sql| {
            existing(sql, batch)?;
            // No job can join it in between: that would need the row that is locked now.
            sql.one("SELECT 1 AS one FROM batch WHERE id = $1 FOR UPDATE", &[&batch])?;
            let removed = sql.execute(
                "DELETE FROM batch WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM job WHERE batch_id = $1)",
                &[&batch],
            )?;
            Ok(removed == 1)
        })
    }

    fn batch(&self, account: Option<AccountId>, batch: BatchId) -> Result<Option<Batch>> {
        let found = self.read("reading a batch", |sql| find(sql, batch))?;
        Ok(found.filter(|found| account.is_none_or(|account| found.account == account)))
    }

    fn batch_jobs(&self, batch: BatchId) -> Result<Vec<Job>> {
        self.read("reading the jobs of a batch", |sql| {
            let rows = sql.all(
                concat!(
                    "SELECT ", job_columns!(), " FROM job WHERE batch_id = $1
                     AND seq IN (SELECT max(seq) FROM job WHERE batch_id = $1 GROUP BY batch_index) ORDER BY batch_index"
                ),
                &[&batch],
            )?;
            rows.iter().map(job_row).collect()
        })
    }
}

fn start(sql: &Sql<'_>, new: &NewBatch) -> PgResult<BatchStart> {
    locked(sql, new.account)?;
    if !keys::may_work(sql, new.account, new.key)? {
        return Ok(BatchStart::KeyRefused);
    }
    if let Some(wish) = &new.idempotency
        && let Some(earlier) = idempotency::look_up(sql, wish)?
    {
        return answer_again(sql, earlier, &new.origin);
    }
    let row = sql.one(
        concat!(
            "INSERT INTO batch (id, account_id, key_id, pairs, asynchronous, created_at_ms, origin) VALUES ($1, $2, $3, $4, $5, $6, $7)
             RETURNING ", batch_columns!()
        ),
        &[&new.id, &new.account, &new.key, &i64::from(new.pairs), &new.asynchronous, &sql.now_ms, &Text(&new.origin)],
    )?;
    if let Some(wish) = &new.idempotency {
        idempotency::insert(sql, wish, Target::Batch(new.id))?;
    }
    Ok(BatchStart::Started(batch_row(&row)?))
}

fn answer_again(sql: &Sql<'_>, earlier: Earlier, origin: &str) -> PgResult<BatchStart> {
    Ok(match earlier {
        Earlier::OtherRequest
        | Earlier::Running(Target::Job(_))
        | Earlier::Ended(Target::Job(_)) => BatchStart::KeyReused,
        Earlier::Replied(reply) => BatchStart::Replay(reply),
        Earlier::Ended(Target::Batch(batch)) => BatchStart::Done(existing(sql, batch)?),
        Earlier::Running(Target::Batch(batch)) => {
            if resume(sql, batch, origin)? {
                BatchStart::Resumed(existing(sql, batch)?)
            } else {
                BatchStart::InFlight(batch)
            }
        }
    })
}

/// Goes on with a batch whose request was cut short, or whose process gives no sign of life; `false` while its request is under way.
fn resume(sql: &Sql<'_>, batch: BatchId, origin: &str) -> PgResult<bool> {
    let resumed = sql.execute(
        "UPDATE batch SET interrupted = false, origin = $2 WHERE id = $1 AND (interrupted OR NOT EXISTS (
             SELECT 1 FROM worker WHERE name = batch.origin AND until_ms > $3 AND until_ms <= $3 + $4))",
        &[&batch, &Text(origin), &sql.run_ms, &LEASE_MS_MAX],
    )?;
    Ok(resumed == 1)
}

fn existing(sql: &Sql<'_>, batch: BatchId) -> PgResult<Batch> {
    find(sql, batch)?.ok_or_else(|| unknown(sql, batch))
}

fn unknown(sql: &Sql<'_>, batch: BatchId) -> super::failure::PgError {
    StoreError::UnknownBatch {
        operation: sql.operation,
        batch,
    }
    .into()
}

fn find(sql: &Sql<'_>, batch: BatchId) -> PgResult<Option<Batch>> {
    let row = sql.optional(
        concat!("SELECT ", batch_columns!(), " FROM batch WHERE id = $1"),
        &[&batch],
    )?;
    row.as_ref().map(batch_row).transpose()
}

fn batch_row(row: &Row) -> PgResult<Batch> {
    Ok(Batch {
        id: column(row, "id")?,
        account: column(row, "account_id")?,
        key: column(row, "key_id")?,
        pairs: natural(row, "pairs")?,
        asynchronous: column(row, "asynchronous")?,
        created_at_ms: column(row, "created_at_ms")?,
        answered_at_ms: column(row, "answered_at_ms")?,
        interrupted: column(row, "interrupted")?,
    })
}
