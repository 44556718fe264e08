//! What a job leaves and what becomes of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Credits, JobId, UnixMs};

/// Most pictures of one job that are kept to choose from.
pub const CANDIDATES_MAX: usize = 4;

/// A file of a result, stored outside of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// One of several pictures that a job could have given, kept for the client to choose from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptCandidate {
    /// Its name in the pipeline, at most 40 characters.
    pub name: String,
    /// Whether the job's output is this one.
    pub chosen: bool,
    /// Its score, the highest wins; `None` where there was nothing to compare.
    pub score: Option<f64>,
    /// The picture: the output's own file where it was chosen.
    pub file: StoredFile,
}

/// What a successful job leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct JobResult {
    /// The picture.
    pub output: StoredFile,
    /// The mask that was used.
    pub mask: Option<StoredFile>,
    /// The pictures to choose from, if the client asked for them; at most [`CANDIDATES_MAX`](crate::CANDIDATES_MAX).
    pub candidates: Vec<KeptCandidate>,
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

impl JobResult {
    /// Its files, each once.
    pub fn files(&self) -> Vec<&StoredFile> {
        let mut files: Vec<&StoredFile> = vec![&self.output];
        let others = self.candidates.iter().map(|candidate| &candidate.file);
        for file in self.mask.iter().chain(others) {
            if files.iter().all(|known| known.name != file.name) {
                files.push(file);
            }
        }
        files
    }
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
