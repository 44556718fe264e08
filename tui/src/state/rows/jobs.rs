//! Rows of jobs.

use cleanplate_api::JobStatus;
use cleanplate_api::admin::JobRow;

use super::short;
use crate::config::Role;
use crate::text;
use crate::widget::table::{Column, Row, SortKey};

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
    let running = || {
        job.started_at_ms
            .map(|started| (now_ms - started).max(0) as f64)
    };
    match job.status {
        JobStatus::Pending => None,
        JobStatus::Processing => running(),
        _ => job.processing_ms.or_else(|| {
            job.finished_at_ms
                .map(|end| (end - job.created_at_ms).max(0) as f64)
        }),
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
            text: |r, _| {
                if r.credits_used > 0 {
                    r.credits_used.to_string()
                } else {
                    String::new()
                }
            },
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
            role: |r| {
                if r.error.is_some() {
                    Role::Bad
                } else {
                    Role::Dim
                }
            },
        },
    ];
    fn id(&self) -> String {
        self.id.clone()
    }
}
