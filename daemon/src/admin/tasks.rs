//! What is done with models in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use cleanplate_api::admin::{ModelTask, TaskKind, TaskState};
use cleanplate_basics::lock;

use crate::clock::now_ms;

/// Most tasks under way.
const RUNNING_MAX: usize = 4;

#[derive(Default)]
struct State {
    /// The task of a model, under way or the last one.
    tasks: BTreeMap<String, ModelTask>,
    loading: BTreeSet<String>,
    failed: BTreeMap<String, String>,
}

/// Tasks by model.
#[derive(Default)]
pub struct Tasks(Mutex<State>);

/// Why a task was not begun.
#[derive(Debug, PartialEq, Eq)]
pub enum Busy {
    /// The model has one.
    Model,
    /// There are too many.
    All,
}

impl Tasks {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Begins a task.
    pub fn begin(&self, model: &str, kind: TaskKind) -> Result<(), Busy> {
        let mut state = self.state();
        let is_running = |task: &ModelTask| task.state == TaskState::Running;
        if state.tasks.get(model).is_some_and(is_running) {
            return Err(Busy::Model);
        }
        if state.tasks.values().filter(|task| is_running(task)).count() >= RUNNING_MAX {
            return Err(Busy::All);
        }
        let task = ModelTask {
            kind,
            state: TaskState::Running,
            phase: String::new(),
            done_bytes: 0,
            total_bytes: 0,
            error: None,
            started_at_ms: now_ms(),
            finished_at_ms: None,
        };
        state.tasks.insert(model.to_string(), task);
        Ok(())
    }

    /// Notes how far it is.
    pub fn progress(&self, model: &str, phase: String, done_bytes: u64, total_bytes: u64) {
        if let Some(task) = self.state().tasks.get_mut(model) {
            (task.phase, task.done_bytes, task.total_bytes) = (phase, done_bytes, total_bytes);
        }
    }

    /// Notes its end.
    pub fn end(&self, model: &str, error: Option<String>) {
        if let Some(task) = self.state().tasks.get_mut(model) {
            task.state = if error.is_some() {
                TaskState::Failed
            } else {
                TaskState::Done
            };
            (task.error, task.finished_at_ms) = (error, Some(now_ms()));
        }
    }

    /// The task of a model.
    pub fn of(&self, model: &str) -> Option<ModelTask> {
        self.state().tasks.get(model).cloned()
    }

    /// Notes that a model is being loaded, or no longer.
    pub fn set_loading(&self, model: &str, loading: bool) {
        let mut state = self.state();
        if loading {
            state.loading.insert(model.to_string())
        } else {
            state.loading.remove(model)
        };
    }

    /// Whether it is.
    pub fn is_loading(&self, model: &str) -> bool {
        self.state().loading.contains(model)
    }

    /// Notes why a model could not be loaded; `None` when it could.
    pub fn set_failed(&self, model: &str, why: Option<String>) {
        let mut state = self.state();
        match why {
            Some(why) => drop(state.failed.insert(model.to_string(), why)),
            None => drop(state.failed.remove(model)),
        }
    }

    /// Why it could not be loaded.
    pub fn failed(&self, model: &str) -> Option<String> {
        self.state().failed.get(model).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_one_task_at_a_time() {
        let tasks = Tasks::default();
        tasks.begin("a", TaskKind::Pull).unwrap();
        assert_eq!(tasks.begin("a", TaskKind::Verify), Err(Busy::Model));
        tasks.progress("a", "download".to_string(), 3, 9);
        tasks.end("a", Some("no route".to_string()));
        let task = tasks.of("a").unwrap();
        assert_eq!(
            (task.state, task.done_bytes, task.error.as_deref()),
            (TaskState::Failed, 3, Some("no route"))
        );
        tasks.begin("a", TaskKind::Verify).unwrap();
        for model in ["b", "c", "d"] {
            tasks.begin(model, TaskKind::Verify).unwrap();
        }
        assert_eq!(tasks.begin("e", TaskKind::Verify), Err(Busy::All));
    }
}
