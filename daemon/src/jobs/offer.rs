//! Offering jobs to the queue: pictures are kept first, so that whoever claims the job finds them.

use std::sync::Arc;
use std::time::Instant;

use cleanplate_store::{Accept, NewJob, QueueLimits};

use super::waiter::JobWaiter;
use super::{Jobs, lock};
use crate::files::{Blobs, Inputs, remove_inputs};
use crate::refusal::Refusal;

/// What happened to a job that was offered to the queue.
pub enum Offered {
    /// It waits, its price held.
    Accepted(JobWaiter),
    /// It was not taken; nothing was held. It is handed back for another try.
    Declined(Accept, Box<Offer>),
}

/// A job that somebody waits for, with its pictures. They go with it unless it is accepted.
pub struct Offer {
    new: NewJob,
    /// The pictures, until they are kept.
    inputs: Option<Inputs>,
    blobs: Arc<Blobs>,
    accepted: bool,
}

impl Drop for Offer {
    fn drop(&mut self) {
        if !self.accepted && self.inputs.is_none() {
            let (blobs, id) = (self.blobs.clone(), self.new.id);
            let remove = move || remove_inputs(&blobs, id);
            match tokio::runtime::Handle::try_current() {
                // It may be dropped by a thread that serves others, and a store of files elsewhere takes its time.
                Ok(serving) if !self.blobs.is_private() => drop(serving.spawn_blocking(remove)),
                _ => remove(),
            }
        }
    }
}

impl Offer {
    /// Keeps the pictures. They need not survive a power cut: nothing was promised to whoever waits.
    fn keep(&mut self) -> Result<(), Refusal> {
        let Some(inputs) = self.inputs.take() else {
            return Ok(());
        };
        Ok(inputs.keep_passing(&self.blobs, self.new.id)?)
    }
}

impl Jobs {
    /// A job whose `request` is a [`super::Recipe`], with its pictures, to be [offered](Jobs::offer).
    pub fn prepare(&self, new: NewJob, inputs: Inputs) -> Offer {
        Offer {
            new,
            inputs: Some(inputs),
            blobs: self.blobs.clone(),
            accepted: false,
        }
    }

    /// Keeps the pictures, reserves the price and queues the job, or says why not. Blocks.
    pub fn offer(self: &Arc<Self>, mut offer: Offer) -> Result<Offered, Refusal> {
        let id = offer.new.id;
        self.admit(&offer.new)?;
        self.reserve_for(&offer.new)?;
        let kept = offer.keep();
        // Somebody waits before it is in the store: it may be claimed and end the moment it is accepted.
        let waiter = kept.and_then(|()| self.wait_for(id));
        let waiter = waiter.inspect_err(|_| drop(lock(&self.reservations).remove(&id)))?;
        let accepted = self.store.accept(&offer.new, &self.queue_limits(0));
        if let Ok(Accept::Accepted { .. }) = accepted {
            offer.accepted = true;
            let given_up = lock(&self.given_up).remove(&id);
            if let Some(why) = given_up {
                // What could not be recorded is recorded later.
                drop(self.cancel_given_up(id, why));
            }
            self.wake_one();
            return Ok(Offered::Accepted(waiter));
        }
        // Nobody waits first: a job that nobody waits for is given up no more.
        drop(waiter);
        lock(&self.reservations).remove(&id);
        if let Some(why) = lock(&self.given_up).remove(&id) {
            return Err(why.refusal);
        }
        let declined = accepted.map_err(|error| self.refuse(&error))?;
        Ok(Offered::Declined(declined, Box::new(offer)))
    }

    /// Keeps the inputs, reserves the price and queues an asynchronous job whose `request` is a [`super::Recipe`]; or says why
    /// not. `beyond` more jobs of the key may be in flight than usual: the pairs of a batch wait together. Blocks.
    pub fn enqueue(&self, new: &NewJob, inputs: Inputs, beyond: u32) -> Result<Accept, Refusal> {
        self.admit(new)?;
        self.reserve_for(new)?;
        let kept = inputs.keep(&self.blobs, new.id).map_err(Refusal::from);
        let accepted = kept.and_then(|()| {
            let accepted = self.store.accept(new, &self.queue_limits(beyond));
            accepted.map_err(|error| self.refuse(&error))
        });
        if let Ok(Accept::Accepted { .. }) = accepted {
            self.wake_one();
        } else {
            remove_inputs(&self.blobs, new.id);
            lock(&self.reservations).remove(&new.id);
        }
        accepted
    }

    /// Why no job of this account is taken now, if so.
    fn admit(&self, new: &NewJob) -> Result<(), Refusal> {
        if let Some(refusal) = self.closed() {
            return Err(refusal);
        }
        // Pairs of a folder have no key: they are the operator's.
        if new.key.is_some() {
            self.failures.admit(new.account, Instant::now())?;
        }
        Ok(())
    }

    fn reserve_for(&self, new: &NewJob) -> Result<(), Refusal> {
        let size = (new.original_width, new.original_height);
        self.reserve(new.id, size, &new.request)
    }

    /// Bounds of the queue; `beyond` more jobs of a key may be in flight.
    pub(super) fn queue_limits(&self, beyond: u32) -> QueueLimits {
        let queue = &self.config.queue;
        QueueLimits {
            pending_max: queue.length_max as u32,
            in_flight_per_key_max: queue.per_key_in_flight_max + beyond,
        }
    }
}
