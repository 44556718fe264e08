//! Job rows: reading them into [`Job`].

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;

use super::convert::{Json, Natural};
use super::failure::TxResult;
use crate::error::StoreError;
use crate::jobs::{BatchSlot, Failure, Job, JobResult, KeptCandidate, KeptResult, StoredFile};
use crate::{AccountId, JobId};

/// One job, of `account` if given.
pub(super) fn find(
    sql: &Connection,
    account: Option<AccountId>,
    job: JobId,
) -> TxResult<Option<Job>> {
    let mut statement = sql.prepare_cached("SELECT * FROM job WHERE id = ?1")?;
    let found = statement.query_row([job], job_row).optional()?;
    Ok(found.filter(|found| account.is_none_or(|account| found.account == account)))
}

/// One job, of `account` if given; an error when there is no such.
pub(super) fn existing(
    sql: &Connection,
    operation: &'static str,
    account: Option<AccountId>,
    job: JobId,
) -> TxResult<Job> {
    Ok(find(sql, account, job)?.ok_or(StoreError::UnknownJob { operation, job })?)
}

pub(super) fn job_row(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get("id")?,
        account: row.get("account_id")?,
        key: row.get("key_id")?,
        batch: slot(row)?,
        service: row.get("service")?,
        pipeline: row.get("pipeline")?,
        asynchronous: row.get("asynchronous")?,
        status: row.get("status")?,
        attempt: row.get("attempt")?,
        price: row.get("price")?,
        input_filename: row.get("input_filename")?,
        original_width: row.get("original_width")?,
        original_height: row.get("original_height")?,
        request: row.get::<_, Json>("request")?.0,
        worker: row.get("worker")?,
        created_at_ms: row.get("created_at_ms")?,
        started_at_ms: row.get("started_at_ms")?,
        finished_at_ms: row.get("finished_at_ms")?,
        failure: failure(row)?,
        result: kept_result(row)?,
    })
}

fn slot(row: &Row<'_>) -> rusqlite::Result<Option<BatchSlot>> {
    let Some(batch) = row.get("batch_id")? else {
        return Ok(None);
    };
    Ok(Some(BatchSlot {
        batch,
        index: row.get("batch_index")?,
    }))
}

fn failure(row: &Row<'_>) -> rusqlite::Result<Option<Failure>> {
    let Some(code) = row.get::<_, Option<String>>("error_code")? else {
        return Ok(None);
    };
    let timings = row
        .get::<_, Option<Json>>("timings")?
        .map_or(Value::Null, |json| json.0);
    Ok(Some(Failure {
        code: code.as_str().into(),
        detail: row.get("error_detail")?,
        timings,
    }))
}

fn kept_result(row: &Row<'_>) -> rusqlite::Result<Option<KeptResult>> {
    let Some(name) = row.get("output_name")? else {
        return Ok(None);
    };
    let output = StoredFile {
        name,
        sha256: row.get("output_sha256")?,
        bytes: row.get::<_, Natural>("output_bytes")?.0,
        media_type: row.get("output_media_type")?,
    };
    let result = JobResult {
        output,
        mask: mask(row)?,
        candidates: candidates(row)?,
        width: row.get("output_width")?,
        height: row.get("output_height")?,
        credits: row.get("credits")?,
        processing_ms: row.get("processing_ms")?,
        timings: row.get::<_, Json>("timings")?.0,
        models: row.get::<_, Json>("models")?.0,
        device: row.get::<_, Json>("device")?.0,
        warnings: row.get::<_, Json>("warnings")?.0,
    };
    Ok(Some(KeptResult {
        result,
        expires_at_ms: row.get("expires_at_ms")?,
        swept_at_ms: row.get("swept_at_ms")?,
    }))
}

/// The pictures to choose from: none where the column is empty.
pub(super) fn candidates(row: &Row<'_>) -> rusqlite::Result<Vec<KeptCandidate>> {
    let Some(Json(list)) = row.get::<_, Option<Json>>("candidates")? else {
        return Ok(Vec::new());
    };
    serde_json::from_value(list).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn mask(row: &Row<'_>) -> rusqlite::Result<Option<StoredFile>> {
    let Some(name) = row.get("mask_name")? else {
        return Ok(None);
    };
    Ok(Some(StoredFile {
        name,
        sha256: row.get("mask_sha256")?,
        bytes: row.get::<_, Natural>("mask_bytes")?.0,
        media_type: row.get("mask_media_type")?,
    }))
}
