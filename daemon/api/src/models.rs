//! Reply of `GET /v1/models`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every model the daemon knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelsReply {
    /// The models.
    pub models: Vec<ModelView>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// Name, as used in pipelines.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// SHA-256 of the weights in hex; empty when unknown.
    pub sha256: String,
    /// Size of the weights in bytes.
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
    /// Whether they can be used now.
    pub present: bool,
}
