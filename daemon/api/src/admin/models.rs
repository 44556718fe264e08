//! Models and pipelines.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reply of `GET /models`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelsReply {
    /// Every model the daemon knows.
    pub models: Vec<ModelRow>,
    /// Bytes that weights and plans may take on all devices.
    pub memory_bytes_max: u64,
}

/// Whether the weights of a model are in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadState {
    /// No weight file is there: pull or import it.
    Absent,
    /// The file is there; the first job that needs it loads it.
    Unloaded,
    /// Being loaded.
    Loading,
    /// In memory.
    Loaded,
    /// The last attempt to load it failed; `error` says why.
    Failed,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelRow {
    /// Name, as used in pipelines.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// SHA-256 of the weights in hex; empty when unknown.
    pub sha256: String,
    /// Size of the weight file in bytes.
    pub bytes: u64,
    /// Where the weights come from.
    pub origin: String,
    /// Their licence.
    pub licence: String,
    /// What this project trained them on and on what terms those sets are offered; absent for other people's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<String>,
    /// Whether the daemon's binary holds them.
    pub embedded: bool,
    /// Whether they are in memory.
    pub state: LoadState,
    /// Why loading failed.
    pub error: Option<String>,
    /// Pipelines that use it.
    pub pipelines: Vec<String>,
    /// A download, import or check under way, or how the last one ended.
    pub task: Option<ModelTask>,
}

/// What is done with a model in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// A download.
    Pull,
    /// An import of a file on the daemon's machine.
    Import,
    /// A check of the weight file against its hash.
    Verify,
}

/// Where a background task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Under way.
    Running,
    /// Ended well.
    Done,
    /// Ended otherwise; `error` says why.
    Failed,
}

/// A background task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelTask {
    /// What it does.
    pub kind: TaskKind,
    /// Where it stands.
    pub state: TaskState,
    /// Step under way: `download`, `verify`, `convert`, ...
    pub phase: String,
    /// Bytes of that step that are done.
    pub done_bytes: u64,
    /// Bytes of that step; 0 while unknown.
    pub total_bytes: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began.
    pub started_at_ms: i64,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
}

/// Body of `POST /models/{name}/import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Absolute path of the weight file on the daemon's machine.
    pub path: String,
}

/// Reply of `GET /pipelines`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelinesReply {
    /// Every pipeline, by name.
    pub pipelines: Vec<PipelineRow>,
}

/// One pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineRow {
    /// Its name.
    pub name: String,
    /// Whether requests that name none get it.
    pub default: bool,
    /// Whether requests may name it (`pipelines.allowed`, or the default one).
    pub allowed: bool,
    /// Its plugins, in order.
    pub plugins: Vec<String>,
}
