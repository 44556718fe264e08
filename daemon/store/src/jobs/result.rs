//! What a job leaves and what becomes of it.

use serde_json::Value;

use crate::{Credits, JobId, UnixMs};

/// A file of a result, stored outside of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Name within the results folder, at most 255 characters.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Length in bytes, 1 or more.
    pub bytes: u64,
    /// Media type, such as `image/png`.
    pub media_type: String,
}

/// What a successful job leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct JobResult {
    /// The picture.
    pub output: StoredFile,
    /// The mask that was used.
    pub mask: Option<StoredFile>,
    /// Width of the picture, pixels.
    pub width: u32,
    /// Height of the picture, pixels.
    pub height: u32,
    /// Credits charged: 0 ..= the job's price.
    pub credits: Credits,
    /// Time from acceptance to result as told to the client, ms.
    pub processing_ms: f64,
    /// Time of each stage. At most 64 KiB as JSON, like the next three.
    pub timings: Value,
    /// Name and hash of each model used.
    pub models: Value,
    /// The device that did the work.
    pub device: Value,
    /// Remarks for the client.
    pub warnings: Value,
}

/// A result and its fate.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptResult {
    /// What the job left.
    pub result: JobResult,
    /// From when on its files may be removed.
    pub expires_at_ms: UnixMs,
    /// When they were removed; the download is then gone (410).
    pub swept_at_ms: Option<UnixMs>,
}

/// A job whose files may be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredResult {
    /// The job.
    pub job: JobId,
    /// Names of its files within the results folder.
    pub files: Vec<String>,
}
