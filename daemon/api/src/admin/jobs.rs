//! Jobs as an administrator sees them: of all accounts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::job::{JobStatus, ModelUse, StageTiming};

/// A job in a list and in events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobRow {
    /// The job.
    pub id: String,
    /// Who pays.
    pub account_id: i64,
    /// The key that asked; null for watched folders.
    pub key_id: Option<i64>,
    /// Its batch.
    pub batch_id: Option<String>,
    /// What was asked for, such as `object-removal`.
    pub service: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Whether the client does not wait.
    pub asynchronous: bool,
    /// Where it stands.
    pub status: JobStatus,
    /// How often it was started.
    pub attempt: u32,
    /// Credits held for it while it has not ended.
    pub price: i64,
    /// Credits charged; 0 unless completed.
    pub credits_used: i64,
    /// Name that the client gave its photo: text from outside, may hold anything.
    pub input_filename: Option<String>,
    /// Width of the photo as displayed, pixels.
    pub width: u32,
    /// Height of the photo as displayed, pixels.
    pub height: u32,
    /// When it was accepted.
    pub created_at_ms: i64,
    /// When its last attempt began.
    pub started_at_ms: Option<i64>,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
    /// Time from acceptance to result in ms; null unless completed.
    pub processing_ms: Option<f64>,
    /// Plugin under way; null unless on the device.
    pub stage: Option<String>,
    /// Share of that stage that is done, 0 to 1; null unless on the device.
    pub fraction: Option<f64>,
    /// Stable code of the failure; set exactly when it failed.
    pub error_code: Option<String>,
    /// Why it failed, for people.
    pub error: Option<String>,
}

/// Query of a list of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct JobsQuery {
    /// Only jobs in this state.
    pub status: Option<JobStatus>,
    /// Only jobs of this account.
    pub account: Option<i64>,
    /// Only jobs of this key.
    pub key: Option<i64>,
    /// Only jobs of this batch.
    pub batch: Option<String>,
    /// Only jobs of this pipeline.
    pub pipeline: Option<String>,
    /// Only jobs that failed with this code.
    pub code: Option<String>,
    /// Text to look for in the file name, the error or the front of the id, without regard to case, at most 100 characters.
    pub text: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows of the page, 1 to 100; 100 if not given.
    pub rows: Option<u32>,
}

/// Query of a picture of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ImageQuery {
    /// Longer side of the picture in pixels, 16 to 2048; as kept if not given.
    pub side_px_max: Option<u32>,
}

/// A file that a job left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptFile {
    /// Media type.
    pub media_type: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// A picture of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImagePart {
    /// The photo: the upload while it is kept, afterwards a reduced copy (`admin.preview_px_max`).
    Input,
    /// The photo without the object.
    Result,
    /// The mask that was used, after growing: white was removed.
    Mask,
}

impl ImagePart {
    /// Its name in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            ImagePart::Input => "input",
            ImagePart::Result => "result",
            ImagePart::Mask => "mask",
        }
    }
}

/// Reply of `GET /jobs/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// The job.
    pub job: JobRow,
    /// Name of the account.
    pub account_name: String,
    /// Name of the key.
    pub key_name: Option<String>,
    /// Position of the pair in its batch, from 0.
    pub batch_index: Option<u32>,
    /// The worker of the last attempt.
    pub worker: Option<String>,
    /// Time from acceptance to the start of the last attempt in ms.
    pub wait_ms: Option<i64>,
    /// Times per stage, in order.
    pub stages: Vec<StageTiming>,
    /// Models that took part.
    pub models: Vec<ModelUse>,
    /// Device that ran it: backend and name.
    pub device: Option<String>,
    /// Share of the photo that the mask covers, 0 to 1.
    pub mask_share: Option<f64>,
    /// Remarks for the client.
    pub warnings: Vec<String>,
    /// Width of the result, pixels.
    pub output_width: Option<u32>,
    /// Height of the result, pixels.
    pub output_height: Option<u32>,
    /// The result.
    pub output: Option<KeptFile>,
    /// The mask that was used.
    pub mask: Option<KeptFile>,
    /// From when on the files may be removed.
    pub expires_at_ms: Option<i64>,
    /// When they were removed.
    pub swept_at_ms: Option<i64>,
    /// Pictures that can be fetched now.
    pub images: Vec<ImagePart>,
    /// Whether it can be cancelled now.
    pub can_cancel: bool,
    /// Whether it can be retried now.
    pub can_retry: bool,
    /// The failed job that this one retries.
    pub retry_of: Option<String>,
    /// What was asked for: parameters as the daemon noted them.
    #[schema(value_type = Object)]
    pub request: serde_json::Value,
}
