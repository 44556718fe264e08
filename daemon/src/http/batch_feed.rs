//! Feeds the pairs of a batch to the queue, as many at a time as the key may have in flight.

use std::time::{Duration, Instant};

use cleanplate_store::{Accept, BatchId, BatchSlot, Failure};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::batch_upload::PAIRS_MAX;
use super::check::Checked;
use super::order::{Order, Original};
use crate::blocking::blocking;
use crate::jobs::{End, Offered};
use crate::refusal::Refusal;

/// Pause before a full queue is tried again when no pair of the batch is in flight.
const PAUSE: Duration = Duration::from_millis(100);

/// A pair and its place.
pub struct Slot {
    /// Position in the batch, from 0.
    pub index: u32,
    /// The photo.
    pub original: Original,
    /// The pictures, or why the pair cannot be done.
    pub pair: Result<Checked, Refusal>,
}

/// How feeding ended.
pub enum Fed {
    /// Every pair has ended or is noted as failed.
    All,
    /// The daemon takes no more jobs; the pairs that were left are noted as failed.
    Cut,
    /// Not even the first pair was taken; nothing was noted.
    Refused(Refusal),
    /// The end of a pair could not be recorded: what became of the batch shows later.
    Unrecorded(Refusal),
}

/// Feeds one batch.
pub struct Feeder<'a> {
    order: &'a Order,
    batch: BatchId,
    in_flight: FuturesUnordered<LocalBoxFuture<'static, End>>,
    /// Whether the batch has a job, so that later pairs fail alone.
    begun: bool,
    cut: Option<Refusal>,
    unrecorded: Option<Refusal>,
    /// Pairs that failed and are not noted yet.
    bad: Vec<(u32, Original, Refusal)>,
}

impl<'a> Feeder<'a> {
    /// A feeder of this batch; `begun` when it already has jobs.
    pub fn new(order: &'a Order, batch: BatchId, begun: bool) -> Self {
        Feeder {
            order,
            batch,
            in_flight: FuturesUnordered::new(),
            begun,
            cut: None,
            unrecorded: None,
            bad: Vec::new(),
        }
    }

    /// Feeds all slots and waits for their ends.
    pub async fn run(mut self, slots: Vec<Slot>) -> Result<Fed, Refusal> {
        for Slot {
            index,
            original,
            pair,
        } in slots
        {
            match (pair, self.cut.clone()) {
                (Err(refusal), _) | (Ok(_), Some(refusal)) => {
                    self.bad.push((index, original, refusal))
                }
                (Ok(checked), None) => {
                    if let Some(refusal) = self.feed(index, original, checked).await? {
                        return Ok(Fed::Refused(refusal));
                    }
                }
            }
            // Before the first pair is taken nothing may be noted: the batch may still be refused as a whole.
            if self.begun {
                self.note_bad().await?;
            }
        }
        while self.next_end().await {}
        if let Some(refusal) = self.unrecorded {
            return Ok(Fed::Unrecorded(refusal));
        }
        self.note_bad().await?;
        Ok(if self.cut.is_some() {
            Fed::Cut
        } else {
            Fed::All
        })
    }

    /// Waits for the end of a pair. `false` when none is in flight.
    async fn next_end(&mut self) -> bool {
        let Some(end) = self.in_flight.next().await else {
            return false;
        };
        if let Err(refusal) = end {
            self.cut = Some(refusal.clone());
            self.unrecorded = Some(refusal);
        }
        true
    }

    /// Offers a pair until it is taken or noted as bad. `Some` when the batch as a whole is refused.
    async fn feed(
        &mut self,
        index: u32,
        original: Original,
        checked: Checked,
    ) -> Result<Option<Refusal>, Refusal> {
        let slot = BatchSlot {
            batch: self.batch,
            index,
        };
        if self.order.ask.tuning.asynchronous {
            return self.enqueue(slot, original, checked).await;
        }
        let new = self.order.job(&original, Some(slot), None);
        let mut offer = Box::new(self.order.offer(new, checked));
        let until = Instant::now() + self.order.app.config.queue.job_wall_max;
        loop {
            let jobs = self.order.app.jobs.clone();
            let refusal = match blocking(move || jobs.offer(*offer)).await? {
                Ok(Offered::Accepted(waiter)) => {
                    self.begun = true;
                    self.in_flight.push(waiter.end().boxed_local());
                    return Ok(None);
                }
                Ok(Offered::Declined(why, back)) => {
                    offer = back;
                    // A pair that ends may free credits or a place in the queue.
                    let freed = self.next_end().await;
                    let waits = self.begun
                        && matches!(
                            why,
                            Accept::QueueFull { .. } | Accept::TooManyInFlight { .. }
                        );
                    if freed || (waits && Instant::now() < until) {
                        if !freed {
                            tokio::time::sleep(PAUSE).await;
                        }
                        continue;
                    }
                    self.order.app.jobs.refusal(&why)
                }
                Err(refusal) => {
                    self.cut = Some(refusal.clone());
                    refusal
                }
            };
            if !self.begun {
                return Ok(Some(refusal));
            }
            self.bad.push((index, original, refusal));
            return Ok(None);
        }
    }

    /// Queues a pair that nobody waits for, or notes it as bad.
    async fn enqueue(
        &mut self,
        slot: BatchSlot,
        original: Original,
        checked: Checked,
    ) -> Result<Option<Refusal>, Refusal> {
        let refusal = match self
            .order
            .enqueue(
                self.order.job(&original, Some(slot), None),
                checked,
                PAIRS_MAX as u32,
            )
            .await
        {
            Ok(Accept::Accepted { .. }) => {
                self.begun = true;
                return Ok(None);
            }
            Ok(why) => self.order.app.jobs.refusal(&why),
            Err(refusal) => {
                self.cut = Some(refusal.clone());
                refusal
            }
        };
        if !self.begun {
            return Ok(Some(refusal));
        }
        self.bad.push((slot.index, original, refusal));
        Ok(None)
    }

    async fn note_bad(&mut self) -> Result<(), Refusal> {
        for (index, original, refusal) in std::mem::take(&mut self.bad) {
            let new = self.order.job(
                &original,
                Some(BatchSlot {
                    batch: self.batch,
                    index,
                }),
                None,
            );
            let failure = Failure::new(refusal.code.row().name.into(), refusal.text);
            self.order
                .app
                .store(move |store| store.record_failed(&new, &failure))
                .await?;
        }
        Ok(())
    }
}
