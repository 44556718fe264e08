//! Batches.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::accounts::balance;
use super::failure::TxResult;
use super::job_row::job_row;
use super::{SqliteStore, Tx, idempotency, keys};
use crate::batches::{BATCH_PAIRS_MAX, Batch, BatchStart, Batches, NewBatch};
use crate::error::{Result, StoreError};
use crate::jobs::Job;
use crate::rules::idempotency::{Earlier, Target};
use crate::{AccountId, BatchId, LEASE_MS_MAX, Reply, limits};

impl Batches for SqliteStore {
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
        self.write(OPERATION, |tx| start(tx, new))
    }

    fn answer_batch(&self, batch: BatchId, reply: Option<&Reply>) -> Result<()> {
        const OPERATION: &str = "answering a batch";
        reply.map_or(Ok(()), |reply| limits::reply(OPERATION, reply))?;
        self.write(OPERATION, |tx| {
            existing(tx, batch)?;
            tx.execute(
                "UPDATE batch SET answered_at_ms = coalesce(answered_at_ms, ?2), interrupted = 0 WHERE id = ?1",
                params![batch, tx.now_ms],
            )?;
            reply.map_or(Ok(()), |reply| idempotency::keep_batch_reply(tx, batch, reply))
        })
    }

    fn interrupt_batch(&self, batch: BatchId) -> Result<()> {
        self.write("interrupting a batch", |tx| {
            existing(tx, batch)?;
            tx.execute(
                "UPDATE batch SET interrupted = 1 WHERE id = ?1 AND answered_at_ms IS NULL",
                [batch],
            )?;
            Ok(())
        })
    }

    fn discard_batch(&self, batch: BatchId) -> Result<bool> {
        self.write("discarding a batch", |tx| {
            existing(tx, batch)?;
            let removed = tx.execute("DELETE FROM batch WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM job WHERE batch_id = ?1)", [batch])?;
            Ok(removed == 1)
        })
    }

    fn batch(&self, account: Option<AccountId>, batch: BatchId) -> Result<Option<Batch>> {
        let found = self.read("reading a batch", |sql| find(sql, batch))?;
        Ok(found.filter(|found| account.is_none_or(|account| found.account == account)))
    }

    fn batch_jobs(&self, batch: BatchId) -> Result<Vec<Job>> {
        self.read("reading the jobs of a batch", |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT * FROM job WHERE batch_id = ?1
                 AND seq IN (SELECT max(seq) FROM job WHERE batch_id = ?1 GROUP BY batch_index) ORDER BY batch_index",
            )?;
            let rows = statement.query_map([batch], job_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn start(tx: &Tx<'_>, new: &NewBatch) -> TxResult<BatchStart> {
    if !keys::may_work(tx, new.account, new.key)? {
        return Ok(BatchStart::KeyRefused);
    }
    if let Some(wish) = &new.idempotency
        && let Some(earlier) = idempotency::look_up(tx, wish)?
    {
        return answer_again(tx, earlier, &new.origin);
    }
    balance(tx, tx.operation, new.account)?;
    tx.execute(
        "INSERT INTO batch (id, account_id, key_id, pairs, asynchronous, created_at_ms, origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![new.id, new.account, new.key, new.pairs, new.asynchronous, tx.now_ms, new.origin],
    )?;
    if let Some(wish) = &new.idempotency {
        idempotency::insert(tx, wish, Target::Batch(new.id))?;
    }
    Ok(BatchStart::Started(existing(tx, new.id)?))
}

fn answer_again(tx: &Tx<'_>, earlier: Earlier, origin: &str) -> TxResult<BatchStart> {
    Ok(match earlier {
        Earlier::OtherRequest
        | Earlier::Running(Target::Job(_))
        | Earlier::Ended(Target::Job(_)) => BatchStart::KeyReused,
        Earlier::Replied(reply) => BatchStart::Replay(reply),
        Earlier::Ended(Target::Batch(batch)) => BatchStart::Done(existing(tx, batch)?),
        Earlier::Running(Target::Batch(batch)) => {
            if resume(tx, batch, origin)? {
                BatchStart::Resumed(existing(tx, batch)?)
            } else {
                BatchStart::InFlight(batch)
            }
        }
    })
}

/// Goes on with a batch whose request was cut short, or whose process gives no sign of life; `false` while its request is under way.
fn resume(tx: &Tx<'_>, batch: BatchId, origin: &str) -> TxResult<bool> {
    let mut resume = tx.prepare_cached(
        "UPDATE batch SET interrupted = 0, origin = ?2 WHERE id = ?1 AND (interrupted = 1 OR NOT EXISTS (
             SELECT 1 FROM worker WHERE name = batch.origin AND until_ms > ?3 AND until_ms <= ?3 + ?4))",
    )?;
    Ok(resume.execute(params![batch, origin, tx.run_ms, LEASE_MS_MAX])? == 1)
}

fn existing(tx: &Tx<'_>, batch: BatchId) -> TxResult<Batch> {
    Ok(find(tx, batch)?.ok_or(StoreError::UnknownBatch {
        operation: tx.operation,
        batch,
    })?)
}

fn find(sql: &Connection, batch: BatchId) -> TxResult<Option<Batch>> {
    Ok(sql
        .prepare_cached("SELECT * FROM batch WHERE id = ?1")?
        .query_row([batch], batch_row)
        .optional()?)
}

fn batch_row(row: &Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        id: row.get("id")?,
        account: row.get("account_id")?,
        key: row.get("key_id")?,
        pairs: row.get("pairs")?,
        asynchronous: row.get("asynchronous")?,
        created_at_ms: row.get("created_at_ms")?,
        answered_at_ms: row.get("answered_at_ms")?,
        interrupted: row.get("interrupted")?,
    })
}
