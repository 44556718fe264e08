//! Watched folders.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::folder::FolderStatus;

/// Reply of `GET /folders`: every watched folder, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoldersReply {
    /// The folders.
    pub folders: Vec<FolderStatus>,
}

/// A failed pair of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderPair {
    /// Its `name` among the folder's `failures`.
    pub pair: String,
}
