//! Kept idempotency keys.

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failure::TxResult;
use super::{SqliteStore, Tx};
use crate::error::Result;
use crate::idempotency::{Idempotency, IdempotencyKey, IdempotencyRows, IdempotencyScope, Reply};
use crate::rules::idempotency::{Earlier, KeptKey, Target};
use crate::{BatchId, JobId, UnixMs};

impl IdempotencyRows for SqliteStore {
    fn sweep_idempotency(&self, rows_max: u32) -> Result<u32> {
        self.write("sweeping idempotency keys", |tx| {
            let removed = tx.execute(
                "DELETE FROM idempotency WHERE rowid IN (
                     SELECT kept.rowid FROM idempotency AS kept
                     LEFT JOIN job ON job.id = kept.job_id
                     LEFT JOIN batch ON batch.id = kept.batch_id
                     WHERE kept.expires_at_ms <= ?1
                       AND (kept.reply_status IS NOT NULL OR job.finished_at_ms IS NOT NULL OR batch.answered_at_ms IS NOT NULL
                            OR batch.interrupted = 1)
                     LIMIT ?2)",
                params![tx.now_ms, rows_max],
            )?;
            Ok(u32::try_from(removed).unwrap_or(u32::MAX))
        })
    }

    fn idempotency_expiry(
        &self,
        scope: &IdempotencyScope,
        key: &IdempotencyKey,
    ) -> Result<Option<UnixMs>> {
        self.read("reading an idempotency key", |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT expires_at_ms FROM idempotency WHERE scope = ?1 AND key = ?2",
            )?;
            Ok(statement
                .query_row([scope.to_string().as_str(), key.as_str()], |row| row.get(0))
                .optional()?)
        })
    }
}

/// Whether a key was used before. Its row may have expired.
pub(super) fn is_known(
    sql: &Connection,
    scope: &IdempotencyScope,
    key: &IdempotencyKey,
) -> TxResult<bool> {
    Ok(sql
        .prepare_cached("SELECT 1 FROM idempotency WHERE scope = ?1 AND key = ?2")?
        .exists([scope.to_string().as_str(), key.as_str()])?)
}

/// The earlier use of a key; one that expired and is not running is forgotten here.
pub(super) fn look_up(tx: &Tx<'_>, wish: &Idempotency) -> TxResult<Option<Earlier>> {
    let mut statement = tx.prepare_cached(
        "SELECT kept.*, job.finished_at_ms IS NOT NULL OR batch.answered_at_ms IS NOT NULL AS ended
         FROM idempotency AS kept LEFT JOIN job ON job.id = kept.job_id LEFT JOIN batch ON batch.id = kept.batch_id
         WHERE kept.scope = ?1 AND kept.key = ?2",
    )?;
    let scope = wish.scope.to_string();
    let Some(row) = statement
        .query_row([scope.as_str(), wish.key.as_str()], kept_row)
        .optional()?
    else {
        return Ok(None);
    };
    let earlier = row.earlier(wish, tx.now_ms);
    if earlier.is_none() {
        let mut forget =
            tx.prepare_cached("DELETE FROM idempotency WHERE scope = ?1 AND key = ?2")?;
        forget.execute([scope.as_str(), wish.key.as_str()])?;
    }
    Ok(earlier)
}

/// Notes the use of a key that [`look_up`] found unused.
pub(super) fn insert(tx: &Tx<'_>, wish: &Idempotency, target: Target) -> TxResult<()> {
    let (job, batch) = target.columns();
    let mut insert = tx.prepare_cached(
        "INSERT INTO idempotency (scope, key, request_hash, job_id, batch_id, reply_status, reply_body, created_at_ms, expires_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        wish.scope.to_string(),
        wish.key.as_str(),
        wish.request_hash,
        job,
        batch,
        wish.reply.as_ref().map(|reply| reply.status),
        wish.reply.as_ref().map(|reply| &reply.body),
        tx.now_ms,
        tx.now_ms.saturating_add(wish.keep_ms),
    ])?;
    Ok(())
}

/// Keeps the reply of a job for its key, if it has one that is without reply.
pub(super) fn keep_job_reply(tx: &Tx<'_>, job: JobId, reply: &Reply) -> TxResult<()> {
    let mut update =
        tx.prepare_cached("UPDATE idempotency SET reply_status = ?2, reply_body = ?3 WHERE job_id = ?1 AND reply_status IS NULL")?;
    update.execute(params![job, reply.status, reply.body])?;
    Ok(())
}

/// Keeps the reply of a batch for its key, if it has one that is without reply.
pub(super) fn keep_batch_reply(tx: &Tx<'_>, batch: BatchId, reply: &Reply) -> TxResult<()> {
    let mut update =
        tx.prepare_cached("UPDATE idempotency SET reply_status = ?2, reply_body = ?3 WHERE batch_id = ?1 AND reply_status IS NULL")?;
    update.execute(params![batch, reply.status, reply.body])?;
    Ok(())
}

/// Frees the key of a job that failed, whatever its request was answered at first: the client may try again.
pub(super) fn free_job(tx: &Tx<'_>, job: JobId) -> TxResult<()> {
    tx.prepare_cached("DELETE FROM idempotency WHERE job_id = ?1")?
        .execute([job])?;
    Ok(())
}

fn kept_row(row: &Row<'_>) -> rusqlite::Result<KeptKey> {
    let target = Target::of(row.get("job_id")?, row.get("batch_id")?);
    let status: Option<u16> = row.get("reply_status")?;
    let reply = status
        .map(|status| row.get("reply_body").map(|body| Reply { status, body }))
        .transpose()?;
    Ok(KeptKey {
        request_hash: row.get("request_hash")?,
        target: target.ok_or(FromSqlError::InvalidType)?,
        ended: row.get("ended")?,
        reply,
        expires_at_ms: row.get("expires_at_ms")?,
    })
}
