//! A job of the store as administrators see it.

use cleanplate_api::JobStatus;
use cleanplate_api::admin::JobRow;
use cleanplate_store::{Job, JobStatus as Stored};

/// The row of a job; stage and share are the engine thread's to tell.
pub fn job_row(job: &Job) -> JobRow {
    let result = job.result.as_ref().map(|kept| &kept.result);
    JobRow {
        id: job.id.to_string(),
        account_id: job.account.0,
        key_id: job.key.map(|key| key.0),
        batch_id: job.batch.map(|slot| slot.batch.to_string()),
        service: job.service.clone(),
        pipeline: job.pipeline.clone(),
        asynchronous: job.asynchronous,
        status: match job.status {
            Stored::Pending => JobStatus::Pending,
            Stored::Processing => JobStatus::Processing,
            Stored::Completed => JobStatus::Completed,
            Stored::Failed => JobStatus::Failed,
        },
        attempt: job.attempt,
        price: job.price,
        credits_used: result.map_or(0, |result| result.credits),
        input_filename: job.input_filename.clone(),
        width: job.original_width,
        height: job.original_height,
        created_at_ms: job.created_at_ms,
        started_at_ms: job.started_at_ms,
        finished_at_ms: job.finished_at_ms,
        processing_ms: result.map(|result| result.processing_ms),
        stage: None,
        fraction: None,
        error_code: job.failure.as_ref().map(|failure| failure.code.to_string()),
        error: job.failure.as_ref().map(|failure| failure.detail.clone()),
    }
}
