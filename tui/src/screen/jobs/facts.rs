//! What is told of one job: facts, stages, models.

use cleanplate_api::admin::{JobDetail, JobRow};

use super::rows;
use crate::config::Role;
use crate::text;

/// A line of facts: a label, a text, and a bar of this share behind it.
pub struct Line {
    /// What it is about.
    pub label: String,
    /// What is told.
    pub value: String,
    /// Its style.
    pub role: Role,
    /// The share of the bar, 0 to 1.
    pub bar: Option<f64>,
}

fn line(label: &str, value: impl Into<String>, role: Role) -> Line {
    Line {
        label: label.to_string(),
        value: value.into(),
        role,
        bar: None,
    }
}

fn plain(label: &str, value: impl Into<String>) -> Line {
    line(label, value, Role::Text)
}

/// Everything about a job.
pub fn facts(detail: &JobDetail, now_ms: i64) -> Vec<Line> {
    let mut lines = state(detail, now_ms);
    lines.extend(photo(detail));
    lines.extend(order(detail));
    lines.extend(history(detail));
    lines.extend(stages(detail));
    lines.extend(models(detail));
    lines
}

/// What it is doing, or how it ended.
fn state(detail: &JobDetail, now_ms: i64) -> Vec<Line> {
    let job = &detail.job;
    let span = rows::span_ms(job, now_ms)
        .map(|ms| format!(" · {}", text::span_ms(ms)))
        .unwrap_or_default();
    let wait = detail
        .wait_ms
        .map(|ms| format!(" · waited {}", text::span_ms(ms as f64)))
        .unwrap_or_default();
    let mut lines = vec![line(
        "status",
        format!("{}{span}{wait}", rows::status(job.status)),
        rows::status_role(job.status),
    )];
    lines.extend(job.stage.as_ref().map(|stage| Line {
        bar: job.fraction,
        ..line("now", stage.as_str(), Role::Busy)
    }));
    lines.extend(job.error.as_ref().map(|error| {
        let code = job.error_code.as_deref().unwrap_or("failed");
        line("error", format!("{code}: {error}"), Role::Bad)
    }));
    lines
}

/// The photo, the result, the mask.
fn photo(detail: &JobDetail) -> Vec<Line> {
    let job = &detail.job;
    let file = job.input_filename.as_deref().unwrap_or("without a name");
    let output = detail
        .output
        .as_ref()
        .map(|file| format!(" → {} {}", file.media_type, text::bytes(file.bytes)))
        .unwrap_or_default();
    let mut lines = vec![
        plain("file", file),
        plain("size", format!("{} x {}{output}", job.width, job.height)),
    ];
    lines.extend(detail.mask_share.map(|share| {
        let share = share * 100.0;
        plain("mask", format!("{share:.1} % of the photo"))
    }));
    lines
}

fn credits(job: &JobRow) -> String {
    if job.credits_used > 0 {
        format!("{} charged", job.credits_used)
    } else {
        format!("{} held, none charged", job.price)
    }
}

/// Who asked for what.
fn order(detail: &JobDetail) -> Vec<Line> {
    let job = &detail.job;
    let account = format!("{} {}", job.account_id, detail.account_name);
    let mut lines = vec![plain("account", account)];
    lines.extend(detail.key_name.as_ref().map(|name| {
        let number = job.key_id.unwrap_or(0);
        plain("key", format!("{number} {name}"))
    }));
    lines.push(plain("credits", credits(job)));
    let how = if job.asynchronous {
        "asynchronous"
    } else {
        "synchronous"
    };
    let (made, attempt) = (text::date(job.created_at_ms), job.attempt);
    lines.push(plain("made", format!("{made} · {how} · attempt {attempt}")));
    lines.push(plain("pipeline", &*job.pipeline));
    let device = detail.device.as_ref();
    lines.extend(device.map(|device| plain("device", device.as_str())));
    lines
}

/// What it belongs to, what becomes of its files, and remarks.
fn history(detail: &JobDetail) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(detail.job.batch_id.as_ref().map(|id| {
        let pair = detail.batch_index.unwrap_or(0) + 1;
        plain("batch", format!("{id}, pair {pair}"))
    }));
    let retried = detail.retry_of.as_ref();
    lines.extend(retried.map(|id| plain("retries", id.as_str())));
    let label = if detail.swept_at_ms.is_some() {
        "removed"
    } else {
        "kept to"
    };
    let at = detail.swept_at_ms.or(detail.expires_at_ms);
    lines.extend(at.map(|at| line(label, text::date(at), Role::Dim)));
    let warnings = detail.warnings.iter();
    lines.extend(warnings.map(|warning| line("warning", warning.as_str(), Role::Warn)));
    lines
}

/// Times of the stages, the longest with the longest bar.
fn stages(detail: &JobDetail) -> Vec<Line> {
    let times = detail.stages.iter().map(|stage| stage.ms);
    let longest = times.fold(f64::MIN_POSITIVE, f64::max);
    let mut lines = Vec::new();
    lines.extend((!detail.stages.is_empty()).then(|| line("", "", Role::Dim)));
    lines.extend(detail.stages.iter().map(|stage| {
        let plugin = if stage.plugin.is_empty() {
            String::new()
        } else {
            format!(" {}", stage.plugin)
        };
        let together = if stage.crops_together > 1 {
            format!(", {} together", stage.crops_together)
        } else {
            String::new()
        };
        let ms = text::span_ms(stage.ms);
        Line {
            bar: Some(stage.ms / longest),
            ..plain(&stage.stage, format!("{ms:>8}{plugin}{together}"))
        }
    }));
    lines
}

fn models(detail: &JobDetail) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend((!detail.models.is_empty()).then(|| line("", "", Role::Dim)));
    lines.extend(detail.models.iter().map(|model| {
        let hash: String = model.sha256.chars().take(16).collect();
        plain("model", format!("{} {hash}", model.name))
    }));
    lines
}
