//! What is shown of a folder: a status for programs, a file beside the pairs, metrics.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cleanplate_api::{FolderFailure, FolderStatus};
use cleanplate_basics::lock;
use cleanplate_store::AccountId;

use super::claim::report_path;
use super::failed::SHOWN_MAX;
use super::report::Report;
use super::scan::Left;
use super::take;
use crate::config::HotFolder;
use crate::pairing::FAILED;
use crate::pairing::path::{join, shown};
use crate::telemetry::{Metrics, names};

/// Shortest pause between two writings of the status file.
const WRITE_MIN: Duration = Duration::from_secs(1);

/// Time over which throughput is counted.
const MINUTE: Duration = Duration::from_secs(60);

type Watcher = Box<dyn Fn(&FolderStatus) + Send + Sync>;

/// The state of one folder, shared.
pub struct Board {
    status: Mutex<FolderStatus>,
    /// When the pairs of the last minute ended.
    ends: Mutex<VecDeque<Instant>>,
    written: Mutex<(FolderStatus, Option<Instant>)>,
    /// An administrator paused the folder.
    held: AtomicBool,
    /// The folder is to be looked at now.
    nudged: AtomicBool,
    metrics: Option<Arc<Metrics>>,
    watcher: Option<Watcher>,
}

impl Board {
    /// A board for a folder, with metrics or someone who looks on.
    pub fn new(
        folder: &HotFolder,
        pipeline: &str,
        account: Option<AccountId>,
        metrics: Option<Arc<Metrics>>,
        watcher: Option<Watcher>,
    ) -> Board {
        let status = FolderStatus {
            name: folder.name.clone(),
            path: folder.path.display().to_string(),
            output: folder.output.display().to_string(),
            pipeline: pipeline.to_string(),
            account: account.map(|account| account.0),
            ..FolderStatus::default()
        };
        let (held, nudged) = (AtomicBool::new(false), AtomicBool::new(false));
        Board {
            status: Mutex::new(status),
            ends: Mutex::default(),
            written: Mutex::default(),
            held,
            nudged,
            metrics,
            watcher,
        }
    }

    /// Pauses the folder, or ends that pause.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
        self.nudge();
    }

    /// Whether an administrator paused the folder.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// Asks for a look at the folder now, whatever pause it is in.
    pub fn nudge(&self) {
        self.nudged.store(true, Ordering::SeqCst);
    }

    /// Whether one was asked for since the last call.
    pub fn was_nudged(&self) -> bool {
        self.nudged.swap(false, Ordering::SeqCst)
    }

    /// The state now.
    pub fn status(&self) -> FolderStatus {
        lock(&self.status).clone()
    }

    /// Notes a look: pairs that change, photos without a mask and the names of the first, everything that is not taken.
    pub fn looked(&self, settling: usize, count: usize, waiting: Vec<String>, left: Left) {
        let mut status = lock(&self.status);
        status.settling = settling as u64;
        (status.waiting_for_mask, status.waiting) = (count as u64, waiting);
        (status.left_count, status.left) = (left.count, left.first);
    }

    /// Notes what waits and what is claimed.
    pub fn counts(&self, ready: usize, working: usize) {
        let mut ends = lock(&self.ends);
        while ends.front().is_some_and(|end| end.elapsed() > MINUTE) {
            ends.pop_front();
        }
        let mut status = lock(&self.status);
        status.ended_last_minute = ends.len() as u64;
        (status.ready, status.working) = (ready as u64, working as u64);
    }

    /// Notes a pause; true when this is news.
    pub fn paused(&self, why: &str) -> bool {
        let mut status = lock(&self.status);
        let news = status.paused.as_deref() != Some(why);
        status.paused = Some(why.to_string());
        news
    }

    /// Notes the end of a pause; true when there was one.
    pub fn resumed(&self) -> bool {
        lock(&self.status).paused.take().is_some()
    }

    /// Notes failures of earlier runs.
    pub fn known(&self, failures: Vec<FolderFailure>) {
        lock(&self.status).failures = failures;
    }

    /// A failed pair was tried again or let go.
    pub fn dealt_with(&self, name: &str) {
        lock(&self.status)
            .failures
            .retain(|failure| failure.name != name);
    }

    /// Counts a pair that ended and lies under this name in `done` or `failed`.
    pub fn ended(&self, report: &Report, name: String) {
        lock(&self.ends).push_back(Instant::now());
        let mut status = lock(&self.status);
        if let Some(fault) = &report.error {
            let failure = FolderFailure {
                report: shown(&join(FAILED, &report_path(&name, &report.claim))),
                name,
                photo: report.photo.clone(),
                code: fault.code.to_string(),
                detail: fault.detail.clone(),
                job_id: report.job_id.clone(),
                ended_at_ms: report.ended_at_ms,
            };
            status.failures.insert(0, failure);
            status.failures.truncate(SHOWN_MAX);
        }
        let outcome = match (&report.error, report.duplicate) {
            (Some(_), _) => "failed",
            (None, true) => "duplicate",
            (None, false) => "done",
        };
        status.failed += u64::from(report.error.is_some());
        status.done += u64::from(report.error.is_none());
        status.duplicates += u64::from(report.duplicate);
        if let Some(metrics) = &self.metrics {
            metrics.add(
                names::FOLDER_PAIRS,
                &[("folder", &status.name), ("outcome", outcome)],
                1.0,
            );
        }
    }

    /// Shows what changed: at most once a second, or `now`.
    pub fn publish(&self, dir: &Path, now: bool) {
        let status = self.status();
        let mut written = lock(&self.written);
        let early = written.1.is_some_and(|at| at.elapsed() < WRITE_MIN);
        if let Some(watcher) = &self.watcher {
            watcher(&status);
        }
        if written.0 == status || (early && !now) {
            return;
        }
        if let Some(metrics) = &self.metrics {
            let folder = status.name.as_str();
            let states = [
                ("settling", status.settling),
                ("waiting_for_mask", status.waiting_for_mask),
                ("ready", status.ready),
                ("working", status.working),
            ];
            for (state, count) in states {
                metrics.set(
                    names::FOLDER_FILES,
                    &[("folder", folder), ("state", state)],
                    count as f64,
                );
            }
            metrics.set(
                names::FOLDER_PAUSED,
                &[("folder", folder)],
                f64::from(u8::from(status.paused.is_some())),
            );
        }
        if let Ok(text) = serde_json::to_vec_pretty(&status)
            && let Err(error) = take::put(dir, "status.json", &text)
        {
            tracing::debug!(folder = status.name, %error, "the status file could not be written");
        }
        *written = (status, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cleanplate_store::FailureCode;

    use super::super::report::PairFault;
    use super::super::scan::tests::rules;
    use super::*;

    #[test]
    fn a_failure_says_where_its_report_lies() {
        let folder = HotFolder {
            name: "plates".to_string(),
            path: PathBuf::new(),
            output: PathBuf::new(),
            account: None,
            rules: rules(),
        };
        let board = Board::new(&folder, "none", None, None, None);
        let report = Report {
            claim: "0123".to_string(),
            error: Some(PairFault::new(FailureCode::Internal, "")),
            ..Report::default()
        };
        for (name, place) in [
            ("0123", "failed/0123/report.json"),
            ("sub/a", "failed/sub/a.report.json"),
        ] {
            board.ended(&report, name.to_string());
            assert_eq!(board.status().failures[0].report, place);
        }
    }
}
