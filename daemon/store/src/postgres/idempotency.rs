//! Kept idempotency keys.

use postgres::Row;

use super::PgStore;
use super::convert::{column, corrupt, hash, natural_if_any};
use super::failure::PgResult;
use super::session::Sql;
use crate::error::Result;
use crate::idempotency::{Idempotency, IdempotencyKey, IdempotencyRows, IdempotencyScope, Reply};
use crate::rules::idempotency::{Earlier, KeptKey, Target};
use crate::{BatchId, JobId, UnixMs};

impl IdempotencyRows for PgStore {
    fn sweep_idempotency(&self, rows_max: u32) -> Result<u32> {
        self.write("sweeping idempotency keys", |sql| {
            let removed = sql.execute(
                "DELETE FROM idempotency AS old USING (
                     SELECT kept.scope, kept.key FROM idempotency AS kept
                     LEFT JOIN job ON job.id = kept.job_id
                     LEFT JOIN batch ON batch.id = kept.batch_id
                     WHERE kept.expires_at_ms <= $1
                       AND (kept.reply_status IS NOT NULL OR job.finished_at_ms IS NOT NULL OR batch.answered_at_ms IS NOT NULL
                            OR batch.interrupted)
                     LIMIT $2 FOR UPDATE OF kept SKIP LOCKED) AS gone
                 WHERE old.scope = gone.scope AND old.key = gone.key",
                &[&sql.now_ms, &i64::from(rows_max)],
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
            let row = sql.optional(
                "SELECT expires_at_ms FROM idempotency WHERE scope = $1 AND key = $2",
                &[&scope.to_string(), &key.as_str()],
            )?;
            row.as_ref()
                .map(|row| column(row, "expires_at_ms"))
                .transpose()
        })
    }
}

/// Whether a key was used before. Its row may have expired.
pub(super) fn is_known(
    sql: &Sql<'_>,
    scope: &IdempotencyScope,
    key: &IdempotencyKey,
) -> PgResult<bool> {
    sql.exists(
        "SELECT 1 FROM idempotency WHERE scope = $1 AND key = $2",
        &[&scope.to_string(), &key.as_str()],
    )
}

/// The earlier use of a key; one that expired and is not running is forgotten here.
pub(super) fn look_up(sql: &Sql<'_>, wish: &Idempotency) -> PgResult<Option<Earlier>> {
    let scope = wish.scope.to_string();
    let row = sql.optional(
        "SELECT kept.request_hash, kept.job_id, kept.batch_id, kept.reply_status, kept.reply_body, kept.expires_at_ms,
                job.finished_at_ms IS NOT NULL OR batch.answered_at_ms IS NOT NULL AS ended
         FROM idempotency AS kept LEFT JOIN job ON job.id = kept.job_id LEFT JOIN batch ON batch.id = kept.batch_id
         WHERE kept.scope = $1 AND kept.key = $2",
        &[&scope, &wish.key.as_str()],
    )?;
    let Some(row) = row else { return Ok(None) };
    let earlier = kept_key(&row)?.earlier(wish, sql.now_ms);
    if earlier.is_none() {
        sql.execute(
            "DELETE FROM idempotency WHERE scope = $1 AND key = $2",
            &[&scope, &wish.key.as_str()],
        )?;
    }
    Ok(earlier)
}

/// Notes the use of a key that [`look_up`] found unused.
pub(super) fn insert(sql: &Sql<'_>, wish: &Idempotency, target: Target) -> PgResult<()> {
    let (job, batch) = target.columns();
    let reply = wish.reply.as_ref();
    sql.execute(
        "INSERT INTO idempotency (scope, key, request_hash, job_id, batch_id, reply_status, reply_body, created_at_ms, expires_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &wish.scope.to_string(),
            &wish.key.as_str(),
            &wish.request_hash.as_slice(),
            &job,
            &batch,
            &reply.map(|reply| i64::from(reply.status)),
            &reply.map(|reply| reply.body.as_slice()),
            &sql.now_ms,
            &sql.now_ms.saturating_add(wish.keep_ms),
        ],
    )?;
    Ok(())
}

/// Keeps the reply of a job for its key, if it has one that is without reply.
pub(super) fn keep_job_reply(sql: &Sql<'_>, job: JobId, reply: &Reply) -> PgResult<()> {
    sql.execute(
        "UPDATE idempotency SET reply_status = $2, reply_body = $3 WHERE job_id = $1 AND reply_status IS NULL",
        &[&job, &i64::from(reply.status), &reply.body],
    )?;
    Ok(())
}

/// Keeps the reply of a batch for its key, if it has one that is without reply.
pub(super) fn keep_batch_reply(sql: &Sql<'_>, batch: BatchId, reply: &Reply) -> PgResult<()> {
    sql.execute(
        "UPDATE idempotency SET reply_status = $2, reply_body = $3 WHERE batch_id = $1 AND reply_status IS NULL",
        &[&batch, &i64::from(reply.status), &reply.body],
    )?;
    Ok(())
}

/// Frees the key of a job that failed, whatever its request was answered at first: the client may try again.
pub(super) fn free_job(sql: &Sql<'_>, job: JobId) -> PgResult<()> {
    sql.execute("DELETE FROM idempotency WHERE job_id = $1", &[&job])?;
    Ok(())
}

fn kept_key(row: &Row) -> PgResult<KeptKey> {
    let target = Target::of(column(row, "job_id")?, column(row, "batch_id")?);
    let status = natural_if_any(row, "reply_status")?;
    let reply = status.map(|status| column(row, "reply_body").map(|body| Reply { status, body }));
    Ok(KeptKey {
        request_hash: hash(row, "request_hash")?,
        target: target.ok_or_else(|| {
            let both = "it stands for both a job and a batch, or for none";
            corrupt("idempotency key", both)
        })?,
        ended: column(row, "ended")?,
        reply: reply.transpose()?,
        expires_at_ms: column(row, "expires_at_ms")?,
    })
}
