//! How jobs end: recorded once, and told to whoever waits, also when the store cannot take the end yet.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cleanplate_api::ErrorCode;
use cleanplate_store::{Ended, Failure, FailureCode, Job, JobId, JobStatus, StoreError};

use super::{Finished, Jobs, lock, told};
use crate::files::{FilesError, remove_inputs, remove_preview};
use crate::refusal::Refusal;
use crate::telemetry::{names, tell_store_error};

/// Attempts to record an end before its client is told that it failed.
const ATTEMPTS: u32 = 3;
/// Time without a claim after which waiting clients are not kept waiting.
const STALLED_MAX: Duration = Duration::from_secs(3);

/// An end that the store has not taken yet.
pub(super) struct Unrecorded {
    job: JobId,
    /// The attempt that ended; none of a job that was given up, whoever has it by then.
    attempt: Option<u32>,
    failure: Failure,
    refusal: Refusal,
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

    /// Files cannot be stored or read now.
    pub fn without_files(error: FilesError) -> Self {
        let away = error.is_away();
        let mut given_up = GivenUp::passing(error.into());
        if away {
            given_up.failure.code = FailureCode::FilesAway;
        }
        given_up
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
    pub(super) fn fail(&self, job: &Job, failure: Failure, refusal: Refusal) {
        // A failure costs nothing, so it leaves nothing.
        remove_preview(&self.blobs, job);
        let failure = told::with(failure, &refusal);
        match self.insist(|| self.store.fail(job.id, job.attempt, &failure, None)) {
            Ok(ended) => self.conclude(job.id, ended, Some(refusal)),
            Err(error) => {
                self.tell(job.id, Err(refusal.clone()));
                let end = Unrecorded {
                    job: job.id,
                    attempt: Some(job.attempt),
                    failure,
                    refusal,
                };
                self.record_later(end, &error);
            }
        }
    }

    /// Ends an attempt whose result may have been recorded or not. Where somebody waits for it, it fails unless it was: they are
    /// told once that is known. A job that nobody waits for runs again once its lease is over.
    pub(super) fn settle(&self, job: &Job, error: &StoreError) {
        let refusal = Refusal::from(error);
        if error.is_transient() && !job.asynchronous {
            let end = Unrecorded {
                job: job.id,
                attempt: Some(job.attempt),
                failure: told::with(passing(&refusal), &refusal),
                refusal,
            };
            return self.record_later(end, error);
        }
        lock(&self.reservations).remove(&job.id);
        self.store_failed(
            error,
            "the end of a job could not be stored; the end of its lease or the next start settles it",
        );
        self.tell(job.id, Err(refusal));
    }

    /// Tells the waiting client how the job ended.
    pub(super) fn conclude(&self, id: JobId, ended: Ended, refusal: Option<Refusal>) {
        lock(&self.reservations).remove(&id);
        lock(&self.given_up).remove(&id);
        match ended {
            Ended::Now { job, balance } => {
                let outcome = if refusal.is_none() && job.result.is_some() {
                    "completed"
                } else {
                    "failed"
                };
                self.metrics.add(names::JOBS, &[("outcome", outcome)], 1.0);
                if let Some(kept) = &job.result {
                    self.metrics
                        .add(names::CREDITS, &[], kept.result.credits as f64);
                }
                if !self.keeps_inputs(&job) {
                    remove_inputs(&self.blobs, id);
                }
                let finished = Finished {
                    job,
                    balance,
                    refusal,
                };
                self.tell(id, Ok(finished));
            }
            Ended::Stale { status, attempt } => {
                tracing::info!(job_id = %id, ?status, attempt, "a job had ended before its worker reported");
                // Somebody else ended it, or works on it now.
                if status.is_final() {
                    self.tell_to_look(id);
                }
            }
        }
    }

    fn record_later(&self, end: Unrecorded, error: &StoreError) {
        lock(&self.reservations).remove(&end.job);
        self.store_failed(
            error,
            "the end of a job could not be stored; it is tried again",
        );
        if error.is_transient() {
            lock(&self.unrecorded).push(end);
        }
    }

    /// Records ends that the store did not take before.
    pub(super) fn record_ends(&self) {
        let mut ends = std::mem::take(&mut *lock(&self.unrecorded)).into_iter();
        while let Some(end) = ends.next() {
            // An attempt that was taken from this process says nothing about the one that came after it.
            let recorded = match end.attempt {
                Some(attempt) => self.store.fail(end.job, attempt, &end.failure, None),
                None => self.store.cancel(None, end.job, &end.failure),
            };
            match recorded {
                Ok(ended) => self.conclude(end.job, ended, Some(end.refusal)),
                Err(error) => {
                    let gone = is_gone(&error);
                    self.record_later(end, &error);
                    if gone {
                        lock(&self.unrecorded).extend(ends);
                        return;
                    }
                }
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

    /// Fails every job whose client waits for it and that no process has under way.
    pub(super) fn give_up_waiting(&self, why: &GivenUp) {
        let elsewhere = match self.stopping.load(Ordering::SeqCst) {
            // Nobody is left to tell.
            true => HashSet::new(),
            false => self.under_way_elsewhere(),
        };
        // Whoever accepts one of them at this moment sees the mark afterwards.
        let waiting = self.mark_not_under_way(|ids| {
            let given_up = ids.iter().filter(|id| !elsewhere.contains(id));
            lock(&self.given_up).extend(given_up.map(|id| (*id, why.clone())));
        });
        let mut waiting = waiting.into_iter().filter(|id| !elsewhere.contains(id));
        // A server that is gone is waited for once, and not once for each of them.
        let gone = waiting.find_map(|id| self.cancel_given_up(id, why.clone()).filter(is_gone));
        if let Some(error) = gone {
            waiting.for_each(|id| self.cancel_later(id, why.clone(), &error));
        }
    }

    /// Jobs that clients of this process wait for and that other processes have under way, as far as the store tells.
    fn under_way_elsewhere(&self) -> HashSet<JobId> {
        if !self.shares_store() {
            return HashSet::new();
        }
        let is_elsewhere = |job: &Job| {
            job.status == JobStatus::Processing && job.worker.as_deref() != Some(self.name())
        };
        let mut found = HashSet::new();
        for id in self.not_under_way() {
            match self.store.job(None, id) {
                Ok(job) if job.as_ref().is_some_and(is_elsewhere) => drop(found.insert(id)),
                Ok(_) => {}
                // A store that is gone is asked once.
                Err(_) => break,
            }
        }
        found
    }

    /// Ends a job that was given up; returns the error of a store that could not. One that the store does not know yet is ended
    /// by whoever accepts it.
    pub(super) fn cancel_given_up(&self, id: JobId, why: GivenUp) -> Option<StoreError> {
        let failure = told::with(why.failure.clone(), &why.refusal);
        match self.store.cancel(None, id, &failure) {
            Ok(ended) => self.conclude(id, ended, Some(why.refusal)),
            Err(StoreError::UnknownJob { .. }) => self.tell(id, Err(why.refusal)),
            Err(error) => {
                self.cancel_later(id, why, &error);
                return Some(error);
            }
        }
        None
    }

    /// Tells the client of a job that was given up, and has the store record it later.
    fn cancel_later(&self, job: JobId, why: GivenUp, error: &StoreError) {
        let GivenUp { failure, refusal } = why;
        self.tell(job, Err(refusal.clone()));
        let end = Unrecorded {
            job,
            attempt: None,
            failure: told::with(failure, &refusal),
            refusal,
        };
        self.record_later(end, error);
    }
}

/// Whether the store was waited for in vain: it is not there.
fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

/// The failure of a job that says nothing about its pictures: the store could not take it.
pub(super) fn passing(refusal: &Refusal) -> Failure {
    let code = match refusal.code {
        ErrorCode::StorageFull => FailureCode::StorageFull,
        _ => FailureCode::StoreLocked,
    };
    Failure::new(code, refusal.text.clone())
}
