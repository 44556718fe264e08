//! A few connections that callers take in turn. The one that came back last is taken first, so that quiet times need few.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::address::PgAddress;
use super::failure::store_error;
use super::session::Session;
use crate::error::{Result, StoreError};

/// Longest wait for a connection that others have.
const WAIT_MAX: Duration = Duration::from_secs(10);

pub(super) struct Pool {
    address: PgAddress,
    connections_max: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Session>,
    /// Those in use and idle.
    open: usize,
    /// Raised when connections were found dead: those that are out then are not taken back.
    generation: u64,
}

/// The place of a connection among those that may be open; free again when the connection is dropped.
pub(super) struct Place {
    shared: Weak<Shared>,
    generation: u64,
}

impl Pool {
    pub(super) fn new(address: PgAddress, connections_max: usize) -> Self {
        Self {
            address,
            connections_max: connections_max.max(1),
            shared: Arc::default(),
        }
    }

    pub(super) fn address(&self) -> &PgAddress {
        &self.address
    }

    /// A connection: one that is free, a new one, or the next one to become free.
    pub(super) fn take(&self, operation: &'static str) -> Result<Session> {
        let end = Instant::now() + WAIT_MAX;
        let mut state = self.shared.state();
        loop {
            if let Some(session) = state.idle.pop() {
                if !session.is_closed() {
                    return Ok(session);
                }
                drop(state);
                drop(session);
                state = self.shared.state();
                continue;
            }
            if state.open < self.connections_max {
                state.open += 1;
                let place = Place {
                    shared: Arc::downgrade(&self.shared),
                    generation: state.generation,
                };
                drop(state);
                return Session::open(&self.address, Some(place))
                    .map_err(|error| store_error(operation, error));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StoreError::Busy { operation });
            }
            state = self
                .shared
                .freed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Gives a connection back that is in no transaction.
    pub(super) fn give_back(&self, session: Session) {
        let mut state = self.shared.state();
        let current = session
            .place()
            .is_some_and(|place| place.generation == state.generation);
        if current && !session.is_closed() {
            state.idle.push(session);
            drop(state);
            self.shared.freed.notify_one();
        } else {
            drop(state);
            drop(session);
        }
    }

    /// Drops the connections that are idle, and those that are out as soon as they come back: the server has gone.
    pub(super) fn forget(&self) {
        let mut state = self.shared.state();
        state.generation += 1;
        let dead = std::mem::take(&mut state.idle);
        drop(state);
        drop(dead);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.state().open -= 1;
            shared.freed.notify_one();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut self.shared.state().idle);
        // Closing a connection waits for it, which a thread of an asynchronous runtime must not.
        let closer = std::thread::Builder::new()
            .name("database-close".into())
            .spawn(move || drop(idle));
        if let Ok(closer) = closer {
            let _ = closer.join();
        }
    }
}
