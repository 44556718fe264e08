//! Rows of models.

use cleanplate_api::admin::{LoadState, ModelRow, TaskKind, TaskState};

use crate::config::Role;
use crate::text;
use crate::widget::table::{Column, Row, SortKey};

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
pub fn model_task(model: &ModelRow) -> String {
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
            format!(
                "{kind}: {} {share:.0} % of {}",
                task.phase,
                text::bytes(task.total_bytes)
            )
        }
        TaskState::Running => format!("{kind}: {} {}", task.phase, text::bytes(task.done_bytes)),
        TaskState::Done => format!("{kind}: done"),
        TaskState::Failed => format!(
            "{kind} failed: {}",
            task.error.as_deref().unwrap_or("no reason given")
        ),
    }
}

fn task_role(model: &ModelRow) -> Role {
    match (&model.task.as_ref().map(|task| task.state), &model.error) {
        (Some(TaskState::Failed), _) | (None, Some(_)) => Role::Bad,
        (Some(TaskState::Running), _) => Role::Busy,
        _ => Role::Dim,
    }
}

impl Row for ModelRow {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "Name",
            width: 12,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| r.name.clone(),
            key: |r| SortKey::text(&r.name),
            role: |_| Role::Text,
        },
        Column {
            title: "State",
            width: 8,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| load_state(r).0.to_string(),
            key: |r| SortKey::text(load_state(r).0),
            role: |r| load_state(r).1,
        },
        Column {
            title: "Size",
            width: 9,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, _| text::bytes(r.bytes),
            key: |r| SortKey::whole(r.bytes as i64),
            role: |_| Role::Text,
        },
        Column {
            title: "SHA-256",
            width: 12,
            grow: 0,
            drop: 2,
            right: false,
            text: |r, _| r.sha256.chars().take(12).collect(),
            key: |r| SortKey::text(&r.sha256),
            role: |_| Role::Dim,
        },
        Column {
            title: "Task",
            width: 16,
            grow: 3,
            drop: 1,
            right: false,
            text: |r, _| model_task(r),
            key: |r| SortKey::text(&model_task(r)),
            role: task_role,
        },
        Column {
            title: "Where",
            width: 8,
            grow: 0,
            drop: 5,
            right: false,
            text: |r, _| if r.embedded { "embedded" } else { "file" }.to_string(),
            key: |r| SortKey::whole(r.embedded.into()),
            role: |_| Role::Dim,
        },
        Column {
            title: "Arch",
            width: 10,
            grow: 0,
            drop: 4,
            right: false,
            text: |r, _| r.arch.clone(),
            key: |r| SortKey::text(&r.arch),
            role: |_| Role::Dim,
        },
        Column {
            title: "Pipelines",
            width: 14,
            grow: 1,
            drop: 3,
            right: false,
            text: |r, _| r.pipelines.join(" "),
            key: |r| SortKey::whole(r.pipelines.len() as i64),
            role: |_| Role::Text,
        },
        Column {
            title: "Licence",
            width: 12,
            grow: 0,
            drop: 6,
            right: false,
            text: |r, _| r.licence.clone(),
            key: |r| SortKey::text(&r.licence),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> String {
        self.name.clone()
    }
}
