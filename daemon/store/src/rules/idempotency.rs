//! What a kept idempotency key means for a request.

use crate::idempotency::{Idempotency, Reply};
use crate::jobs::{Accept, Job};
use crate::{BatchId, JobId, UnixMs};

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Job(JobId),
    Batch(BatchId),
}

impl Target {
    /// Of the two columns, of which one is filled.
    pub(crate) fn of(job: Option<JobId>, batch: Option<BatchId>) -> Option<Self> {
        match (job, batch) {
            (Some(job), None) => Some(Self::Job(job)),
            (None, Some(batch)) => Some(Self::Batch(batch)),
            _ => None,
        }
    }

    /// The two columns.
    pub(crate) fn columns(self) -> (Option<JobId>, Option<BatchId>) {
        match self {
            Self::Job(job) => (Some(job), None),
            Self::Batch(batch) => (None, Some(batch)),
        }
    }
}

/// A kept key as it is read.
pub(crate) struct KeptKey {
    pub(crate) request_hash: [u8; 32],
    pub(crate) target: Target,
    /// Whether the target has ended: the job is final, the batch answered.
    pub(crate) ended: bool,
    pub(crate) reply: Option<Reply>,
    pub(crate) expires_at_ms: UnixMs,
}

impl KeptKey {
    /// The earlier use that it tells of; `None` when it expired and nothing runs under it, so that it can be forgotten.
    pub(crate) fn earlier(self, wish: &Idempotency, now_ms: UnixMs) -> Option<Earlier> {
        if self.expires_at_ms <= now_ms && (self.ended || self.reply.is_some()) {
            return None;
        }
        Some(match self.reply {
            _ if self.request_hash != wish.request_hash => Earlier::OtherRequest,
            Some(reply) => Earlier::Replied(reply),
            None if self.ended => Earlier::Ended(self.target),
            None => Earlier::Running(self.target),
        })
    }
}

/// What is known of an earlier use of a key.
pub(crate) enum Earlier {
    /// It was another request.
    OtherRequest,
    /// It was answered with this.
    Replied(Reply),
    /// It has no reply and its target has not ended.
    Running(Target),
    /// It has no reply and its target has ended.
    Ended(Target),
}

impl Earlier {
    /// What the request for a job is answered; `job` reads the one that is done.
    pub(crate) fn answer<E>(self, job: impl FnOnce(JobId) -> Result<Job, E>) -> Result<Accept, E> {
        Ok(match self {
            Self::OtherRequest
            | Self::Running(Target::Batch(_))
            | Self::Ended(Target::Batch(_)) => Accept::KeyReused,
            Self::Replied(reply) => Accept::Replay(reply),
            Self::Running(Target::Job(id)) => Accept::InFlight(id),
            Self::Ended(Target::Job(id)) => Accept::Done(Box::new(job(id)?)),
        })
    }
}
