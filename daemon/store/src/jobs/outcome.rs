//! What became of an operation on a job.

use super::{Job, JobStatus};
use crate::accounts::Balance;
use crate::idempotency::Reply;
use crate::{Credits, JobId};

/// What became of a job to be accepted. Only `Accepted` changed anything.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Accept {
    /// Accepted, pending, its price held.
    Accepted {
        /// The job.
        job: Box<Job>,
        /// The account after the hold.
        balance: Balance,
    },
    /// The same request was answered before with this.
    Replay(Reply),
    /// The same request was completed before, its reply was not kept: it follows from the job.
    Done(Box<Job>),
    /// The same request is under way (409).
    InFlight(JobId),
    /// The idempotency key was used for another request (422).
    KeyReused,
    /// Not enough credits (402).
    InsufficientCredits {
        /// Credits available.
        available: Credits,
        /// Credits needed.
        price: Credits,
    },
    /// Too many pending jobs (429).
    QueueFull {
        /// The bound.
        pending_max: u32,
    },
    /// Too many jobs of this key in flight (429).
    TooManyInFlight {
        /// The bound.
        in_flight_max: u32,
    },
    /// The API key was revoked or expired since it was checked (401).
    KeyRefused,
}

/// What became of the end of a job.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Ended {
    /// This call ended the job.
    Now {
        /// The job, final.
        job: Box<Job>,
        /// The account after settling or releasing.
        balance: Balance,
    },
    /// Someone else has, or another attempt is running; nothing was changed. The caller drops its files.
    Stale {
        /// Where the job stands.
        status: JobStatus,
        /// Its attempt.
        attempt: u32,
    },
}
