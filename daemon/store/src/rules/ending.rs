//! Ends of jobs.

use crate::error::Result;
use crate::jobs::{Completion, Ended, Failure, Job, JobResult, JobStatus};
use crate::{Credits, limits};

/// The answer to an attempt that does not have the job (any more).
pub(crate) fn refused(found: &Job, attempt: u32) -> Option<Ended> {
    let has_it = found.status == JobStatus::Processing && found.attempt == attempt;
    (!has_it).then(|| stale(found))
}

/// The answer to whom nothing of the job is left to end.
pub(crate) fn stale(found: &Job) -> Ended {
    Ended::Stale {
        status: found.status,
        attempt: found.attempt,
    }
}

/// What a job is charged, at most its hold.
pub(crate) fn charge(
    operation: &'static str,
    found: &Job,
    completion: &Completion,
) -> Result<Credits> {
    let charge = completion.result.credits;
    if charge > found.price {
        let problem = format!("is {charge}, the job's hold is {}", found.price);
        return Err(limits::invalid(operation, "credits", problem));
    }
    Ok(charge)
}

/// The parts of a result that are stored in another form.
pub(crate) struct StoredResult {
    pub(crate) output_bytes: i64,
    pub(crate) mask_bytes: Option<i64>,
    pub(crate) timings: String,
    pub(crate) models: String,
    pub(crate) device: String,
    pub(crate) warnings: String,
    pub(crate) candidates: Option<String>,
}

impl StoredResult {
    pub(crate) fn of(operation: &'static str, result: &JobResult) -> Result<Self> {
        let json = |field, value| limits::json(operation, field, value);
        let length = |bytes: u64| {
            i64::try_from(bytes)
                .map_err(|_| limits::invalid(operation, "file length", format!("is {bytes} bytes")))
        };
        let candidates = serde_json::json!(result.candidates);
        Ok(Self {
            output_bytes: length(result.output.bytes)?,
            mask_bytes: result
                .mask
                .as_ref()
                .map(|file| length(file.bytes))
                .transpose()?,
            timings: json("timings", &result.timings)?,
            models: json("models", &result.models)?,
            device: json("device", &result.device)?,
            warnings: json("warnings", &result.warnings)?,
            candidates: (!result.candidates.is_empty())
                .then(|| json("candidates", &candidates))
                .transpose()?,
        })
    }
}

/// The timings of an attempt that failed, where there are any.
pub(crate) fn timings(operation: &'static str, failure: &Failure) -> Result<Option<String>> {
    (!failure.timings.is_null())
        .then(|| limits::json(operation, "timings", &failure.timings))
        .transpose()
}

/// The jobs that changed.
pub(crate) fn changed(outcome: &Ended) -> Vec<&Job> {
    match outcome {
        Ended::Now { job, .. } => vec![&**job],
        Ended::Stale { .. } => Vec::new(),
    }
}
