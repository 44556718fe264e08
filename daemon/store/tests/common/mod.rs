//! Jobs that the processes work on, and how this program is started again as one of them.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use cleanplate_store::{
    Accept, AccountId, Completion, JobId, JobResult, Jobs, NewJob, QueueLimits, SqliteStore,
    StoredFile,
};
use serde_json::json;

/// Credits of a job.
pub const PRICE: i64 = 3;

/// Accepts a job; `false` when the store refuses it.
pub fn accept(store: &SqliteStore, id: JobId, account: AccountId, asynchronous: bool) -> bool {
    let new = NewJob {
        id,
        account,
        key: None,
        batch: None,
        service: "object-removal".into(),
        pipeline: "default".into(),
        asynchronous,
        origin: "worker".into(),
        price: PRICE,
        input_filename: None,
        original_width: 1,
        original_height: 1,
        request: json!({}),
        idempotency: None,
    };
    let limits = QueueLimits {
        pending_max: 10_000,
        in_flight_per_key_max: 10_000,
    };
    matches!(
        store.accept(&new, &limits).unwrap(),
        Accept::Accepted { .. }
    )
}

pub fn completion() -> Completion {
    let output = StoredFile {
        name: JobId::random().to_string(),
        sha256: [1; 32],
        bytes: 1,
        media_type: "image/png".into(),
    };
    let none = json!([]);
    let result = JobResult {
        output,
        mask: None,
        candidates: Vec::new(),
        width: 1,
        height: 1,
        credits: PRICE,
        processing_ms: 1.0,
        timings: none.clone(),
        models: none.clone(),
        device: none.clone(),
        warnings: none,
    };
    Completion {
        result,
        keep_ms: 60_000,
        reply: None,
    }
}

/// This program as another process, which runs `test` alone and finds the store's folder in the variable `folder`.
pub fn again(test: &str, (variable, folder): (&str, &Path), more: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(variable, folder)
        .envs(more.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
