//! API keys of accounts. Only a hash is stored; the clear text is handed out once, at creation.

use crate::error::Result;
use crate::secret::{ApiKey, KeyHash};
use crate::{AccountId, KeyId, Page, PageRequest, UnixMs};

/// How stale `last_used_at_ms` may become before a use is written: 60,000 ms.
pub const LAST_USED_STALE_MS: i64 = 60_000;

/// Requests per minute that a key may make; `None` takes the limit of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyLimits {
    /// Single removals per minute.
    pub removals_per_minute: Option<u32>,
    /// Batches per minute.
    pub batches_per_minute: Option<u32>,
}

/// Whether a key opens the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Active,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its number.
    pub id: KeyId,
    /// The account that pays.
    pub account: AccountId,
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// First characters of the clear text, for display.
    pub shown_prefix: String,
    /// Last characters of the clear text, for display.
    pub shown_suffix: String,
    /// Its own rate limits.
    pub limits: KeyLimits,
    /// Names of the pipelines it may ask for; `None` = all.
    pub pipelines: Option<Vec<String>>,
    /// When it stops working by itself; `None` = never.
    pub expires_at_ms: Option<UnixMs>,
    /// When it was revoked.
    pub revoked_at_ms: Option<UnixMs>,
    /// When it was deleted; such a key is revoked too.
    pub deleted_at_ms: Option<UnixMs>,
    /// When it was created.
    pub created_at_ms: UnixMs,
    /// Last use, exact to [`LAST_USED_STALE_MS`].
    pub last_used_at_ms: Option<UnixMs>,
    /// Part of what download URLs sign: revoking raises it, so that all URLs given out for the key's jobs die.
    pub url_epoch: u32,
}

impl KeyRecord {
    /// Whether it opens the door at `now_ms`.
    pub fn state(&self, now_ms: UnixMs) -> KeyState {
        match (self.revoked_at_ms, self.expires_at_ms) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(expires)) if expires <= now_ms => KeyState::Expired,
            _ => KeyState::Active,
        }
    }

    /// Whether it may ask for the pipeline of this name.
    pub fn allows_pipeline(&self, name: &str) -> bool {
        self.pipelines
            .as_ref()
            .is_none_or(|names| names.iter().any(|allowed| allowed == name))
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The account that pays.
    pub account: AccountId,
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// Its own rate limits.
    pub limits: KeyLimits,
    /// Names of the pipelines it may ask for; `None` = all. At most 64 names of 64 characters.
    pub pipelines: Option<Vec<String>>,
    /// When it stops working by itself; `None` = never.
    pub expires_at_ms: Option<UnixMs>,
}

impl NewKey {
    /// A key without expiry and without limits of its own.
    pub fn named(account: AccountId, name: impl Into<String>) -> Self {
        Self {
            account,
            name: name.into(),
            limits: KeyLimits::default(),
            pipelines: None,
            expires_at_ms: None,
        }
    }
}

/// Changes to a key; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// New name.
    pub name: Option<String>,
    /// New rate limits.
    pub limits: Option<KeyLimits>,
    /// New pipelines; `Some(None)` = all.
    pub pipelines: Option<Option<Vec<String>>>,
    /// New expiry; `Some(None)` = never.
    pub expires_at_ms: Option<Option<UnixMs>>,
}

/// A key that was just made.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    /// The clear text: show it once, then drop it.
    pub secret: ApiKey,
    /// What is stored.
    pub record: KeyRecord,
}

/// Which keys a listing shows; `None` = any.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// In this state now.
    pub state: Option<KeyState>,
    /// With this text in the name or in what is shown of the secret, in any case of A to Z.
    pub text: Option<String>,
    /// Deleted ones too.
    pub deleted: bool,
}

/// Answer to a key that a client presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    /// A working key.
    Active(Box<KeyRecord>),
    /// Revoked, expired or never made: one answer for all, so that a client learns nothing.
    Refused,
}

/// Operations on keys. `actor` says who acts (for the audit table), 1 to 100 characters.
pub trait Keys {
    /// Makes a key; the only time its clear text exists in the program.
    fn create_key(&self, new: &NewKey, actor: &str) -> Result<CreatedKey>;

    /// Checks a presented key and notes its use, at most once in [`LAST_USED_STALE_MS`].
    /// A failure to note the use does not refuse the key.
    fn authenticate(&self, hash: &KeyHash) -> Result<KeyCheck>;

    /// One key in whatever state, deleted ones too; `None` when there was never such a key.
    fn key(&self, key: KeyId) -> Result<Option<KeyRecord>>;

    /// Keys that pass the filter, oldest first.
    fn list_keys(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<KeyRecord>>;

    /// Changes name, limits, pipelines or expiry.
    fn update_key(&self, key: KeyId, change: &KeyChange, actor: &str) -> Result<KeyRecord>;

    /// Revokes a key at once and for good, and raises its `url_epoch`. Revoking again changes nothing.
    fn revoke_key(&self, key: KeyId, actor: &str) -> Result<KeyRecord>;

    /// Revokes a key if need be and takes it from the listings; it can no longer be changed. Its record stays: jobs name it,
    /// and addresses that were signed for it must stay dead.
    fn delete_key(&self, key: KeyId, actor: &str) -> Result<KeyRecord>;
}
