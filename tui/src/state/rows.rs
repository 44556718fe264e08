//! What tables show of each kind of row. All of it is text from outside and is made safe where it is drawn.

use cleanplate_api::admin::{
    AccountRow, JobRow, KeyRow, KeyState, LedgerCause, LedgerRow, LoadState, LogLevel, LogLine, ModelRow, TaskKind, TaskState,
};
use cleanplate_api::{FolderStatus, JobStatus};

use crate::config::Role;
use crate::text;
use crate::widget::table::{Column, Row, SortKey};

/// The first characters of an id: enough to tell jobs apart by eye.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Name of a job's state.
pub fn status(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Pending => "pending",
        JobStatus::Processing => "processing",
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
    }
}

/// Style of a job's state.
pub fn status_role(status: JobStatus) -> Role {
    match status {
        JobStatus::Pending => Role::Dim,
        JobStatus::Processing => Role::Busy,
        JobStatus::Completed => Role::Good,
        JobStatus::Failed => Role::Bad,
    }
}

/// Time that a job has taken so far, or took.
pub fn job_span_ms(job: &JobRow, now_ms: i64) -> Option<f64> {
    let running = || job.started_at_ms.map(|started| (now_ms - started).max(0) as f64);
    match job.status {
        JobStatus::Pending => None,
        JobStatus::Processing => running(),
        _ => job.processing_ms.or_else(|| job.finished_at_ms.map(|end| (end - job.created_at_ms).max(0) as f64)),
    }
}

/// What a job is doing, or why it failed.
fn job_note(job: &JobRow) -> String {
    match (&job.error, &job.stage, job.fraction) {
        (Some(error), ..) => format!("{}: {error}", job.error_code.as_deref().unwrap_or("failed")),
        (None, Some(stage), Some(fraction)) => format!("{stage} {:.0} %", fraction * 100.0),
        (None, Some(stage), None) => stage.clone(),
        _ if job.attempt > 1 => format!("attempt {}", job.attempt),
        _ => String::new(),
    }
}

impl Row for JobRow {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "Age",
            width: 4,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, now| text::age(r.created_at_ms, now),
            key: |r| SortKey::whole(r.created_at_ms),
            role: |_| Role::Dim,
        },
        Column {
            title: "Job",
            width: 8,
            grow: 0,
            drop: 3,
            right: false,
            text: |r, _| short(&r.id),
            key: |r| SortKey::text(&r.id),
            role: |_| Role::Text,
        },
        Column {
            title: "Status",
            width: 10,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| status(r.status).to_string(),
            key: |r| SortKey::text(status(r.status)),
            role: |r| status_role(r.status),
        },
        Column {
            title: "Time",
            width: 7,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, now| job_span_ms(r, now).map(text::span_ms).unwrap_or_default(),
            key: |r| SortKey::Number(job_span_ms(r, 0).unwrap_or(-1.0)),
            role: |_| Role::Text,
        },
        Column {
            title: "File",
            width: 16,
            grow: 2,
            drop: 0,
            right: false,
            text: |r, _| r.input_filename.clone().unwrap_or_default(),
            key: |r| SortKey::text(r.input_filename.as_deref().unwrap_or("")),
            role: |_| Role::Text,
        },
        Column {
            title: "Size",
            width: 9,
            grow: 0,
            drop: 6,
            right: true,
            text: |r, _| format!("{}x{}", r.width, r.height),
            key: |r| SortKey::whole(i64::from(r.width) * i64::from(r.height)),
            role: |_| Role::Dim,
        },
        Column {
            title: "Pipeline",
            width: 10,
            grow: 0,
            drop: 5,
            right: false,
            text: |r, _| r.pipeline.clone(),
            key: |r| SortKey::text(&r.pipeline),
            role: |_| Role::Text,
        },
        Column {
            title: "Acct",
            width: 5,
            grow: 0,
            drop: 7,
            right: true,
            text: |r, _| r.account_id.to_string(),
            key: |r| SortKey::whole(r.account_id),
            role: |_| Role::Dim,
        },
        Column {
            title: "Cred",
            width: 4,
            grow: 0,
            drop: 8,
            right: true,
            text: |r, _| if r.credits_used > 0 { r.credits_used.to_string() } else { String::new() },
            key: |r| SortKey::whole(r.credits_used),
            role: |_| Role::Dim,
        },
        Column {
            title: "Note",
            width: 14,
            grow: 3,
            drop: 4,
            right: false,
            text: |r, _| job_note(r),
            key: |r| SortKey::text(&job_note(r)),
            role: |r| if r.error.is_some() { Role::Bad } else { Role::Dim },
        },
    ];
    fn id(&self) -> String {
        self.id.clone()
    }
}

fn key_state(state: KeyState) -> (&'static str, Role) {
    match state {
        KeyState::Active => ("active", Role::Good),
        KeyState::Revoked => ("revoked", Role::Bad),
        KeyState::Expired => ("expired", Role::Warn),
    }
}

fn limits(key: &KeyRow) -> String {
    let one = |limit: Option<u32>| limit.map_or("–".to_string(), |limit| limit.to_string());
    format!("{}/{}", one(key.removals_per_minute), one(key.batches_per_minute))
}

impl Row for KeyRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "No",
            width: 4,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| r.id.to_string(),
            key: |r| SortKey::whole(r.id),
            role: |_| Role::Dim,
        },
        Column {
            title: "Name",
            width: 14,
            grow: 2,
            drop: 0,
            right: false,
            text: |r, _| r.name.clone(),
            key: |r| SortKey::text(&r.name),
            role: |_| Role::Text,
        },
        Column {
            title: "Account",
            width: 12,
            grow: 1,
            drop: 3,
            right: false,
            text: |r, _| r.account_name.clone(),
            key: |r| SortKey::text(&r.account_name),
            role: |_| Role::Text,
        },
        Column {
            title: "Key",
            width: 19,
            grow: 0,
            drop: 4,
            right: false,
            text: |r, _| r.hint.clone(),
            key: |r| SortKey::text(&r.hint),
            role: |_| Role::Dim,
        },
        Column {
            title: "State",
            width: 7,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| key_state(r.state).0.to_string(),
            key: |r| SortKey::text(key_state(r.state).0),
            role: |r| key_state(r.state).1,
        },
        Column {
            title: "Used",
            width: 5,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, now| r.last_used_at_ms.map_or("never".to_string(), |at| text::age(at, now)),
            key: |r| SortKey::whole(r.last_used_at_ms.unwrap_or(0)),
            role: |_| Role::Text,
        },
        Column {
            title: "Per min",
            width: 9,
            grow: 0,
            drop: 5,
            right: true,
            text: |r, _| limits(r),
            key: |r| SortKey::whole(r.removals_per_minute.map_or(-1, i64::from)),
            role: |_| Role::Text,
        },
        Column {
            title: "Expires",
            width: 16,
            grow: 0,
            drop: 6,
            right: false,
            text: |r, _| r.expires_at_ms.map_or("never".to_string(), text::date),
            key: |r| SortKey::whole(r.expires_at_ms.unwrap_or(i64::MAX)),
            role: |_| Role::Dim,
        },
        Column {
            title: "Pipelines",
            width: 10,
            grow: 1,
            drop: 7,
            right: false,
            text: |r, _| r.pipelines.as_ref().map_or("all".to_string(), |names| names.join(" ")),
            key: |r| SortKey::whole(r.pipelines.as_ref().map_or(0, |names| names.len() as i64)),
            role: |_| Role::Dim,
        },
        Column {
            title: "Made",
            width: 16,
            grow: 0,
            drop: 8,
            right: false,
            text: |r, _| text::date(r.created_at_ms),
            key: |r| SortKey::whole(r.created_at_ms),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> i64 {
        self.id
    }
}

impl Row for AccountRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "No",
            width: 4,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, _| r.id.to_string(),
            key: |r| SortKey::whole(r.id),
            role: |_| Role::Dim,
        },
        Column {
            title: "Name",
            width: 20,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| r.name.clone(),
            key: |r| SortKey::text(&r.name),
            role: |_| Role::Text,
        },
        Column {
            title: "Available",
            width: 13,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| text::number(r.available),
            key: |r| SortKey::whole(r.available),
            role: |r| if r.available == 0 { Role::Bad } else { Role::Good },
        },
        Column {
            title: "Held",
            width: 9,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| text::number(r.held),
            key: |r| SortKey::whole(r.held),
            role: |_| Role::Text,
        },
        Column {
            title: "Made",
            width: 16,
            grow: 0,
            drop: 3,
            right: false,
            text: |r, _| text::date(r.created_at_ms),
            key: |r| SortKey::whole(r.created_at_ms),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> i64 {
        self.id
    }
}

fn cause(row: &LedgerRow) -> String {
    let cause = match &row.cause {
        LedgerCause::Job(id) => format!("job {}", short(id)),
        LedgerCause::Audit(number) => format!("action {number}"),
    };
    [Some(cause), row.actor.clone(), row.note.clone()].into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn signed(change: i64) -> String {
    if change > 0 { format!("+{}", text::number(change)) } else { text::number(change) }
}

impl Row for LedgerRow {
    type Id = i64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "No",
            width: 6,
            grow: 0,
            drop: 4,
            right: true,
            text: |r, _| r.id.to_string(),
            key: |r| SortKey::whole(r.id),
            role: |_| Role::Dim,
        },
        Column {
            title: "When",
            width: 16,
            grow: 0,
            drop: 1,
            right: false,
            text: |r, _| text::date(r.created_at_ms),
            key: |r| SortKey::whole(r.created_at_ms),
            role: |_| Role::Dim,
        },
        Column {
            title: "Kind",
            width: 8,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| r.kind.clone(),
            key: |r| SortKey::text(&r.kind),
            role: |_| Role::Text,
        },
        Column {
            title: "Available",
            width: 10,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| signed(r.available_change),
            key: |r| SortKey::whole(r.available_change),
            role: |r| if r.available_change < 0 { Role::Warn } else { Role::Good },
        },
        Column {
            title: "Held",
            width: 8,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| signed(r.held_change),
            key: |r| SortKey::whole(r.held_change),
            role: |_| Role::Dim,
        },
        Column {
            title: "Balance",
            width: 10,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| text::number(r.available_after),
            key: |r| SortKey::whole(r.available_after),
            role: |_| Role::Text,
        },
        Column {
            title: "Cause",
            width: 14,
            grow: 1,
            drop: 3,
            right: false,
            text: |r, _| cause(r),
            key: |r| SortKey::text(&cause(r)),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> i64 {
        self.id
    }
}

fn folder_state(folder: &FolderStatus) -> String {
    folder.paused.as_ref().map_or("watched".to_string(), |why| format!("paused: {why}"))
}

impl Row for FolderStatus {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "Name",
            width: 12,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| r.name.clone(),
            key: |r| SortKey::text(&r.name),
            role: |_| Role::Text,
        },
        Column {
            title: "State",
            width: 12,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| folder_state(r),
            key: |r| SortKey::text(&folder_state(r)),
            role: |r| if r.paused.is_some() { Role::Warn } else { Role::Good },
        },
        Column {
            title: "Settling",
            width: 8,
            grow: 0,
            drop: 3,
            right: true,
            text: |r, _| r.settling.to_string(),
            key: |r| SortKey::whole(r.settling as i64),
            role: |_| Role::Dim,
        },
        Column {
            title: "No mask",
            width: 7,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| r.waiting_for_mask.to_string(),
            key: |r| SortKey::whole(r.waiting_for_mask as i64),
            role: |r| if r.waiting_for_mask > 0 { Role::Warn } else { Role::Dim },
        },
        Column {
            title: "Ready",
            width: 6,
            grow: 0,
            drop: 2,
            right: true,
            text: |r, _| r.ready.to_string(),
            key: |r| SortKey::whole(r.ready as i64),
            role: |_| Role::Text,
        },
        Column {
            title: "Working",
            width: 7,
            grow: 0,
            drop: 1,
            right: true,
            text: |r, _| r.working.to_string(),
            key: |r| SortKey::whole(r.working as i64),
            role: |_| Role::Busy,
        },
        Column {
            title: "Done",
            width: 6,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| r.done.to_string(),
            key: |r| SortKey::whole(r.done as i64),
            role: |_| Role::Good,
        },
        Column {
            title: "Failed",
            width: 6,
            grow: 0,
            drop: 0,
            right: true,
            text: |r, _| r.failed.to_string(),
            key: |r| SortKey::whole(r.failed as i64),
            role: |r| if r.failed > 0 { Role::Bad } else { Role::Dim },
        },
        Column {
            title: "Acct",
            width: 5,
            grow: 0,
            drop: 5,
            right: true,
            text: |r, _| r.account.map(|id| id.to_string()).unwrap_or_default(),
            key: |r| SortKey::whole(r.account.unwrap_or(0)),
            role: |_| Role::Dim,
        },
        Column {
            title: "Pipeline",
            width: 10,
            grow: 0,
            drop: 6,
            right: false,
            text: |r, _| r.pipeline.clone(),
            key: |r| SortKey::text(&r.pipeline),
            role: |_| Role::Dim,
        },
        Column {
            title: "Path",
            width: 20,
            grow: 2,
            drop: 4,
            right: false,
            text: |r, _| r.path.clone(),
            key: |r| SortKey::text(&r.path),
            role: |_| Role::Dim,
        },
    ];
    fn id(&self) -> String {
        self.name.clone()
    }
}

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
    let Some(task) = &model.task else { return model.error.clone().unwrap_or_default() };
    let kind = match task.kind {
        TaskKind::Pull => "pull",
        TaskKind::Import => "import",
        TaskKind::Verify => "verify",
    };
    match task.state {
        TaskState::Running if task.total_bytes > 0 => {
            let share = task.done_bytes as f64 / task.total_bytes as f64 * 100.0;
            format!("{kind}: {} {share:.0} % of {}", task.phase, text::bytes(task.total_bytes))
        }
        TaskState::Running => format!("{kind}: {} {}", task.phase, text::bytes(task.done_bytes)),
        TaskState::Done => format!("{kind}: done"),
        TaskState::Failed => format!("{kind} failed: {}", task.error.as_deref().unwrap_or("no reason given")),
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

/// Name and style of a level.
pub fn level(level: LogLevel) -> (&'static str, Role) {
    match level {
        LogLevel::Trace => ("trace", Role::Dim),
        LogLevel::Debug => ("debug", Role::Dim),
        LogLevel::Info => ("info", Role::Text),
        LogLevel::Warn => ("warn", Role::Warn),
        LogLevel::Error => ("error", Role::Bad),
    }
}

/// A log line with its fields.
pub fn log_text(line: &LogLine) -> String {
    let fields = line.fields.iter().map(|(name, value)| format!(" {name}={value}"));
    std::iter::once(line.text.clone()).chain(fields).collect()
}

impl Row for LogLine {
    type Id = u64;
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            title: "Time",
            width: 8,
            grow: 0,
            drop: 1,
            right: false,
            text: |r, _| text::clock(r.at_ms),
            key: |r| SortKey::Number(r.number as f64),
            role: |_| Role::Dim,
        },
        Column {
            title: "Level",
            width: 5,
            grow: 0,
            drop: 0,
            right: false,
            text: |r, _| level(r.level).0.to_string(),
            key: |r| SortKey::whole(r.level as i64),
            role: |r| level(r.level).1,
        },
        Column {
            title: "From",
            width: 16,
            grow: 0,
            drop: 2,
            right: false,
            text: |r, _| r.target.clone(),
            key: |r| SortKey::text(&r.target),
            role: |_| Role::Dim,
        },
        Column {
            title: "Message",
            width: 30,
            grow: 1,
            drop: 0,
            right: false,
            text: |r, _| log_text(r),
            key: |r| SortKey::text(&r.text),
            role: |r| if r.level >= LogLevel::Warn { level(r.level).1 } else { Role::Text },
        },
    ];
    fn id(&self) -> u64 {
        self.number
    }
}
