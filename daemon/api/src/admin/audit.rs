//! What administrators did.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditRow {
    /// Its number, ascending in time.
    pub id: i64,
    /// Who acted: `uid 1000 (ada)` on the socket, `token NAME` over TCP, `command line`, ...
    pub actor: String,
    /// What was done, such as `key.revoke`.
    pub action: String,
    /// To what, such as `key:3`.
    pub target: String,
    /// Particulars: what was before and after.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
    /// When.
    pub created_at_ms: i64,
}
