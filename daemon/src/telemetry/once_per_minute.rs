//! Log lines about what lasts: one a minute, however often it is met.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use cleanplate_store::StoreError;

use cleanplate_basics::lock;

static FULL: OncePerMinute = OncePerMinute::new();
static AWAY: OncePerMinute = OncePerMinute::new();
static LOCKED: OncePerMinute = OncePerMinute::new();

/// Tells that there is no room on a disk, wherever that was met.
pub fn tell_full(what: &str) {
    if let Some(left_out) = FULL.due() {
        tracing::error!(left_out, "{what}");
    }
}

/// Tells that the store of files is not reached, wherever that was met.
pub fn tell_files_away(what: &str) {
    if let Some(left_out) = AWAY.due() {
        tracing::error!(left_out, "{what}");
    }
}

/// Tells what could not be done and why.
pub fn tell_store_error(error: &StoreError, what: &str) {
    match error {
        StoreError::Full { .. } => tell_full(&error.to_string()),
        StoreError::Busy { .. } | StoreError::Unavailable { .. } => {
            if let Some(left_out) = LOCKED.due() {
                tracing::error!(left_out, "{error}");
            }
        }
        _ => tracing::error!(%error, "{what}"),
    }
}

/// Pause between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// Lets one line a minute through.
#[derive(Debug)]
struct OncePerMinute(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl OncePerMinute {
    /// Nothing was said yet.
    const fn new() -> OncePerMinute {
        OncePerMinute(Mutex::new(State {
            last: None,
            left_out: 0,
        }))
    }

    /// How many lines were left out since the last one, when the next may be written now.
    fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut state = lock(&self.0);
        if state.last.is_some_and(|last| now - last < PAUSE) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_tells_how_many_it_stands_for() {
        let (lines, start) = (OncePerMinute::new(), Instant::now());
        assert_eq!(lines.due_at(start), Some(0));
        let said = (1..600).filter_map(|tenth| lines.due_at(start + PAUSE / 600 * tenth));
        assert_eq!(said.count(), 0);
        assert_eq!(lines.due_at(start + PAUSE), Some(599));
        assert_eq!(lines.due_at(start + PAUSE * 3), Some(0));
    }
}
