//! Retrying: a failed asynchronous job whose upload is still kept runs again as a new job with a reservation of its own.

use cleanplate_api::ErrorCode;
use cleanplate_store::{Accept, FailureCode, Job, JobId, JobStatus, NewJob};
use serde_json::json;

use super::{Jobs, lock};
use crate::files::{has_inputs, inputs_bytes, move_inputs};
use crate::refusal::Refusal;

/// Where the request of a job names the one it retries.
pub const RETRY_OF: &str = "retry_of";

impl Jobs {
    /// Whether the upload of a job that has failed is worth keeping.
    pub(super) fn keeps_inputs(&self, job: &Job) -> bool {
        let failed = job
            .failure
            .as_ref()
            .is_some_and(|failure| failure.code != FailureCode::Cancelled);
        // A watched folder keeps its own pairs, in `failed`.
        let admin = &self.config.admin;
        let wanted = job.asynchronous && job.key.is_some() && failed && !admin.retry_keep.is_zero();
        // Its own are among those that lie there.
        wanted && inputs_bytes(&self.blobs).is_ok_and(|bytes| bytes <= admin.retry_keep_bytes_max)
    }

    /// Whether [`Jobs::retry`] would find what it needs. Blocks on the disk.
    pub fn can_retry(&self, job: &Job) -> bool {
        let kept = || has_inputs(&self.blobs, job.id).unwrap_or(false);
        job.status == JobStatus::Failed && job.asynchronous && kept()
    }

    /// Runs a failed asynchronous job again. The upload goes over to the new job, so that only one retry can come of it.
    /// Blocks.
    pub fn retry(&self, old: &Job) -> Result<Box<Job>, Refusal> {
        // A bucket moves nothing at once: of two calls each could copy what the other copies.
        let lease = format!("retry {}", old.id);
        let holder = JobId::random().to_string();
        let taken = self.store.lease(&lease, &holder, self.lease_ms());
        if !taken.map_err(|error| self.refuse(&error))? {
            let text = "this job is being retried by another call";
            return Err(Refusal::new(ErrorCode::Conflict, text));
        }
        let retried = self.retry_alone(old);
        if let Err(error) = self.store.end_lease(&lease, &holder) {
            self.store_failed(&error, "a lease could not be given back");
        }
        retried
    }

    fn retry_alone(&self, old: &Job) -> Result<Box<Job>, Refusal> {
        let conflict = |text: &str| Refusal::new(ErrorCode::Conflict, text);
        if old.status != JobStatus::Failed {
            return Err(conflict(&format!(
                "only a failed job can be retried; this one is {}",
                old.status.as_str()
            )));
        }
        if !old.asynchronous {
            return Err(conflict(
                "only an asynchronous job can be retried: the upload of this one was not kept; send it again",
            ));
        }
        if old.key.is_none() {
            return Err(conflict(
                "this job is of a watched folder: retry its pair there (dashboard: folders, enter; or POST /admin/v1/folders/{name}/retry)",
            ));
        }
        if let Some(refusal) = self.closed() {
            return Err(refusal);
        }
        let new = self.again(old);
        self.reserve(
            new.id,
            (new.original_width, new.original_height),
            &new.request,
        )?;
        let moved = move_inputs(&self.blobs, old.id, new.id);
        if !matches!(moved, Ok(true)) {
            lock(&self.reservations).remove(&new.id);
        }
        if !moved? {
            return Err(conflict(
                "the upload of this job is no longer kept (it was retried before, or its time is over)",
            ));
        }
        let accepted = self.store.accept(&new, &self.queue_limits(0));
        if let Ok(Accept::Accepted { job, .. }) = accepted {
            return Ok(job);
        }
        lock(&self.reservations).remove(&new.id);
        if let Err(error) = move_inputs(&self.blobs, new.id, old.id) {
            tracing::error!(job_id = %old.id, %error, "the upload of a job that was not retried could not be put back");
        }
        match accepted.map_err(|error| self.refuse(&error))? {
            Accept::KeyRefused => Err(conflict("the key of this job was revoked or has expired")),
            other => Err(self.refusal(&other)),
        }
    }

    fn again(&self, old: &Job) -> NewJob {
        let mut request = old.request.clone();
        request[RETRY_OF] = json!(old.id.to_string());
        NewJob {
            id: JobId::random(),
            account: old.account,
            key: old.key,
            // Its old place in the batch belongs to the job that failed.
            batch: None,
            service: old.service.clone(),
            pipeline: old.pipeline.clone(),
            asynchronous: true,
            origin: self.name().to_string(),
            price: old.price,
            input_filename: old.input_filename.clone(),
            original_width: old.original_width,
            original_height: old.original_height,
            request,
            idempotency: None,
        }
    }
}
