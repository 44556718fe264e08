//! Accounts and their ledgers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountRow {
    /// Its number.
    pub id: i64,
    /// A name for people; need not be unique.
    pub name: String,
    /// Credits that can be spent.
    pub available: i64,
    /// Credits held by jobs that have not ended.
    pub held: i64,
    /// When it was made.
    pub created_at_ms: i64,
}

/// Body of `POST /accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// Credits to start with, 0 or more.
    #[serde(default)]
    pub credits: i64,
}

/// Body of `PATCH /accounts/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// New name, 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Body of `POST /accounts/{id}/top-ups`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUp {
    /// Credits to add; below 0 takes available credits away (a correction). Not 0.
    pub credits: i64,
    /// Why, at most 500 characters.
    #[serde(default)]
    pub note: String,
}

/// What moved credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerCause {
    /// A job, by its id.
    Job(String),
    /// An action of an administrator, by its number in the audit table.
    Audit(i64),
}

/// One change of credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerRow {
    /// Its number, ascending in time.
    pub id: i64,
    /// Whose credits.
    pub account_id: i64,
    /// `top_up`, `correct`, `reserve`, `settle` or `release`.
    pub kind: String,
    /// The job or the administrator's action.
    pub cause: LedgerCause,
    /// Change of the available credits.
    pub available_change: i64,
    /// Change of the held credits.
    pub held_change: i64,
    /// Available credits right after it.
    pub available_after: i64,
    /// Held credits right after it.
    pub held_after: i64,
    /// Who acted, for top-ups and corrections.
    pub actor: Option<String>,
    /// What they noted.
    pub note: Option<String>,
    /// When.
    pub created_at_ms: i64,
}
