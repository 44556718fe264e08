//! The audit table: what administrators did, append-only. Operations with an `actor` write it themselves, in their own transaction.

use serde_json::Value;

use crate::error::Result;
use crate::{AuditId, Page, PageRequest, UnixMs};

/// One action.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its number, ascending in time.
    pub id: AuditId,
    /// Who acted.
    pub actor: String,
    /// What was done, such as `key.revoke`.
    pub action: String,
    /// To what, such as `key:3`.
    pub target: String,
    /// Particulars.
    pub detail: Value,
    /// When.
    pub created_at_ms: UnixMs,
}

/// Operations on the audit table.
pub trait Audit {
    /// Notes an action that changes nothing in the store, such as loading a model. All texts at most 100 characters,
    /// `detail` at most 64 KiB as JSON.
    fn record_action(
        &self,
        actor: &str,
        action: &str,
        target: &str,
        detail: &Value,
    ) -> Result<AuditId>;

    /// One action, `None` when there is no such.
    fn action(&self, action: AuditId) -> Result<Option<AuditEntry>>;

    /// All actions, or those with `text` in actor, action or target in any case of A to Z; newest first.
    fn list_actions(&self, text: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>>;
}
