//! Batches of the store as replies of the interface.

use cleanplate_api::{BatchReply, JobStatus, RemovalResult};
use cleanplate_store::{Batch, Job};

use super::view::{self, Addresses};

/// The reply of a batch: what follows from its jobs, in the order of their slots.
pub fn batch(batch: &Batch, jobs: &[Job], addresses: &Addresses<'_>) -> BatchReply {
    let results: Vec<RemovalResult> = jobs
        .iter()
        .map(|job| view::removal(job, addresses).result)
        .collect();
    let count = |status: JobStatus| {
        results
            .iter()
            .filter(|result| result.status == status)
            .count() as u32
    };
    let (completed, failed) = (count(JobStatus::Completed), count(JobStatus::Failed));
    let status = match (
        completed + failed >= batch.pairs,
        completed + failed + count(JobStatus::Processing),
    ) {
        (true, _) if completed > 0 => JobStatus::Completed,
        (true, _) => JobStatus::Failed,
        (false, 0) => JobStatus::Pending,
        (false, _) => JobStatus::Processing,
    };
    let last_ms = jobs
        .iter()
        .filter_map(|job| job.finished_at_ms)
        .max()
        .unwrap_or(batch.created_at_ms);
    BatchReply {
        batch_id: batch.id.to_string(),
        status,
        total_files: batch.pairs,
        completed,
        failed,
        total_processing_time_ms: (last_ms - batch.created_at_ms).max(0) as f64,
        total_credits_used: results.iter().map(|result| result.credits_used).sum(),
        error: (status == JobStatus::Failed)
            .then(|| "no pair could be done; each result says why".to_string()),
        results,
    }
}
