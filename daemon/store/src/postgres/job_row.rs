//! Job rows: reading them into [`Job`].

use postgres::Row;

use super::convert::{column, hash, json, natural, parsed};
use super::failure::PgResult;
use super::session::Sql;
use crate::error::StoreError;
use crate::jobs::{BatchSlot, Failure, Job, JobResult, KeptCandidate, KeptResult, StoredFile};
use crate::{AccountId, JobId};

/// The columns of a job that are read, by name: a newer schema may have more.
macro_rules! job_columns {
    () => {
        "job.seq, job.id, job.account_id, job.key_id, job.batch_id, job.batch_index, job.service, job.pipeline,
         job.asynchronous, job.status, job.attempt, job.price, job.input_filename, job.original_width, job.original_height,
         job.request, job.worker, job.created_at_ms, job.started_at_ms, job.finished_at_ms, job.error_code, job.error_detail,
         job.output_name, job.output_sha256, job.output_bytes, job.output_media_type, job.mask_name, job.mask_sha256,
         job.mask_bytes, job.mask_media_type, job.output_width, job.output_height, job.credits, job.processing_ms,
         job.timings, job.models, job.device, job.warnings, job.candidates, job.expires_at_ms, job.swept_at_ms"
    };
}
pub(super) use job_columns;

/// One job, of `account` if given.
pub(super) fn find(sql: &Sql<'_>, account: Option<AccountId>, job: JobId) -> PgResult<Option<Job>> {
    let row = sql.optional(
        concat!("SELECT ", job_columns!(), " FROM job WHERE id = $1"),
        &[&job],
    )?;
    let found = row.as_ref().map(job_row).transpose()?;
    Ok(found.filter(|found| account.is_none_or(|account| found.account == account)))
}

/// One job; an error when there is no such.
pub(super) fn existing(sql: &Sql<'_>, job: JobId) -> PgResult<Job> {
    let operation = sql.operation;
    Ok(find(sql, None, job)?.ok_or(StoreError::UnknownJob { operation, job })?)
}

/// One job, of `account` if given, that nobody else changes until the end of the transaction; an error when there is no such.
pub(super) fn locked(sql: &Sql<'_>, account: Option<AccountId>, job: JobId) -> PgResult<Job> {
    let row = sql.optional(
        concat!(
            "SELECT ",
            job_columns!(),
            " FROM job WHERE id = $1 FOR NO KEY UPDATE"
        ),
        &[&job],
    )?;
    let found = row.as_ref().map(job_row).transpose()?;
    let found = found.filter(|found| account.is_none_or(|account| found.account == account));
    let operation = sql.operation;
    Ok(found.ok_or(StoreError::UnknownJob { operation, job })?)
}

pub(super) fn job_row(row: &Row) -> PgResult<Job> {
    Ok(Job {
        id: column(row, "id")?,
        account: column(row, "account_id")?,
        key: column(row, "key_id")?,
        batch: slot(row)?,
        service: column(row, "service")?,
        pipeline: column(row, "pipeline")?,
        asynchronous: column(row, "asynchronous")?,
        status: column(row, "status")?,
        attempt: natural(row, "attempt")?,
        price: column(row, "price")?,
        input_filename: column(row, "input_filename")?,
        original_width: natural(row, "original_width")?,
        original_height: natural(row, "original_height")?,
        request: json(row, "request")?,
        worker: column(row, "worker")?,
        created_at_ms: column(row, "created_at_ms")?,
        started_at_ms: column(row, "started_at_ms")?,
        finished_at_ms: column(row, "finished_at_ms")?,
        failure: failure(row)?,
        result: kept_result(row)?,
    })
}

fn slot(row: &Row) -> PgResult<Option<BatchSlot>> {
    let Some(batch) = column(row, "batch_id")? else {
        return Ok(None);
    };
    Ok(Some(BatchSlot {
        batch,
        index: natural(row, "batch_index")?,
    }))
}

fn failure(row: &Row) -> PgResult<Option<Failure>> {
    let Some(code) = column::<Option<&str>>(row, "error_code")? else {
        return Ok(None);
    };
    Ok(Some(Failure {
        code: code.into(),
        detail: column(row, "error_detail")?,
        timings: json(row, "timings")?,
    }))
}

fn kept_result(row: &Row) -> PgResult<Option<KeptResult>> {
    let Some(output) = file(
        row,
        [
            "output_name",
            "output_sha256",
            "output_bytes",
            "output_media_type",
        ],
    )?
    else {
        return Ok(None);
    };
    let result = JobResult {
        output,
        mask: file(
            row,
            ["mask_name", "mask_sha256", "mask_bytes", "mask_media_type"],
        )?,
        candidates: candidates(row)?,
        width: natural(row, "output_width")?,
        height: natural(row, "output_height")?,
        credits: column(row, "credits")?,
        processing_ms: column(row, "processing_ms")?,
        timings: json(row, "timings")?,
        models: json(row, "models")?,
        device: json(row, "device")?,
        warnings: json(row, "warnings")?,
    };
    Ok(Some(KeptResult {
        result,
        expires_at_ms: column(row, "expires_at_ms")?,
        swept_at_ms: column(row, "swept_at_ms")?,
    }))
}

/// The pictures to choose from: none where the column is empty.
pub(super) fn candidates(row: &Row) -> PgResult<Vec<KeptCandidate>> {
    let stored: Option<&str> = column(row, "candidates")?;
    stored.map_or(Ok(Vec::new()), |text| parsed("candidates", text))
}

fn file(
    row: &Row,
    [name, sha256, bytes, media_type]: [&'static str; 4],
) -> PgResult<Option<StoredFile>> {
    let Some(found) = column(row, name)? else {
        return Ok(None);
    };
    Ok(Some(StoredFile {
        name: found,
        sha256: hash(row, sha256)?,
        bytes: natural(row, bytes)?,
        media_type: column(row, media_type)?,
    }))
}
