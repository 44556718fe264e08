//! Results past their time.

use rusqlite::{Connection, params};

use super::failure::TxResult;
use super::{Tx, job_row};
use crate::jobs::{ExpiredResult, JobStatus};
use crate::{JobId, UnixMs, limits};

pub(super) fn expired(
    sql: &Connection,
    now_ms: UnixMs,
    rows_max: u32,
) -> TxResult<Vec<ExpiredResult>> {
    let mut statement = sql.prepare_cached(
        "SELECT id, output_name, mask_name, candidates FROM job
         WHERE expires_at_ms IS NOT NULL AND swept_at_ms IS NULL AND expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2",
    )?;
    let rows = statement.query_map(params![now_ms, rows_max], |row| {
        let named: [Option<String>; 2] = [row.get("output_name")?, row.get("mask_name")?];
        let mut files: Vec<String> = named.into_iter().flatten().collect();
        for candidate in job_row::candidates(row)? {
            if !files.contains(&candidate.file.name) {
                files.push(candidate.file.name);
            }
        }
        Ok(ExpiredResult {
            job: row.get("id")?,
            files,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn mark_swept(tx: &Tx<'_>, job: JobId) -> TxResult<()> {
    let found = job_row::existing(tx, tx.operation, None, job)?;
    if found.status != JobStatus::Completed {
        let problem = format!(
            "is {}, only completed jobs have files",
            found.status.as_str()
        );
        return Err(limits::invalid(tx.operation, "job", problem).into());
    }
    let mut update =
        tx.prepare_cached("UPDATE job SET swept_at_ms = ?2 WHERE id = ?1 AND swept_at_ms IS NULL")?;
    update.execute(params![job, tx.now_ms])?;
    Ok(())
}

/// Forgets what only the client and its support needed of jobs that ended before this time and have no files any more.
pub(super) fn forget_details(tx: &Tx<'_>, before_ms: UnixMs, rows_max: u32) -> TxResult<u32> {
    let mut old = tx.prepare_cached(
        "SELECT id FROM job INDEXED BY job_details
         WHERE finished_at_ms < ?1 AND finished_at_ms IS NOT NULL AND request <> '{}' AND (output_name IS NULL OR swept_at_ms IS NOT NULL)
         ORDER BY finished_at_ms LIMIT ?2",
    )?;
    let old = old
        .query_map(params![before_ms, rows_max], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<JobId>>>()?;
    let mut hook = tx.prepare_cached("DELETE FROM webhook WHERE job_id = ?1")?;
    let mut details = tx.prepare_cached(
        "UPDATE job SET request = '{}', input_filename = NULL, timings = iif(timings IS NULL, NULL, 'null'),
                models = iif(models IS NULL, NULL, 'null'), device = iif(device IS NULL, NULL, 'null'),
                warnings = iif(warnings IS NULL, NULL, 'null'), candidates = NULL
         WHERE id = ?1",
    )?;
    for job in &old {
        hook.execute([job])?;
        details.execute([job])?;
    }
    Ok(u32::try_from(old.len()).unwrap_or(rows_max))
}
