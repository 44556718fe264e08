//! What a key may do, and what is kept of it.

use serde_json::{Value, json};

use crate::error::Result;
use crate::keys::{KeyRecord, KeyState, LAST_USED_STALE_MS};
use crate::{AccountId, UnixMs, limits};

/// Whether work of the account may be charged through it at `now_ms`: `false` when it was revoked or expired since it was
/// checked.
pub(crate) fn may_work(
    operation: &'static str,
    key: &KeyRecord,
    account: AccountId,
    now_ms: UnixMs,
) -> Result<bool> {
    if key.account != account {
        let problem = format!(
            "{} belongs to account {}, not to {account}",
            key.id, key.account
        );
        return Err(limits::invalid(operation, "key", problem));
    }
    Ok(key.state(now_ms) == KeyState::Active)
}

/// Whether its use is to be noted again. A clock that was set back counts as stale too, otherwise the note would freeze.
pub(crate) fn use_is_stale(key: &KeyRecord, now_ms: UnixMs) -> bool {
    key.last_used_at_ms
        .is_none_or(|last| now_ms.abs_diff(last) >= LAST_USED_STALE_MS.unsigned_abs())
}

/// What of it an administrator can change, for the audit table.
pub(crate) fn audited(key: &KeyRecord) -> Value {
    json!({
        "name": key.name, "removals_per_minute": key.limits.removals_per_minute, "batches_per_minute": key.limits.batches_per_minute,
        "pipelines": key.pipelines, "expires_at_ms": key.expires_at_ms,
    })
}
