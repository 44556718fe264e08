//! Rows of models.

use cleanplate_api::admin::{LoadState, ModelRow, TaskKind, TaskState};

use crate::config::Role;
use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

fn load_state(model: &ModelRow) -> (&'static str, Role) {
    match model.state {
        LoadState::Absent => ("absent", Role::Dim),
        LoadState::Unloaded => ("on disk", Role::Text),
        LoadState::Loading => ("loading", Role::Busy),
        LoadState::Loaded => ("loaded", Role::Good),
        LoadState::Failed => ("failed", Role::Bad),
    }
}

/// What is being done with a model, or how it ended.
pub fn task(model: &ModelRow) -> String {
    let Some(task) = &model.task else {
        return model.error.clone().unwrap_or_default();
    };
    let kind = match task.kind {
        TaskKind::Pull => "pull",
        TaskKind::Import => "import",
        TaskKind::Verify => "verify",
    };
    match task.state {
        TaskState::Running if task.total_bytes > 0 => {
            let share = task.done_bytes as f64 / task.total_bytes as f64 * 100.0;
            let total = text::bytes(task.total_bytes);
            format!("{kind}: {} {share:.0} % of {total}", task.phase)
        }
        TaskState::Running => format!("{kind}: {} {}", task.phase, text::bytes(task.done_bytes)),
        TaskState::Done => format!("{kind}: done"),
        TaskState::Failed => {
            let why = task.error.as_deref().unwrap_or("no reason given");
            format!("{kind} failed: {why}")
        }
    }
}

fn task_role(model: &ModelRow) -> Role {
    match (model.task.as_ref().map(|task| task.state), &model.error) {
        (Some(TaskState::Failed), _) | (None, Some(_)) => Role::Bad,
        (Some(TaskState::Running), _) => Role::Busy,
        _ => Role::Dim,
    }
}

type Col = Column<ModelRow>;

impl Row for ModelRow {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::text("Name", 12, |r| r.name.clone()),
        Col::text("State", 8, |r| load_state(r).0.to_string()).role(|r| load_state(r).1),
        Col::shown(
            "Size",
            9,
            |r, _| text::bytes(r.bytes),
            |r| SortKey::whole(r.bytes as i64),
        )
        .right()
        .drop(1),
        Col::text("SHA-256", 12, |r| r.sha256.chars().take(12).collect())
            .drop(2)
            .dim(),
        Col::text("Task", 16, task).grow(3).drop(1).role(task_role),
        Col::shown(
            "Where",
            8,
            |r, _| if r.embedded { "embedded" } else { "file" }.to_string(),
            |r| SortKey::whole(r.embedded.into()),
        )
        .drop(5)
        .dim(),
        Col::text("Arch", 10, |r| r.arch.clone()).drop(4).dim(),
        Col::shown(
            "Pipelines",
            14,
            |r, _| r.pipelines.join(" "),
            |r| SortKey::whole(r.pipelines.len() as i64),
        )
        .grow(1)
        .drop(3),
        Col::text("Licence", 12, |r| r.licence.clone())
            .drop(6)
            .dim(),
    ];
    fn id(&self) -> String {
        self.name.clone()
    }
}
