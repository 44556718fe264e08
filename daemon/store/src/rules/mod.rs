//! What every back end decides alike between its statements. There is no SQL here and no state.

pub(crate) mod accepting;
pub(crate) mod credits;
pub(crate) mod ending;
pub(crate) mod idempotency;
pub(crate) mod keys;
