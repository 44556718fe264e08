//! What stands against a new job.

use crate::accounts::Balance;
use crate::error::Result;
use crate::jobs::{Accept, BatchSlot, Job, QueueLimits};
use crate::{AccountId, Credits, KeyId, limits};

/// Who takes turns with others: the key, or minus the account where there is no key.
pub(crate) fn lane(account: AccountId, key: Option<KeyId>) -> i64 {
    key.map_or(-account.0, |key| key.0)
}

/// Why there is no place in the queue, if so: pending jobs altogether, and pending and processing ones of the lane.
pub(crate) fn full(bounds: &QueueLimits, pending: u32, in_flight: u32) -> Option<Accept> {
    let (pending_max, in_flight_max) = (bounds.pending_max, bounds.in_flight_per_key_max);
    if pending >= pending_max {
        return Some(Accept::QueueFull { pending_max });
    }
    (in_flight >= in_flight_max).then_some(Accept::TooManyInFlight { in_flight_max })
}

/// Why the price cannot be held, if so.
pub(crate) fn short(account: Balance, price: Credits) -> Option<Accept> {
    let available = account.available;
    (available < price).then_some(Accept::InsufficientCredits { available, price })
}

/// A slot must lie within its batch, which must be the account's, and hold no job that is running or done.
pub(crate) fn slot(
    operation: &'static str,
    BatchSlot { index, .. }: BatchSlot,
    (owner, pairs): (AccountId, u32),
    account: AccountId,
    taken: bool,
) -> Result<()> {
    let problem = if owner != account || index >= pairs {
        format!(
            "slot {index} of a batch of {pairs} pairs of account {owner} is not one of account {account}"
        )
    } else if taken {
        format!("slot {index} has a job that did not fail")
    } else {
        return Ok(());
    };
    Err(limits::invalid(operation, "batch", problem))
}

/// The jobs that changed.
pub(crate) fn changed(outcome: &Accept) -> Vec<&Job> {
    match outcome {
        Accept::Accepted { job, .. } => vec![&**job],
        _ => Vec::new(),
    }
}
