//! API keys.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::nullable;

/// Whether a key opens the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It does.
    Active,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRow {
    /// Its number.
    pub id: i64,
    /// The account that pays.
    pub account_id: i64,
    /// Name of that account.
    pub account_name: String,
    /// A name for people.
    pub name: String,
    /// First and last characters of the secret, to recognise it by.
    pub hint: String,
    /// Whether it works.
    pub state: KeyState,
    /// Single removals per minute; null takes the limit of the configuration.
    pub removals_per_minute: Option<u32>,
    /// Batches per minute; null takes the limit of the configuration.
    pub batches_per_minute: Option<u32>,
    /// Pipelines it may ask for; null = all.
    pub pipelines: Option<Vec<String>>,
    /// When it stops working by itself; null = never.
    pub expires_at_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
    /// When it was made.
    pub created_at_ms: i64,
    /// Last use, exact to a minute.
    pub last_used_at_ms: Option<i64>,
}

/// Query of a list of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct KeysQuery {
    /// Only keys of this account.
    pub account: Option<i64>,
    /// Only keys in this state.
    pub state: Option<KeyState>,
    /// Text to look for in the name or hint, without regard to case, at most 100 characters.
    pub text: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows of the page, 1 to 100; 100 if not given.
    pub rows: Option<u32>,
}

/// Body of `POST /keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The account that pays.
    pub account_id: i64,
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// Single removals per minute, 1 or more; null takes the limit of the configuration.
    #[serde(default)]
    pub removals_per_minute: Option<u32>,
    /// Batches per minute, 1 or more; null takes the limit of the configuration.
    #[serde(default)]
    pub batches_per_minute: Option<u32>,
    /// Pipelines it may ask for, at most 64; null = all.
    #[serde(default)]
    pub pipelines: Option<Vec<String>>,
    /// When it stops working by itself; null = never. Not in the past.
    #[serde(default)]
    pub expires_at_ms: Option<i64>,
}

/// Reply of `POST /keys`: the only time the secret is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyCreated {
    /// What clients send as `Authorization: Bearer ...`.
    pub secret: String,
    /// The key.
    pub key: KeyRow,
}

impl std::fmt::Debug for KeyCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCreated")
            .field("secret", &"hidden")
            .field("key", &self.key)
            .finish()
    }
}

/// Body of `PATCH /keys/{id}`: absent fields stay, `null` takes a limit, a list or an expiry away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// New name, 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Single removals per minute.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u32>)]
    pub removals_per_minute: Option<Option<u32>>,
    /// Batches per minute.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u32>)]
    pub batches_per_minute: Option<Option<u32>>,
    /// Pipelines it may ask for.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Vec<String>>)]
    pub pipelines: Option<Option<Vec<String>>>,
    /// When it stops working by itself. In the past: at once.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<i64>)]
    pub expires_at_ms: Option<Option<i64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_differ() {
        let change: KeyChange =
            serde_json::from_str(r#"{"removals_per_minute":null,"pipelines":["lama"]}"#).unwrap();
        assert_eq!(change.removals_per_minute, Some(None));
        assert_eq!(change.batches_per_minute, None);
        assert_eq!(change.pipelines, Some(Some(vec!["lama".to_string()])));
        assert_eq!(
            serde_json::to_string(&change).unwrap(),
            r#"{"removals_per_minute":null,"pipelines":["lama"]}"#
        );
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<KeyChange>(r#"{"nmae":"x"}"#).is_err());
    }
}
