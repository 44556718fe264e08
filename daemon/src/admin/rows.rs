//! Records of the store as rows of the interface.

use cleanplate_api::admin::{
    AccountRow, AuditRow, KeptFile, KeyRow, KeyState, LedgerCause, LedgerRow,
};
use cleanplate_store::{self as store, Account, AuditEntry, KeyRecord, LedgerEntry, StoredFile};

use crate::hex::hex;

/// An account.
pub fn account(account: &Account) -> AccountRow {
    AccountRow {
        id: account.id.0,
        name: account.name.clone(),
        available: account.balance.available,
        held: account.balance.held,
        created_at_ms: account.created_at_ms,
    }
}

/// A key and the name of its account.
pub fn key(key: &KeyRecord, account_name: &str) -> KeyRow {
    KeyRow {
        id: key.id.0,
        account_id: key.account.0,
        account_name: account_name.to_string(),
        name: key.name.clone(),
        hint: format!("{}...{}", key.shown_prefix, key.shown_suffix),
        state: match key.state(crate::clock::now_ms()) {
            store::KeyState::Active => KeyState::Active,
            store::KeyState::Revoked => KeyState::Revoked,
            store::KeyState::Expired => KeyState::Expired,
        },
        removals_per_minute: key.limits.removals_per_minute,
        batches_per_minute: key.limits.batches_per_minute,
        pipelines: key.pipelines.clone(),
        expires_at_ms: key.expires_at_ms,
        revoked_at_ms: key.revoked_at_ms,
        created_at_ms: key.created_at_ms,
        last_used_at_ms: key.last_used_at_ms,
    }
}

/// A ledger entry and the action behind it, if an administrator's.
pub fn ledger(entry: &LedgerEntry, action: Option<&AuditEntry>) -> LedgerRow {
    LedgerRow {
        id: entry.id.0,
        account_id: entry.account.0,
        kind: entry.kind.as_str().to_string(),
        cause: match entry.cause {
            store::LedgerCause::Job(job) => LedgerCause::Job(job.to_string()),
            store::LedgerCause::Audit(audit) => LedgerCause::Audit(audit.0),
        },
        available_change: entry.available_change,
        held_change: entry.held_change,
        available_after: entry.balance_after.available,
        held_after: entry.balance_after.held,
        actor: action.map(|action| action.actor.clone()),
        note: action
            .and_then(|action| action.detail["note"].as_str())
            .map(str::to_string),
        created_at_ms: entry.created_at_ms,
    }
}

/// An action.
pub fn audit(entry: AuditEntry) -> AuditRow {
    AuditRow {
        id: entry.id.0,
        actor: entry.actor,
        action: entry.action,
        target: entry.target,
        detail: entry.detail,
        created_at_ms: entry.created_at_ms,
    }
}

/// A file of a job.
pub fn file(file: &StoredFile) -> KeptFile {
    KeptFile {
        media_type: file.media_type.clone(),
        bytes: file.bytes,
        sha256: hex(&file.sha256),
    }
}
