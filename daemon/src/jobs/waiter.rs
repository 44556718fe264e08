//! Waiting for the end of a job, whichever process works on it.
//!
//! Who ends a job here tells it. Ends that other processes bring about are learnt from the store: at once where it tells of them, by
//! looking now and then where it does not.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cleanplate_store::{Balance, Job, JobId};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::ends::GivenUp;
use super::{Jobs, lock, told};
use crate::blocking::blocking;
use crate::refusal::Refusal;

/// Pause between looks at the job in the store.
const LOOK: Duration = Duration::from_secs(2);

/// How a job ended.
pub struct Finished {
    /// The job, final.
    pub job: Box<Job>,
    /// The account afterwards.
    pub balance: Balance,
    /// Why there is no result.
    pub refusal: Option<Refusal>,
}

/// The end of a job, as its client is told. The error: it failed and the store could not record it yet.
pub type End = Result<Finished, Refusal>;

/// What a waiter is told.
enum Told {
    /// The end.
    End(Box<End>),
    /// The job ended elsewhere: the store knows how.
    Look,
}

/// Who waits for which job.
#[derive(Default)]
pub(super) struct Waiters(Mutex<HashMap<JobId, oneshot::Sender<Told>>>);

/// Waits for the end of one job. Dropping it changes nothing for the job.
pub struct JobWaiter {
    jobs: Arc<Jobs>,
    id: JobId,
    /// Gone once something was told.
    told: Option<oneshot::Receiver<Told>>,
    looked: Instant,
}

impl Drop for JobWaiter {
    fn drop(&mut self) {
        lock(&self.jobs.waiters.0).remove(&self.id);
    }
}

impl JobWaiter {
    /// Waits for the end.
    pub async fn end(mut self) -> End {
        loop {
            let told = match &mut self.told {
                Some(told) => tokio::time::timeout(LOOK, told).await,
                None => {
                    tokio::time::sleep(LOOK).await;
                    Ok(Ok(Told::Look))
                }
            };
            match told {
                Ok(Ok(Told::End(end))) => return *end,
                Ok(_) => self.told = None,
                Err(_) => {}
            }
            let (jobs, id) = (self.jobs.clone(), self.id);
            if let Some(end) = blocking(move || jobs.look(id)).await? {
                return end;
            }
        }
    }

    /// The end, if it has come. Blocks on the store now and then.
    pub fn poll(&mut self) -> Option<End> {
        if let Some(told) = &mut self.told {
            match told.try_recv() {
                Ok(Told::End(end)) => return Some(*end),
                Err(TryRecvError::Empty) if self.looked.elapsed() < LOOK => return None,
                Err(TryRecvError::Empty) => {}
                Ok(Told::Look) | Err(TryRecvError::Closed) => self.told = None,
            }
        } else if self.looked.elapsed() < LOOK {
            return None;
        }
        self.looked = Instant::now();
        self.jobs.look(self.id)
    }
}

impl Jobs {
    /// A place to wait for a job that is about to be accepted, unless the daemon has given up what waits for good.
    pub(super) fn wait_for(self: &Arc<Self>, id: JobId) -> Result<JobWaiter, Refusal> {
        let (tell, told) = oneshot::channel();
        let mut waiters = lock(&self.waiters.0);
        // Read under the lock: it is set before those who wait are looked through for the last time.
        if self.abort.load(Ordering::SeqCst) {
            return Err(GivenUp::shutting_down().refusal);
        }
        waiters.insert(id, tell);
        drop(waiters);
        Ok(JobWaiter {
            jobs: self.clone(),
            id,
            told: Some(told),
            looked: Instant::now(),
        })
    }

    /// Tells the end of a job to who waits for it here. A client that went away finds it in the job's record.
    pub(super) fn tell(&self, id: JobId, end: End) {
        self.tell_waiter(id, Told::End(Box::new(end)));
    }

    /// The same where the store knows the end.
    pub(super) fn tell_to_look(&self, id: JobId) {
        self.tell_waiter(id, Told::Look);
    }

    fn tell_waiter(&self, id: JobId, told: Told) {
        let waiter = lock(&self.waiters.0).remove(&id);
        if let Some(waiter) = waiter {
            // It may have gone away just now.
            drop(waiter.send(told));
        }
    }

    /// Jobs that somebody waits for here and that are not under way here.
    pub(super) fn not_under_way(&self) -> Vec<JobId> {
        self.mark_not_under_way(|_| {})
    }

    /// The same; `mark` is called with them before any of them can be told its end.
    pub(super) fn mark_not_under_way(&self, mark: impl FnOnce(&[JobId])) -> Vec<JobId> {
        let current = lock(&self.current);
        let waiters = lock(&self.waiters.0);
        let is_under_way = |id: &JobId| current.iter().any(|current| current.id == *id);
        let waiting: Vec<JobId> = waiters
            .keys()
            .filter(|id| !is_under_way(id))
            .copied()
            .collect();
        mark(&waiting);
        waiting
    }

    /// The end of a job by its record; `None` while it has none, or the store does not say.
    fn look(&self, id: JobId) -> Option<End> {
        let found = self.store.job(None, id).and_then(|job| {
            let Some(job) = job else { return Ok(None) };
            Ok(Some((self.store.balance(job.account)?, job)))
        });
        match found {
            Ok(Some((balance, job))) if job.status.is_final() => {
                let refusal = job.result.is_none().then(|| told::of(&job));
                Some(Ok(Finished {
                    job: Box::new(job),
                    balance,
                    refusal,
                }))
            }
            Ok(Some(_)) => None,
            Ok(None) => Some(Err(Refusal::internal(
                "a job was dropped without an end",
                &id,
            ))),
            Err(error) => {
                self.store_failed(&error, "the end of a job could not be looked for");
                None
            }
        }
    }
}
