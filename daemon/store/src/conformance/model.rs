//! What a store must answer, in plain memory: one account, a few keys, requests that wish to be done once.

use std::collections::HashMap;

use super::PRICE;
use crate::{Balance, IDEMPOTENCY_KEEP_MS, JobId, JobStatus, Reply};

/// An idempotency key: which API key, which text.
pub(super) type Name = (usize, usize);

pub(super) struct ModelJob {
    pub(super) id: JobId,
    pub(super) name: Name,
    pub(super) status: JobStatus,
    pub(super) attempt: u32,
    pub(super) asynchronous: bool,
    pub(super) accepted_at_ms: i64,
}

struct Row {
    request: u8,
    job: usize,
    reply: Option<Reply>,
    expires_at_ms: i64,
}

/// The expected outcome of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Expected {
    Accepted,
    Replay(Reply),
    Done(JobId),
    InFlight(JobId),
    KeyReused,
    InsufficientCredits,
}

pub(super) struct Model {
    pub(super) balance: Balance,
    pub(super) jobs: Vec<ModelJob>,
    rows: HashMap<Name, Row>,
}

impl Model {
    pub(super) fn new(available: i64) -> Self {
        Self {
            balance: Balance { available, held: 0 },
            jobs: Vec::new(),
            rows: HashMap::new(),
        }
    }

    pub(super) fn request(
        &mut self,
        id: JobId,
        name: Name,
        request: u8,
        reply: Option<Reply>,
        now_ms: i64,
    ) -> Expected {
        if let Some(row) = self.rows.get(&name) {
            let job = &self.jobs[row.job];
            let running = !job.status.is_final() && row.reply.is_none();
            if row.expires_at_ms > now_ms || running {
                return match (&row.reply, job.status) {
                    _ if row.request != request => Expected::KeyReused,
                    (Some(reply), _) => Expected::Replay(reply.clone()),
                    (None, JobStatus::Completed) => Expected::Done(job.id),
                    (None, _) => Expected::InFlight(job.id),
                };
            }
        }
        if self.balance.available < PRICE {
            return Expected::InsufficientCredits;
        }
        self.balance.available -= PRICE;
        self.balance.held += PRICE;
        let asynchronous = reply.is_some();
        self.rows.insert(
            name,
            Row {
                request,
                job: self.jobs.len(),
                reply,
                expires_at_ms: now_ms + IDEMPOTENCY_KEEP_MS,
            },
        );
        self.jobs.push(ModelJob {
            id,
            name,
            status: JobStatus::Pending,
            attempt: 0,
            asynchronous,
            accepted_at_ms: now_ms,
        });
        Expected::Accepted
    }

    pub(super) fn claim(&mut self, job: usize) -> bool {
        let job = &mut self.jobs[job];
        let free = job.status == JobStatus::Pending;
        if free {
            job.status = JobStatus::Processing;
            job.attempt += 1;
        }
        free
    }

    pub(super) fn is_current(&self, job: usize, attempt: u32) -> bool {
        self.jobs[job].status == JobStatus::Processing && self.jobs[job].attempt == attempt
    }

    pub(super) fn finish(&mut self, job: usize, credits: i64, reply: Option<Reply>) {
        self.jobs[job].status = JobStatus::Completed;
        self.balance.held -= PRICE;
        self.balance.available += PRICE - credits;
        if let Some(row) = self.row_of(job)
            && row.reply.is_none()
        {
            row.reply = reply;
        }
    }

    pub(super) fn fail(&mut self, job: usize, reply: Option<Reply>) {
        self.jobs[job].status = JobStatus::Failed;
        self.balance.held -= PRICE;
        self.balance.available += PRICE;
        let name = self.jobs[job].name;
        let Some(row) = self.row_of(job) else { return };
        match reply {
            Some(reply) => {
                row.reply.get_or_insert(reply);
            }
            None => {
                self.rows.remove(&name);
            }
        }
    }

    pub(super) fn requeue(&mut self, job: usize) {
        self.jobs[job].status = JobStatus::Pending;
    }

    pub(super) fn restart(&mut self, attempts_max: u32) {
        for job in 0..self.jobs.len() {
            let ModelJob {
                status,
                asynchronous,
                attempt,
                ..
            } = self.jobs[job];
            match (status, asynchronous) {
                (JobStatus::Pending | JobStatus::Processing, false) => self.fail(job, None),
                (JobStatus::Processing, true) if attempt >= attempts_max => self.fail(job, None),
                (JobStatus::Processing, true) => self.requeue(job),
                _ => {}
            }
        }
    }

    /// Two completed jobs of one idempotency key must lie further apart than the key is kept.
    pub(super) fn charged_twice(&self) -> bool {
        let completed: Vec<&ModelJob> = self
            .jobs
            .iter()
            .filter(|job| job.status == JobStatus::Completed)
            .collect();
        completed.iter().enumerate().any(|(index, one)| {
            let near = |other: &&&ModelJob| {
                other.name == one.name
                    && other.accepted_at_ms - one.accepted_at_ms < IDEMPOTENCY_KEEP_MS
            };
            completed[index + 1..].iter().any(|other| near(&other))
        })
    }

    fn row_of(&mut self, job: usize) -> Option<&mut Row> {
        let name = self.jobs[job].name;
        self.rows.get_mut(&name).filter(|row| row.job == job)
    }
}
