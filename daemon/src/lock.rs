//! Taking a lock whether or not somebody panicked while they held it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The value behind `mutex`. For values that are whole between any two statements, so that a panic elsewhere says nothing
/// about them: one failed request must not take the rest of the daemon with it.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
