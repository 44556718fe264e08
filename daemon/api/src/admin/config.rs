//! The configuration in effect.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reply of `GET /config`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigView {
    /// The file over the defaults.
    pub file: Option<String>,
    /// Every option, by path.
    pub options: Vec<ConfigOption>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigOption {
    /// `section.option`.
    pub path: String,
    /// Its value; null when it is a secret.
    pub value: serde_json::Value,
    /// Where it was written: `file:line`, a variable or a flag.
    pub origin: String,
    /// Whether it is the default.
    pub default: bool,
    /// Whether it is a secret: only that it is set is told.
    pub secret: bool,
}
