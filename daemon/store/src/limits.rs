//! Bounds of texts and numbers, the same for every back end.

use serde_json::Value;

use crate::error::{Result, StoreError};
use crate::idempotency::{IdempotencyScope, REPLY_BYTES_MAX};
use crate::jobs::{CANDIDATES_MAX, Completion, StoredFile};
use crate::leases::{LEASE_MS_MAX, WorkerReport};
use crate::{Credits, Failure, Idempotency, JobResult, NewJob, Reply, WEBHOOK_PAUSE_MS_MAX};

/// Most credits that an account may have and that one operation may move: far from the end of 64 bits.
pub(crate) const CREDITS_MAX: Credits = 1_000_000_000_000;
/// Longest JSON text of one column: 64 KiB.
const JSON_BYTES_MAX: usize = 1 << 16;
/// Most names of pipelines of a key.
const PIPELINES_MAX: usize = 64;
/// Longest kept reason of a failed attempt of a webhook, characters.
const WEBHOOK_ERROR_CHARS_MAX: usize = 500;
/// Longest time that something may be asked to be kept: about 100 years, so that sums of times cannot overflow.
const KEEP_MS_MAX: i64 = 100 * 366 * 24 * 60 * 60 * 1_000;

pub(crate) fn invalid(
    operation: &'static str,
    field: &'static str,
    problem: impl Into<String>,
) -> StoreError {
    StoreError::Invalid {
        operation,
        field,
        problem: problem.into(),
    }
}

/// A text of 1 to `chars_max` characters.
pub(crate) fn text(
    operation: &'static str,
    field: &'static str,
    value: &str,
    chars_max: usize,
) -> Result<()> {
    match value.chars().count() {
        0 => Err(invalid(operation, field, "is empty")),
        chars if chars > chars_max => Err(invalid(
            operation,
            field,
            format!("has {chars} characters, at most {chars_max} are allowed"),
        )),
        _ => Ok(()),
    }
}

/// The JSON text of a value, bounded.
pub(crate) fn json(operation: &'static str, field: &'static str, value: &Value) -> Result<String> {
    let text = value.to_string();
    if text.len() > JSON_BYTES_MAX {
        return Err(invalid(
            operation,
            field,
            format!(
                "has {} bytes as JSON, at most {JSON_BYTES_MAX} are allowed",
                text.len()
            ),
        ));
    }
    Ok(text)
}

/// A number of credits within `least ..= CREDITS_MAX`.
pub(crate) fn credits(
    operation: &'static str,
    field: &'static str,
    value: Credits,
    least: Credits,
) -> Result<()> {
    if (least..=CREDITS_MAX).contains(&value) {
        return Ok(());
    }
    Err(invalid(
        operation,
        field,
        format!("is {value}, {least} to {CREDITS_MAX} are allowed"),
    ))
}

/// A span for which something is kept.
pub(crate) fn keep_ms(operation: &'static str, value: i64) -> Result<()> {
    span_ms(operation, "keep_ms", value, KEEP_MS_MAX)
}

/// The JSON text of the names of pipelines that a key may ask for.
pub(crate) fn pipelines(
    operation: &'static str,
    names: Option<&[String]>,
) -> Result<Option<String>> {
    let Some(names) = names else { return Ok(None) };
    if names.len() > PIPELINES_MAX {
        let problem = format!(
            "has {} names, at most {PIPELINES_MAX} are allowed",
            names.len()
        );
        return Err(invalid(operation, "pipelines", problem));
    }
    for name in names {
        text(operation, "pipeline", name, 64)?;
    }
    json(operation, "pipelines", &serde_json::json!(names)).map(Some)
}

/// Why an attempt of a webhook failed, as it is stored.
pub(crate) fn webhook_error(detail: &str) -> String {
    detail.chars().take(WEBHOOK_ERROR_CHARS_MAX).collect()
}

/// The pause before the next attempt of a webhook.
pub(crate) fn webhook_pause_ms(operation: &'static str, value: i64) -> Result<()> {
    span_ms(operation, "again_in_ms", value, WEBHOOK_PAUSE_MS_MAX)
}

/// The span of a lease.
pub(crate) fn lease_ms(operation: &'static str, value: i64) -> Result<()> {
    if (1..=LEASE_MS_MAX).contains(&value) {
        return Ok(());
    }
    let detail = format!("is {value}, 1 to {LEASE_MS_MAX} are allowed");
    Err(invalid(operation, "lease_ms", detail))
}

/// Who claims a job, and for how long.
pub(crate) fn claim(operation: &'static str, worker: &str, value: i64) -> Result<()> {
    text(operation, "worker", worker, 100)?;
    lease_ms(operation, value)
}

/// How an attempt ends well.
pub(crate) fn completion(operation: &'static str, completion: &Completion) -> Result<()> {
    result(operation, &completion.result)?;
    keep_ms(operation, completion.keep_ms)?;
    reply_if_any(operation, completion.reply.as_ref())
}

/// What a process says of itself.
pub(crate) fn worker(operation: &'static str, report: &WorkerReport) -> Result<()> {
    text(operation, "name", &report.name, 100)?;
    text(operation, "role", &report.role, 20)?;
    text(operation, "version", &report.version, 100)?;
    let device = report.device.as_ref();
    device.map_or(Ok(()), |device| text(operation, "device", device, 200))
}

fn span_ms(operation: &'static str, field: &'static str, value: i64, max: i64) -> Result<()> {
    if (0..=max).contains(&value) {
        return Ok(());
    }
    let detail = format!("is {value}, 0 to {max} are allowed");
    Err(invalid(operation, field, detail))
}

/// The parts of a new job that do not depend on the store.
pub(crate) fn new_job(operation: &'static str, new: &NewJob) -> Result<()> {
    text(operation, "service", &new.service, 64)?;
    text(operation, "pipeline", &new.pipeline, 64)?;
    text(operation, "origin", &new.origin, 100)?;
    if let Some(name) = &new.input_filename {
        text(operation, "input_filename", name, 255)?;
    }
    credits(operation, "price", new.price, 0)?;
    new.idempotency
        .as_ref()
        .map_or(Ok(()), |wish| idempotency(operation, wish))
}

/// The wish that a request be done once.
pub(crate) fn idempotency(operation: &'static str, wish: &Idempotency) -> Result<()> {
    keep_ms(operation, wish.keep_ms)?;
    if let IdempotencyScope::Folder(name) = &wish.scope {
        text(operation, "scope", name, 255)?;
    }
    reply_if_any(operation, wish.reply.as_ref())
}

/// A reply to be kept, if there is one.
pub(crate) fn reply_if_any(operation: &'static str, kept: Option<&Reply>) -> Result<()> {
    kept.map_or(Ok(()), |kept| reply(operation, kept))
}

/// A reply to be kept.
pub(crate) fn reply(operation: &'static str, reply: &Reply) -> Result<()> {
    if !(100..=599).contains(&reply.status) {
        return Err(invalid(
            operation,
            "reply",
            format!("has status {}, 100 to 599 are allowed", reply.status),
        ));
    }
    if reply.body.len() > REPLY_BYTES_MAX {
        return Err(invalid(
            operation,
            "reply",
            format!(
                "has {} bytes, at most {REPLY_BYTES_MAX} are allowed",
                reply.body.len()
            ),
        ));
    }
    Ok(())
}

/// A result as a whole, except its JSON parts.
pub(crate) fn result(operation: &'static str, result: &JobResult) -> Result<()> {
    credits(operation, "credits", result.credits, 0)?;
    if !result.processing_ms.is_finite() {
        return Err(invalid(
            operation,
            "processing_ms",
            "is not a finite number",
        ));
    }
    if result.candidates.len() > CANDIDATES_MAX {
        let problem = format!(
            "are {}, at most {CANDIDATES_MAX} are allowed",
            result.candidates.len()
        );
        return Err(invalid(operation, "candidates", problem));
    }
    for candidate in &result.candidates {
        text(operation, "name of a candidate", &candidate.name, 40)?;
        if candidate.score.is_some_and(|score| !score.is_finite()) {
            return Err(invalid(
                operation,
                "score of a candidate",
                "is not a finite number",
            ));
        }
    }
    let mut files = result.files().into_iter();
    files.try_for_each(|found| file(operation, found))
}

fn file(operation: &'static str, file: &StoredFile) -> Result<()> {
    text(operation, "file name", &file.name, 255)?;
    text(operation, "media type", &file.media_type, 100)?;
    if file.bytes == 0 || i64::try_from(file.bytes).is_err() {
        return Err(invalid(
            operation,
            "file length",
            format!("is {} bytes", file.bytes),
        ));
    }
    Ok(())
}

/// Code and detail as they are stored. They are cut rather than refused: a job must be able to fail.
pub(crate) fn failure(failure: &Failure) -> (String, String) {
    let code: String = failure.code.as_str().chars().take(64).collect();
    let code = if code.is_empty() {
        "failed".to_owned()
    } else {
        code
    };
    (code, failure.detail.chars().take(1_000).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_the_field_and_what_is_allowed() {
        let error = text("naming", "name", &"x".repeat(101), 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "naming: name has 101 characters, at most 100 are allowed"
        );
        assert!(text("naming", "name", "", 100).is_err());
        assert!(text("naming", "name", &"\u{e9}".repeat(100), 100).is_ok());
        assert!(
            json(
                "noting",
                "detail",
                &Value::String("x".repeat(JSON_BYTES_MAX))
            )
            .is_err()
        );
        assert!(credits("adding", "credits", i64::MAX, 1).is_err());
        assert!(keep_ms("keeping", i64::MAX).is_err() && keep_ms("keeping", -1).is_err());
    }

    #[test]
    fn a_failure_is_cut_not_refused() {
        let (code, detail) = failure(&Failure::new("".into(), "\u{1F600}".repeat(2_000)));
        assert_eq!((code.as_str(), detail.chars().count()), ("failed", 1_000));
    }
}
