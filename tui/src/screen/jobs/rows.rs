//! Rows of jobs.

use cleanplate_api::JobStatus;
use cleanplate_api::admin::JobRow;

use crate::config::Role;
use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::table::Row;

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

/// Whether a job waits or runs.
pub fn is_open(job: &JobRow) -> bool {
    matches!(job.status, JobStatus::Pending | JobStatus::Processing)
}

/// Whether what is shown of a job changes by the second.
pub fn ages(job: &JobRow, now_ms: i64) -> bool {
    is_open(job) || crate::screen::is_young(job.created_at_ms, now_ms)
}

/// Time that a job has taken so far, or took.
pub fn span_ms(job: &JobRow, now_ms: i64) -> Option<f64> {
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

fn span(job: &JobRow, now_ms: i64) -> String {
    span_ms(job, now_ms).map(text::span_ms).unwrap_or_default()
}

/// What a job is doing, or why it failed.
fn note(job: &JobRow) -> String {
    match (&job.error, &job.stage, job.fraction) {
        (Some(error), ..) => format!("{}: {error}", job.error_code.as_deref().unwrap_or("failed")),
        (None, Some(stage), Some(fraction)) => format!("{stage} {:.0} %", fraction * 100.0),
        (None, Some(stage), None) => stage.clone(),
        _ if job.attempt > 1 => format!("attempt {}", job.attempt),
        _ => String::new(),
    }
}

fn note_role(job: &JobRow) -> Role {
    if job.error.is_some() {
        Role::Bad
    } else {
        Role::Dim
    }
}

fn credits(job: &JobRow) -> String {
    let used = Some(job.credits_used).filter(|used| *used > 0);
    used.map(|used| used.to_string()).unwrap_or_default()
}

type Col = Column<JobRow>;

impl Row for JobRow {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::shown(
            "Age",
            4,
            |r, now| text::age(r.created_at_ms, now),
            |r| SortKey::whole(r.created_at_ms),
        )
        .right()
        .drop(2)
        .dim(),
        Col::shown(
            "Job",
            8,
            |r, _| text::short(&r.id),
            |r| SortKey::text(&r.id),
        )
        .drop(3),
        Col::text("Status", 10, |r| status(r.status).to_string()).role(|r| status_role(r.status)),
        Col::shown("Time", 7, span, |r| {
            SortKey::Number(span_ms(r, 0).unwrap_or(-1.0))
        })
        .right()
        .drop(1),
        Col::text("File", 16, |r| r.input_filename.clone().unwrap_or_default()).grow(2),
        Col::shown(
            "Size",
            9,
            |r, _| format!("{}x{}", r.width, r.height),
            |r| SortKey::whole(i64::from(r.width) * i64::from(r.height)),
        )
        .right()
        .drop(6)
        .dim(),
        Col::text("Pipeline", 10, |r| r.pipeline.clone()).drop(5),
        Col::whole("Acct", 5, |r| r.account_id).drop(7).dim(),
        Col::shown(
            "Cred",
            4,
            |r, _| credits(r),
            |r| SortKey::whole(r.credits_used),
        )
        .right()
        .drop(8)
        .dim(),
        Col::text("Note", 14, note).grow(3).drop(4).role(note_role),
    ];
    fn id(&self) -> String {
        self.id.clone()
    }
}
