//! State of a watched folder.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a watched folder is doing. Also written into its `working` folder as `status.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FolderStatus {
    /// Its name.
    pub name: String,
    /// Where pairs are dropped.
    pub path: String,
    /// Where results go.
    pub output: String,
    /// Pipeline.
    pub pipeline: String,
    /// Number of the account that pays.
    pub account: Option<i64>,
    /// Why nothing is taken now; null while the folder is watched.
    pub paused: Option<String>,
    /// Photos and masks that are still changing, or do not decode yet.
    pub settling: u64,
    /// Photos without a mask or a sidecar.
    pub waiting_for_mask: u64,
    /// Names of the first of them.
    pub waiting: Vec<String>,
    /// Files and folders that are not taken as they are, photos without a mask included.
    #[serde(default)]
    pub left_count: u64,
    /// The first of them, and why.
    #[serde(default)]
    pub left: Vec<FolderFile>,
    /// Pairs that wait for their turn.
    pub ready: u64,
    /// Pairs taken and not yet done.
    pub working: u64,
    /// Pairs that came to a result since the start of the daemon, duplicates included.
    pub done: u64,
    /// Pairs that did not.
    pub failed: u64,
    /// Pairs that ended in the last 60 s, well or not.
    #[serde(default)]
    pub ended_last_minute: u64,
    /// The last pairs that failed and were neither tried again nor released, the newest first; also those of earlier runs.
    #[serde(default)]
    pub failures: Vec<FolderFailure>,
    /// Pairs with the content of an earlier one: the earlier result was used, nothing was charged.
    pub duplicates: u64,
}

/// A file in a watched folder that is not taken as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderFile {
    /// Path from the watched folder on.
    pub name: String,
    /// Why, and what would help.
    pub why: String,
}

/// A pair of a watched folder that came to no result; its files and its report lie in `failed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderFailure {
    /// Its name for retry and release: path of its files in `failed`, without ending.
    pub name: String,
    /// Path of its report from the watched folder on.
    #[serde(default)]
    pub report: String,
    /// Path of the photo when it was dropped.
    pub photo: String,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub detail: String,
    /// The job, if it came to one.
    pub job_id: Option<String>,
    /// When, ms since 1970.
    pub ended_at_ms: i64,
}
