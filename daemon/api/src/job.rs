//! Replies of a service call and of `GET /v1/jobs/{id}`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// State of a job. Completed and failed are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Accepted and waiting; its price is reserved.
    Pending,
    /// On the device.
    Processing,
    /// The result is there and paid for.
    Completed,
    /// No result; nothing was charged.
    Failed,
}

/// Result of one photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RemovalResult {
    /// The job.
    pub job_id: String,
    /// Its state.
    pub status: JobStatus,
    /// Name the client gave its photo.
    pub input_filename: String,
    /// Signed address of the result; null until completed.
    pub output_url: Option<String>,
    /// Time on the device, decoding and encoding included, in milliseconds; null until it ran.
    pub processing_time_ms: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Width of the photo as displayed, in pixels.
    pub original_width: u32,
    /// Height of the photo as displayed, in pixels.
    pub original_height: u32,
    /// Width of the result in pixels; null until completed.
    pub output_width: Option<u32>,
    /// Height of the result in pixels; null until completed.
    pub output_height: Option<u32>,
    /// Credits charged; 0 unless completed.
    pub credits_used: i64,
    /// Signed address of the mask that was used, after growing; null until completed.
    pub mask_url: Option<String>,
    /// The mask's share of the photo after growing, 0..1; null until completed.
    #[serde(default)]
    pub mask_share: Option<f64>,
    /// What the client should know of the result: what the file held and no longer holds, an odd mask, a lesser quality.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// With `candidates=n`: what each fill alone gives, the one that is the result first, then by score. Empty when they were
    /// not asked for, or the pipeline makes one fill.
    #[serde(default)]
    pub candidates: Vec<Candidate>,
}

/// One of several pictures that a removal could give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Name of the fill in the pipeline, such as `network` or `patches`.
    pub name: String,
    /// Whether the result is this one. None of them is where parts of the hole keep different fills.
    pub chosen: bool,
    /// Signed address of the picture, in the result's format.
    pub url: String,
    /// Its score, the mean over the parts of the hole; the highest wins. Null where there was nothing to compare.
    pub score: Option<f64>,
}

/// Reply of `POST /v1/services/object-removal`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RemovalReply {
    /// The job.
    pub job_id: String,
    /// Its state.
    pub status: JobStatus,
    /// The result of the photo.
    pub result: RemovalResult,
    /// Why it failed.
    pub error: Option<String>,
}

/// Time that one stage of the pipeline took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageTiming {
    /// Stage: `decode`, `mask`, `inpaint`, `encode`, ...
    pub stage: String,
    /// Plugin that did it; empty for the daemon's own steps.
    pub plugin: String,
    /// The candidate that it made, where the pipeline makes several fills and keeps the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// Duration in milliseconds, waiting included.
    pub ms: f64,
    /// Milliseconds of `ms` spent waiting for the device and for crops of other jobs.
    #[serde(default)]
    pub waited_ms: f64,
    /// Most crops that went through a network together with one of this job's; 0 without a network.
    #[serde(default)]
    pub crops_together: u32,
}

/// A model that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelUse {
    /// Name.
    pub name: String,
    /// SHA-256 of the weights, in hex.
    pub sha256: String,
}

/// Which of several fills was kept for a part of the hole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// Left, top, right and bottom of that part in pixels of the photo.
    pub hole: [u32; 4],
    /// The candidate that was kept.
    pub candidate: String,
    /// Why.
    pub reason: String,
    /// Each candidate's score; the highest wins.
    pub scores: Vec<Score>,
}

/// A candidate's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// The candidate.
    pub candidate: String,
    /// Its score.
    pub score: f32,
}

/// Reply of `GET /v1/jobs/{id}`: the service's reply, and how the job was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobReply {
    /// What the service call answers.
    #[serde(flatten)]
    pub reply: RemovalReply,
    /// What was asked for: `object-removal` or `segmentation`.
    #[serde(default)]
    pub service: String,
    /// When it was accepted, in seconds since 1970.
    pub created_at: i64,
    /// When it reached its final state, in seconds since 1970.
    pub finished_at: Option<i64>,
    /// Pipeline that ran.
    pub pipeline: Option<String>,
    /// Device that ran it: backend and name.
    pub device: Option<String>,
    /// Times per stage, in order.
    pub stages: Vec<StageTiming>,
    /// Models that took part.
    pub models: Vec<ModelUse>,
    /// Which fills were kept, where the pipeline makes several.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Share of the photo that the mask covers, 0 to 1.
    pub mask_share: Option<f64>,
    /// Overlap with the object's true mask that the segmentation network expects of its own, 1 at best; null for masks that were sent.
    #[serde(default)]
    pub predicted_iou: Option<f64>,
    /// Things the client may want to know: an inverted mask, a mask over nearly all of the photo.
    pub warnings: Vec<String>,
}

/// Data of a `progress` event of `GET /v1/jobs/{id}/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobEvent {
    /// The job.
    pub job_id: String,
    /// Its state.
    pub status: JobStatus,
    /// Step under way: `decode`, a plugin, `composite`, `encode` or `store`; null while the job waits.
    pub stage: Option<String>,
    /// Share of that step that is done, 0 to 1; null while the job waits.
    pub fraction: Option<f64>,
    /// Jobs that are started before this one; null once it is under way.
    pub ahead: Option<u32>,
    /// Share of the whole job that is done, 0 to 1, by the time that the steps of earlier jobs took; null while the job waits.
    pub done: Option<f64>,
    /// Milliseconds until the job ends, as far as that can be told; null while it cannot.
    pub left_ms: Option<u64>,
}

/// Reply of a service call with `dry_run=true`: the request is valid and would cost this. Nothing is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuoteReply {
    /// Always true.
    pub dry_run: bool,
    /// Credits the call would cost.
    pub credits: i64,
    /// Credits the account could spend when asked.
    pub credits_available: i64,
    /// Whether they suffice.
    pub sufficient: bool,
    /// Width of the photo as displayed, in pixels.
    pub original_width: u32,
    /// Height of the photo as displayed, in pixels.
    pub original_height: u32,
}
