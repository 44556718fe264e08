//! How jobs end: recorded once, and told to whoever waits, also when the store cannot take the end yet.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cleanplate_api::ErrorCode;
use cleanplate_store::{Ended, Failure, FailureCode, Job, JobId, StoreError};

use super::cancel::cancelled;
use super::{Finished, JobInput, Jobs, lock};
use crate::files::{remove_inputs, remove_preview};
use crate::refusal::Refusal;
use crate::telemetry::{names, tell_store_error};

/// Attempts to record an end before its client is told that it failed.
const ATTEMPTS: u32 = 3;
/// Time without a claim after which waiting clients are not kept waiting.
const STALLED_MAX: Duration = Duration::from_secs(3);

/// An end that the store has not taken yet.
pub(super) struct Unrecorded {
    job: JobId,
    failure: Failure,
}

/// Since when no job could be claimed, and why.
pub(super) struct Stalled {
    since: Instant,
    refusal: Refusal,
}

/// Why a job was given up before it ran: for its record, and for its client.
#[derive(Debug, Clone)]
pub(super) struct GivenUp {
    pub failure: Failure,
    pub refusal: Refusal,
}

impl GivenUp {
    /// The store or the volume does not take it now.
    pub fn passing(refusal: Refusal) -> Self {
        GivenUp {
            failure: passing(&refusal),
            refusal,
        }
    }

    /// The daemon ends.
    pub fn shutting_down() -> Self {
        let detail = "the daemon was stopped before the job ran";
        GivenUp {
            failure: Failure::new(FailureCode::ShuttingDown, detail),
            refusal: Refusal::new(ErrorCode::Unavailable, "shutting down").retry_after(10),
        }
    }
}

impl JobInput {
    /// Tells the client. One that went away finds the end in the job's record.
    pub(super) fn answer(self, end: Result<Finished, Refusal>) {
        drop(self.done.send(end));
    }
}

impl Jobs {
    /// Notes an error of the store; one that makes its content doubtful stops the daemon.
    pub fn note_store_error(&self, error: &StoreError) {
        if error.is_fatal() {
            tracing::error!(%error, "the store cannot go on; the daemon stops");
            self.fatal.store(true, Ordering::SeqCst);
            self.abort.store(true, Ordering::SeqCst);
            self.wake();
        }
    }

    /// Whether the store failed so that the daemon must stop.
    pub fn is_fatal(&self) -> bool {
        self.fatal.load(Ordering::SeqCst)
    }

    /// Notes an error of the store: one that makes its content doubtful stops the daemon, one that passes by itself is told
    /// once a minute.
    pub fn store_failed(&self, error: &StoreError, what: &str) {
        tell_store_error(error, what);
        self.note_store_error(error);
    }

    /// Tries a write again that may succeed soon: what is kept back on the disk is given up for it.
    pub(super) fn insist<T>(
        &self,
        write: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut outcome = write();
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(StoreError::Full { .. }) if self.space.drop_ballast() => {}
                Err(StoreError::Busy { .. } | StoreError::Unavailable { .. }) => {
                    std::thread::sleep(Duration::from_secs(1));
                }
                _ => break,
            }
            outcome = write();
        }
        outcome
    }

    /// Fails a job under way, returns its hold and tells its client.
    pub(super) fn fail(
        &self,
        job: &Job,
        failure: Failure,
        work: Option<JobInput>,
        refusal: Refusal,
    ) {
        // A failure costs nothing, so it leaves nothing.
        remove_preview(&self.blobs, job);
        match self.insist(|| self.store.fail(job.id, job.attempt, &failure, None)) {
            Ok(ended) => self.conclude(job.id, ended, work, Some(refusal)),
            Err(error) => {
                self.record_later(job.id, failure, &error);
                match work {
                    // Nobody waits; once the end is recorded the job may be retried.
                    Some(work) if !job.asynchronous => work.answer(Err(refusal)),
                    _ => {}
                }
            }
        }
    }

    /// Tells the waiting client how the job ended.
    pub(super) fn conclude(
        &self,
        id: JobId,
        ended: Ended,
        work: Option<JobInput>,
        refusal: Option<Refusal>,
    ) {
        lock(&self.reservations).remove(&id);
        match ended {
            Ended::Now { job, balance } => {
                let outcome = if refusal.is_none() && job.result.is_some() {
                    "completed"
                } else {
                    "failed"
                };
                self.metrics.add(names::JOBS, &[("outcome", outcome)], 1.0);
                if let Some(refusal) = refusal.as_ref().filter(|_| job.key.is_some()) {
                    self.note_refusal(job.account, refusal);
                }
                if let Some(kept) = &job.result {
                    self.metrics
                        .add(names::CREDITS, &[], kept.result.credits as f64);
                }
                if job.asynchronous && !self.keeps_inputs(&job) {
                    remove_inputs(&self.blobs, id);
                }
                let Some(work) = work else { return };
                work.answer(Ok(Finished {
                    job,
                    balance,
                    refusal,
                }));
            }
            Ended::Stale { status, attempt } => {
                tracing::info!(job_id = %id, ?status, attempt, "a job had ended before its worker reported");
                self.tell_other_end(id, work);
            }
        }
    }

    /// Tells a waiting client of an end that someone else brought about: it was cancelled, or ran out of time.
    fn tell_other_end(&self, id: JobId, work: Option<JobInput>) {
        let Some(work) = work else { return };
        let found = self.store.job(None, id).and_then(|job| {
            let Some(job) = job else { return Ok(None) };
            Ok(Some((self.store.balance(job.account)?, job)))
        });
        let (balance, job) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(error) => return work.answer(Err(Refusal::from(&error))),
        };
        let failure = job
            .failure
            .clone()
            .unwrap_or_else(|| Failure::new(FailureCode::Cancelled, "ended"));
        let refusal = if failure.code == FailureCode::Cancelled {
            cancelled()
        } else {
            Refusal::new(ErrorCode::Unavailable, failure.detail)
        };
        work.answer(Ok(Finished {
            job: Box::new(job),
            balance,
            refusal: Some(refusal),
        }));
    }

    fn record_later(&self, job: JobId, failure: Failure, error: &StoreError) {
        self.store_failed(
            error,
            "the end of a job could not be stored; it is tried again",
        );
        if error.is_transient() {
            lock(&self.unrecorded).push(Unrecorded { job, failure });
        }
    }

    /// Records ends that the store did not take before.
    pub(super) fn record_ends(&self) {
        let ends = std::mem::take(&mut *lock(&self.unrecorded));
        for Unrecorded { job, failure } in ends {
            // Nobody else ends such a job: it is in no queue and on no device.
            match self.store.cancel(None, job, &failure) {
                Ok(ended) => self.conclude(job, ended, None, None),
                Err(error) => self.record_later(job, failure, &error),
            }
        }
    }

    /// Notes whether a job could be claimed. Clients are not kept waiting for a store that takes no claims.
    pub(super) fn note_claim(&self, error: Option<&StoreError>) {
        let mut stalled = lock(&self.stalled);
        let Some(error) = error.filter(|error| error.is_transient()) else {
            *stalled = None;
            return;
        };
        let refusal = Refusal::from(error);
        let since = stalled.as_ref().map_or_else(Instant::now, |old| old.since);
        *stalled = Some(Stalled {
            since,
            refusal: refusal.clone(),
        });
        drop(stalled);
        if since.elapsed() > STALLED_MAX {
            self.give_up_waiting(&GivenUp::passing(refusal));
        }
    }

    /// Why no job can be claimed, if so.
    pub(super) fn stalled(&self) -> Option<Refusal> {
        lock(&self.stalled)
            .as_ref()
            .map(|stalled| stalled.refusal.clone())
    }

    /// Fails every job whose client waits for it and that is not under way.
    pub(super) fn give_up_waiting(&self, why: &GivenUp) {
        let waiting: Vec<(JobId, JobInput)> = {
            let mut inputs = lock(&self.inputs);
            // Marked before anybody can miss the input: whoever accepts one of them at this moment sees the mark afterwards.
            let ids = inputs.keys().map(|id| (*id, why.clone()));
            lock(&self.given_up).extend(ids);
            inputs.drain().collect()
        };
        for (id, work) in waiting {
            self.cancel_given_up(id, Some(work), why.clone());
        }
    }

    /// Ends a job that was given up. One that the store does not know yet is ended by whoever accepts it.
    pub(super) fn cancel_given_up(&self, id: JobId, work: Option<JobInput>, why: GivenUp) {
        let GivenUp { failure, refusal } = why;
        let outcome = self.store.cancel(None, id, &failure);
        if matches!(outcome, Err(StoreError::UnknownJob { .. })) {
            if let Some(work) = work {
                work.answer(Err(refusal));
            }
            return;
        }
        lock(&self.given_up).remove(&id);
        match outcome {
            Ok(ended) => self.conclude(id, ended, work, Some(refusal)),
            Err(error) => {
                self.record_later(id, failure, &error);
                if let Some(work) = work {
                    work.answer(Err(refusal));
                }
            }
        }
    }
}

/// The failure of a job that says nothing about its pictures: the store could not take it.
pub(super) fn passing(refusal: &Refusal) -> Failure {
    let code = match refusal.code {
        ErrorCode::StorageFull => FailureCode::StorageFull,
        _ => FailureCode::StoreLocked,
    };
    Failure::new(code, refusal.text.clone())
}
