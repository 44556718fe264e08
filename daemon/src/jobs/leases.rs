//! Signs of life: this process says that it is there, and that it still works on the jobs that it took. What others do not say
//! any more is put back into the queue.
//!
//! A thread of its own does it, so that an attempt that takes long keeps its lease; a process that stands still loses it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use cleanplate_store::{Heartbeat, JobId, StoreError, WorkerReport};

use super::{DeviceState, Jobs, lock};
use crate::node::Holder;

/// Signs of life within the span of a lease.
const PER_LEASE: u32 = 3;

/// Whether signs of life have ended.
#[derive(Default)]
pub(super) struct Renewal {
    ended: Mutex<bool>,
    changed: Condvar,
    /// Where processes share the store: the name of this one.
    name: OnceLock<Holder>,
}

/// Starts the thread; it ends with [`Jobs::end_renewal`].
pub(super) fn start(jobs: &Arc<Jobs>) -> std::io::Result<()> {
    let jobs = jobs.clone();
    let run = move || {
        let pause = jobs.config.queue.lease / PER_LEASE;
        while jobs.renew() {
            let ended = lock(&jobs.renewal.ended);
            // Waking early is harmless.
            drop(
                jobs.renewal
                    .changed
                    .wait_timeout(ended, pause)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    };
    let thread = std::thread::Builder::new().name("leases".to_string());
    thread.spawn(run).map(drop)
}

impl Jobs {
    /// Name of this process in the store.
    pub fn name(&self) -> &str {
        &self.config.server.name
    }

    /// Keeps the name of this process, too. Call before the start.
    pub fn hold_name(&self, holder: Holder) {
        // There is one.
        drop(self.renewal.name.set(holder));
    }

    /// Whether other processes may do the jobs of this one's clients.
    pub(super) fn shares_store(&self) -> bool {
        self.renewal.name.get().is_some()
    }

    /// How long what this process takes stays its own without a sign of life, ms.
    pub fn lease_ms(&self) -> i64 {
        self.config.queue.lease.as_millis() as i64
    }

    /// Says once that this process and its attempts go on, then takes over what others gave no sign of; `false` at the end.
    fn renew(&self) -> bool {
        // Held, so that nothing is said once the end was told.
        let ended = lock(&self.renewal.ended);
        if *ended {
            return false;
        }
        let report = WorkerReport {
            name: self.name().to_string(),
            role: self.config.server.role.word().to_string(),
            device: self.device_name(),
            version: crate::VERSION.to_string(),
        };
        let told = self.store.report_worker(&report, self.lease_ms());
        let told = told.and_then(|()| self.renew_name());
        drop(ended);
        let renewed = told.and_then(|()| self.renew_attempts());
        // Only who could renew its own may judge others: a store that took nothing for a while took nothing from them either.
        if let Err(error) = renewed.and_then(|()| self.reclaim()) {
            self.store_failed(&error, "leases could not be renewed");
        }
        true
    }

    /// A process whose name another took stops: each would take the other's jobs for its own.
    fn renew_name(&self) -> Result<(), StoreError> {
        let Some(holder) = self.renewal.name.get() else {
            return Ok(());
        };
        if !holder.renew(&*self.store)? {
            tracing::error!(
                name = self.name(),
                "another process took this name (server.name) while this one stood still; it stops"
            );
            self.fatal.store(true, Ordering::SeqCst);
            self.abort.store(true, Ordering::SeqCst);
            self.wake();
        }
        Ok(())
    }

    fn renew_attempts(&self) -> Result<(), StoreError> {
        let under_way: Vec<(JobId, u32)> = lock(&self.current)
            .iter()
            .filter(|current| !current.cancelled)
            .map(|current| (current.id, current.attempt))
            .collect();
        for (job, attempt) in under_way {
            match self.store.heartbeat(job, attempt, self.lease_ms())? {
                Heartbeat::Yours => {}
                Heartbeat::Cancelled => drop(self.stop_attempt(job, attempt)),
                Heartbeat::Lost => {
                    if self.stop_attempt(job, attempt) && self.was_taken(job, attempt)? {
                        tracing::warn!(job_id = %job, attempt, "a job was taken from this process, which stood still for too long");
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an attempt that is no longer under way was taken from this process, rather than ended.
    pub(super) fn was_taken(&self, job: JobId, attempt: u32) -> Result<bool, StoreError> {
        let now = self.store.job(None, job)?;
        Ok(now.is_none_or(|now| now.attempt != attempt || !now.status.is_final()))
    }

    /// Has an attempt end at its next step; `false` when it has ended meanwhile.
    pub(super) fn stop_attempt(&self, job: JobId, attempt: u32) -> bool {
        let mut current = lock(&self.current);
        let found = current.iter_mut().find(|current| current.is(job, attempt));
        found.is_some_and(|current| {
            current.cancelled = true;
            true
        })
    }

    fn reclaim(&self) -> Result<(), StoreError> {
        let found = self.store.reclaim_expired(self.config.queue.attempts_max)?;
        let (requeued, failed) = (found.requeued.len(), found.exhausted.len());
        if requeued + failed > 0 {
            tracing::warn!(
                requeued,
                failed,
                "jobs of a process that gives no sign of life were taken from it"
            );
            self.wake();
        }
        Ok(())
    }

    fn device_name(&self) -> Option<String> {
        match self.device() {
            DeviceState::Ready(backend) => {
                let info = backend.device();
                let text = format!("{} ({})", info.name, info.backend);
                Some(text.chars().take(200).collect())
            }
            _ => None,
        }
    }

    /// No sign of life any more: this process ends by itself, and is not in the list.
    pub(super) fn end_renewal(&self) {
        *lock(&self.renewal.ended) = true;
        self.renewal.changed.notify_all();
        let name = self.renewal.name.get();
        let ended = name.map_or(Ok(()), |holder| holder.end(&*self.store));
        if let Err(error) = ended.and_then(|()| self.store.retire_worker(self.name())) {
            self.store_failed(&error, "this process could not be taken from the list");
        }
    }
}
