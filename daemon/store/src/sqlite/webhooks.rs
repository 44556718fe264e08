//! Webhooks.

use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use super::job_row::job_row;
use crate::error::Result;
use crate::webhooks::{DueWebhook, WebhookState, Webhooks};
use crate::{JobId, LEASE_MS_MAX, limits};

impl Webhooks for SqliteStore {
    fn due_webhooks(&self, per_account_max: u32, rows_max: u32) -> Result<Vec<DueWebhook>> {
        let run_ms = self.run_ms();
        self.read("listing webhooks", |sql| {
            let mut statement = sql.prepare_cached(
                "WITH due AS (
                     SELECT webhook.job_id, webhook.url, webhook.attempts, webhook.next_at_ms, row_number() OVER (
                         PARTITION BY job.account_id ORDER BY webhook.next_at_ms, webhook.job_id) AS place
                     FROM webhook JOIN job ON job.id = webhook.job_id
                     WHERE webhook.next_at_ms IS NOT NULL AND (webhook.next_at_ms <= ?1 OR webhook.attempts = 0)
                         AND (webhook.lease_until_ms IS NULL OR webhook.lease_until_ms <= ?1 OR webhook.lease_until_ms > ?1 + ?4))
                 SELECT job.*, due.url AS webhook_url, due.attempts AS webhook_attempts
                 FROM due JOIN job ON job.id = due.job_id
                 WHERE due.place <= ?2 ORDER BY due.place, due.next_at_ms LIMIT ?3",
            )?;
            let values = params![run_ms, per_account_max, rows_max, LEASE_MS_MAX];
            let rows = statement.query_map(values, |row| {
                let job = Box::new(job_row(row)?);
                Ok(DueWebhook {
                    job,
                    url: row.get("webhook_url")?,
                    attempts: row.get("webhook_attempts")?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn claim_webhook(&self, job: JobId, holder: &str, lease_ms: i64) -> Result<bool> {
        const OPERATION: &str = "taking a webhook";
        limits::text(OPERATION, "holder", holder, 100)?;
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |tx| {
            let mut claim = tx.prepare_cached(
                "UPDATE webhook SET holder = ?2, lease_until_ms = ?4
                 WHERE job_id = ?1 AND next_at_ms IS NOT NULL AND (next_at_ms <= ?3 OR attempts = 0)
                     AND (lease_until_ms IS NULL OR lease_until_ms <= ?3 OR lease_until_ms > ?3 + ?5)",
            )?;
            let until_ms = tx.run_ms.saturating_add(lease_ms);
            let values = params![job, holder, tx.run_ms, until_ms, LEASE_MS_MAX];
            Ok(claim.execute(values)? == 1)
        })
    }

    fn webhook_delivered(&self, job: JobId) -> Result<()> {
        self.write("noting a delivered webhook", |tx| {
            tx.execute(
                "UPDATE webhook SET attempts = attempts + 1, next_at_ms = NULL, delivered_at_ms = ?2, last_error = NULL,
                        holder = NULL, lease_until_ms = NULL
                 WHERE job_id = ?1 AND delivered_at_ms IS NULL",
                params![job, tx.now_ms],
            )?;
            Ok(())
        })
    }

    fn webhook_failed(&self, job: JobId, detail: &str, again_in_ms: Option<i64>) -> Result<()> {
        const OPERATION: &str = "noting a failed webhook";
        again_in_ms.map_or(Ok(()), |span_ms| {
            limits::webhook_pause_ms(OPERATION, span_ms)
        })?;
        let detail = limits::webhook_error(detail);
        self.write(OPERATION, |tx| {
            let next_at_ms = again_in_ms.map(|span_ms| tx.run_ms.saturating_add(span_ms));
            tx.execute(
                "UPDATE webhook SET attempts = attempts + 1, next_at_ms = ?2, last_error = ?3,
                        holder = NULL, lease_until_ms = NULL
                 WHERE job_id = ?1 AND delivered_at_ms IS NULL",
                params![job, next_at_ms, detail],
            )?;
            Ok(())
        })
    }

    fn webhook(&self, job: JobId) -> Result<Option<WebhookState>> {
        self.read("reading a webhook", |sql| {
            let mut statement =
                sql.prepare_cached("SELECT attempts, next_at_ms, delivered_at_ms, last_error FROM webhook WHERE job_id = ?1")?;
            let state = statement.query_row([job], |row| {
                Ok(WebhookState {
                    attempts: row.get("attempts")?,
                    next_at_ms: row.get("next_at_ms")?,
                    delivered_at_ms: row.get("delivered_at_ms")?,
                    last_error: row.get("last_error")?,
                })
            });
            Ok(state.optional()?)
        })
    }
}
