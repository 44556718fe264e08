//! What a client is told of a job without a result, kept with the job: whoever answers may not be who worked.

use cleanplate_api::{ERRORS, ErrorCode, FieldError};
use cleanplate_store::{Failure, FailureCode, Job};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cancel::cancelled;
use crate::refusal::Refusal;

/// Where it stands among what else is known of a failure.
const KEY: &str = "refusal";
/// Longest kept form, bytes: far below what the store takes for all.
const BYTES_MAX: usize = 16 << 10;

#[derive(Serialize, Deserialize)]
struct Kept {
    code: String,
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

/// The failure with what its client is told.
pub(super) fn with(mut failure: Failure, refusal: &Refusal) -> Failure {
    let kept = json!(Kept {
        code: refusal.code.row().name.to_string(),
        text: refusal.text.clone(),
        fields: refusal.fields.clone(),
        retry_after_s: refusal.retry_after_s,
    });
    if kept.to_string().len() > BYTES_MAX {
        return failure;
    }
    if !failure.timings.is_object() {
        failure.timings = json!({});
    }
    failure.timings[KEY] = kept;
    failure
}

/// What the client of a job is told that has no result.
pub(super) fn of(job: &Job) -> Refusal {
    let Some(failure) = &job.failure else {
        return Refusal::internal("a job ended without result and without reason", &job.id);
    };
    let kept = serde_json::from_value::<Kept>(failure.timings[KEY].clone()).ok();
    let known = kept.and_then(|kept| {
        let row = ERRORS.iter().find(|row| row.name == kept.code)?;
        Some(Refusal {
            code: row.code,
            text: kept.text,
            fields: kept.fields,
            retry_after_s: kept.retry_after_s,
        })
    });
    known.unwrap_or_else(|| match failure.code {
        FailureCode::Cancelled => cancelled(),
        _ => Refusal::new(ErrorCode::Unavailable, failure.detail.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_comes_back_as_it_was_unless_it_is_huge() {
        let failure = || Failure::new(FailureCode::Mask, "inner words");
        let refusals = [
            Refusal::field(
                &["body", "mask"],
                "of another size",
                "value_error.mask.size",
            ),
            Refusal::new(ErrorCode::Unavailable, "no device").retry_after(10),
        ];
        for refusal in refusals {
            let mut timed = failure();
            timed.timings = json!({ "stages": [1] });
            let kept = with(timed, &refusal);
            assert_eq!(kept.timings["stages"], json!([1]));
            let value = kept.timings[KEY].clone();
            let kept: Kept = serde_json::from_value(value).unwrap();
            assert_eq!(kept.code, refusal.code.row().name);
            assert_eq!(
                (kept.text, kept.fields, kept.retry_after_s),
                (refusal.text, refusal.fields, refusal.retry_after_s)
            );
        }
        let huge = Refusal::new(ErrorCode::Invalid, "x".repeat(BYTES_MAX));
        assert_eq!(with(failure(), &huge), failure());
    }
}
