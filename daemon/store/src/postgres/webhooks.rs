//! Webhooks.

use super::PgStore;
use super::convert::{Text, column, natural};
use super::failure::PgResult;
use super::job_row::{job_columns, job_row};
use crate::error::Result;
use crate::webhooks::{DueWebhook, WebhookState, Webhooks};
use crate::{JobId, LEASE_MS_MAX, limits};

impl Webhooks for PgStore {
    fn due_webhooks(&self, per_account_max: u32, rows_max: u32) -> Result<Vec<DueWebhook>> {
        self.snapshot("listing webhooks", |sql| {
            let rows = sql.all(
                concat!(
                    "WITH due AS (
                         SELECT webhook.job_id, webhook.url, webhook.attempts, webhook.next_at_ms, row_number() OVER (
                             PARTITION BY job.account_id ORDER BY webhook.next_at_ms, webhook.job_id) AS place
                         FROM webhook JOIN job ON job.id = webhook.job_id
                         WHERE webhook.next_at_ms IS NOT NULL AND (webhook.next_at_ms <= $1 OR webhook.attempts = 0)
                             AND (webhook.lease_until_ms IS NULL OR webhook.lease_until_ms <= $1 OR webhook.lease_until_ms > $1 + $4))
                     SELECT ", job_columns!(), ", due.url AS webhook_to, due.attempts AS webhook_attempts
                     FROM due JOIN job ON job.id = due.job_id
                     WHERE due.place <= $2 ORDER BY due.place, due.next_at_ms LIMIT $3"
                ),
                &[&sql.run_ms, &i64::from(per_account_max), &i64::from(rows_max), &LEASE_MS_MAX],
            )?;
            let due = rows.iter().map(|row| {
                Ok(DueWebhook {
                    job: Box::new(job_row(row)?),
                    url: column(row, "webhook_to")?,
                    attempts: natural(row, "webhook_attempts")?,
                })
            });
            due.collect::<PgResult<_>>()
        })
    }

    fn claim_webhook(&self, job: JobId, holder: &str, lease_ms: i64) -> Result<bool> {
        const OPERATION: &str = "taking a webhook";
        limits::text(OPERATION, "holder", holder, 100)?;
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |sql| {
            let taken = sql.execute(
                "UPDATE webhook SET holder = $2, lease_until_ms = $4
                 WHERE job_id = $1 AND next_at_ms IS NOT NULL AND (next_at_ms <= $3 OR attempts = 0)
                     AND (lease_until_ms IS NULL OR lease_until_ms <= $3 OR lease_until_ms > $3 + $5)",
                &[
                    &job,
                    &Text(holder),
                    &sql.run_ms,
                    &sql.run_ms.saturating_add(lease_ms),
                    &LEASE_MS_MAX,
                ],
            )?;
            Ok(taken == 1)
        })
    }

    fn webhook_delivered(&self, job: JobId) -> Result<()> {
        self.write("noting a delivered webhook", |sql| {
            sql.execute(
                "UPDATE webhook SET attempts = attempts + 1, next_at_ms = NULL, delivered_at_ms = $2, last_error = NULL,
                        holder = NULL, lease_until_ms = NULL
                 WHERE job_id = $1 AND delivered_at_ms IS NULL",
                &[&job, &sql.now_ms],
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
        self.write(OPERATION, |sql| {
            let next_at_ms = again_in_ms.map(|span_ms| sql.run_ms.saturating_add(span_ms));
            sql.execute(
                "UPDATE webhook SET attempts = attempts + 1, next_at_ms = $2, last_error = $3,
                        holder = NULL, lease_until_ms = NULL
                 WHERE job_id = $1 AND delivered_at_ms IS NULL",
                &[&job, &next_at_ms, &Text(&detail)],
            )?;
            Ok(())
        })
    }

    fn webhook(&self, job: JobId) -> Result<Option<WebhookState>> {
        self.read("reading a webhook", |sql| {
            let row = sql.optional(
                "SELECT attempts, next_at_ms, delivered_at_ms, last_error FROM webhook WHERE job_id = $1",
                &[&job],
            )?;
            row.map(|row| {
                Ok(WebhookState {
                    attempts: natural(&row, "attempts")?,
                    next_at_ms: column(&row, "next_at_ms")?,
                    delivered_at_ms: column(&row, "delivered_at_ms")?,
                    last_error: column(&row, "last_error")?,
                })
            })
            .transpose()
        })
    }
}
