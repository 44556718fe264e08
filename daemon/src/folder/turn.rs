//! Which of several processes works on a folder: the one that holds its lease. The lock inside the folder keeps others out too, where
//! the file system has locks.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use cleanplate_basics::lock;
use cleanplate_store::Store;

use crate::jobs::Jobs;

/// Pause before another process's lease is asked for again.
const ASK: Duration = Duration::from_secs(1);

/// The lease of one folder.
pub struct Turn {
    lease: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When it was asked for last, and what was answered.
    asked: Option<(Instant, Result<(), String>)>,
    /// When it was last renewed.
    renewed: Option<Instant>,
}

impl Turn {
    /// Of the folder of this name, not taken yet.
    pub fn new(folder: &str) -> Turn {
        Turn {
            lease: format!("folder {folder}"),
            state: Mutex::default(),
        }
    }

    /// Takes the lease, or renews it at a third of its span; or why the folder is not ours now.
    pub fn keep(&self, store: &dyn Store, jobs: &Jobs) -> Result<(), String> {
        let span = Duration::from_millis(jobs.lease_ms().unsigned_abs());
        let mut state = lock(&self.state);
        if let Some((at, answer)) = &state.asked
            && at.elapsed() < answer.as_ref().map_or(ASK, |()| span / 3)
        {
            return answer.clone();
        }
        // Before it is asked: the span of the answer begins no earlier.
        let now = Instant::now();
        let answer = match store.lease(&self.lease, jobs.name(), jobs.lease_ms()) {
            Ok(true) => {
                state.renewed = Some(now);
                Ok(())
            }
            Ok(false) => Err("another process works on this folder".to_string()),
            // Nobody else gets it before its end.
            Err(_) if state.renewed.is_some_and(|at| at.elapsed() < span / 2) => return Ok(()),
            Err(error) => Err(error.to_string()),
        };
        state.asked = Some((now, answer.clone()));
        answer
    }

    /// Gives it back, so that another process goes on at once.
    pub fn end(&self, store: &dyn Store, jobs: &Jobs) {
        if let Err(error) = store.end_lease(&self.lease, jobs.name()) {
            jobs.store_failed(&error, "the lease of a hot folder could not be given back");
        }
    }
}
