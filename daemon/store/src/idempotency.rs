//! Idempotency keys: the same key and request are worked on and charged once.
//!
//! The row of a key is written in the transaction that reserves the credits. It is *in flight* until the job or batch
//! ends. It then carries the reply that later requests get, until it expires.

use std::fmt;

use crate::error::Result;
use crate::{KeyId, UnixMs};

/// How long a key is kept by default: 24 hours in ms.
pub const IDEMPOTENCY_KEEP_MS: i64 = 24 * 60 * 60 * 1_000;
/// Longest reply body that can be kept: 1 MiB.
pub const REPLY_BYTES_MAX: usize = 1 << 20;

/// The value of an `Idempotency-Key` header: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Text that cannot be an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 255 visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// Reads a header value.
    pub fn parse(text: &str) -> std::result::Result<Self, IdempotencyKeyError> {
        let fits =
            (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdempotencyKeyError)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Within what an idempotency key is unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdempotencyScope {
    /// An API key.
    Key(KeyId),
    /// A watched folder, by its configured name (at most 255 characters).
    Folder(String),
}

impl fmt::Display for IdempotencyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key:{key}"),
            Self::Folder(name) => write!(f, "folder:{name}"),
        }
    }
}

/// A kept reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status, 100 to 599.
    pub status: u16,
    /// Body as it was sent, at most [`REPLY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// The wish that a request be done once.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// Within what the key is unique.
    pub scope: IdempotencyScope,
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 over method, route, parameters and file digests: what "the same request" means.
    pub request_hash: [u8; 32],
    /// How long the key is kept from now on, ms.
    pub keep_ms: i64,
    /// The reply, when it is known in advance (asynchronous work: 202). A key with a reply is not in flight.
    pub reply: Option<Reply>,
}

/// Operations on kept keys. Rows are made by [`crate::Jobs::accept`] and [`crate::Batches::start_batch`].
pub trait IdempotencyRows {
    /// Removes expired rows, at most `rows_max`, and says how many. Rows in flight stay.
    fn sweep_idempotency(&self, rows_max: u32) -> Result<u32>;

    /// When the row of a key expires; `None` when there is none. For inspection.
    fn idempotency_expiry(
        &self,
        scope: &IdempotencyScope,
        key: &IdempotencyKey,
    ) -> Result<Option<UnixMs>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        for good in [
            "a",
            "8e03978e-40d5-43e8-bc93-6894a57f9324",
            &"x".repeat(255),
            "!~",
        ] {
            assert_eq!(IdempotencyKey::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            " ",
            "a b",
            "tab\t",
            "caf\u{e9}",
            "nul\0",
            &"x".repeat(256),
        ] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
