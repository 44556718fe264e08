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
