//! Results past their time.

use super::convert::column;
use super::failure::PgResult;
use super::job_row;
use super::session::Sql;
use crate::jobs::{ExpiredResult, JobStatus};
use crate::{JobId, UnixMs, limits};

pub(super) fn expired(sql: &Sql<'_>, rows_max: u32) -> PgResult<Vec<ExpiredResult>> {
    let rows = sql.all(
        "SELECT id, output_name, mask_name, candidates FROM job
         WHERE expires_at_ms IS NOT NULL AND swept_at_ms IS NULL AND expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2",
        &[&sql.now_ms, &i64::from(rows_max)],
    )?;
    rows.iter()
        .map(|row| {
            let named: [Option<String>; 2] =
                [column(row, "output_name")?, column(row, "mask_name")?];
            let mut files: Vec<String> = named.into_iter().flatten().collect();
            for candidate in job_row::candidates(row)? {
                if !files.contains(&candidate.file.name) {
                    files.push(candidate.file.name);
                }
            }
            Ok(ExpiredResult {
                job: column(row, "id")?,
                files,
            })
        })
        .collect()
}

pub(super) fn mark_swept(sql: &Sql<'_>, job: JobId) -> PgResult<()> {
    let found = job_row::locked(sql, None, job)?;
    if found.status != JobStatus::Completed {
        let problem = format!(
            "is {}, only completed jobs have files",
            found.status.as_str()
        );
        return Err(limits::invalid(sql.operation, "job", problem).into());
    }
    sql.execute(
        "UPDATE job SET swept_at_ms = $2 WHERE id = $1 AND swept_at_ms IS NULL",
        &[&job, &sql.now_ms],
    )?;
    Ok(())
}

/// Forgets what only the client and its support needed of jobs that ended before this time and have no files any more.
pub(super) fn forget_details(sql: &Sql<'_>, before_ms: UnixMs, rows_max: u32) -> PgResult<u32> {
    let rows = sql.all(
        "SELECT id FROM job
         WHERE finished_at_ms < $1 AND finished_at_ms IS NOT NULL AND request <> '{}' AND (output_name IS NULL OR swept_at_ms IS NOT NULL)
         ORDER BY finished_at_ms LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
        &[&before_ms, &i64::from(rows_max)],
    )?;
    let old = rows
        .iter()
        .map(|row| column(row, "id"))
        .collect::<PgResult<Vec<JobId>>>()?;
    if old.is_empty() {
        return Ok(0);
    }
    sql.execute("DELETE FROM webhook WHERE job_id = ANY($1)", &[&old])?;
    sql.execute(
        "UPDATE job SET request = '{}', webhook_url = NULL, input_filename = NULL,
                timings = CASE WHEN timings IS NOT NULL THEN 'null' END, models = CASE WHEN models IS NOT NULL THEN 'null' END,
                device = CASE WHEN device IS NOT NULL THEN 'null' END, warnings = CASE WHEN warnings IS NOT NULL THEN 'null' END,
                candidates = NULL
         WHERE id = ANY($1)",
        &[&old],
    )?;
    Ok(u32::try_from(old.len()).unwrap_or(rows_max))
}
