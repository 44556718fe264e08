//! The ledger: every change of credits, append-only. An account's balance is the sum of its entries.

use serde::{Deserialize, Serialize};

use crate::accounts::Balance;
use crate::error::Result;
use crate::{AccountId, AuditId, Credits, EntryId, JobId, Page, PageRequest, UnixMs};

/// Why credits moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// An administrator added credits.
    TopUp,
    /// A job took its price from available to held.
    Reserve,
    /// A job succeeded: its charge left the account, a remainder of the hold went back.
    Settle,
    /// A job ended without success: its whole hold went back.
    Release,
    /// An administrator corrected available credits, either way.
    Correct,
}

impl LedgerKind {
    /// The name used in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Reserve => "reserve",
            Self::Settle => "settle",
            Self::Release => "release",
            Self::Correct => "correct",
        }
    }
}

/// What an entry belongs to: every entry names a job or an action of an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerCause {
    /// A job, for reserve, settle and release.
    Job(JobId),
    /// An audit entry, for top-up and correction.
    Audit(AuditId),
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its number, ascending in time.
    pub id: EntryId,
    /// Whose credits.
    pub account: AccountId,
    /// Why.
    pub kind: LedgerKind,
    /// The job or administrator's action.
    pub cause: LedgerCause,
    /// Change of the available credits.
    pub available_change: Credits,
    /// Change of the held credits.
    pub held_change: Credits,
    /// The balance right after this entry.
    pub balance_after: Balance,
    /// When.
    pub created_at_ms: UnixMs,
}

/// Operations on the ledger that an administrator makes. Jobs write their entries through [`crate::Jobs`].
pub trait Ledger {
    /// Adds `credits` (1 or more) and says who did it and why (`note`, at most 500 characters).
    fn top_up(
        &self,
        account: AccountId,
        credits: Credits,
        actor: &str,
        note: &str,
    ) -> Result<LedgerEntry>;

    /// Adds or takes available credits (not 0). Taking more than is available is [`crate::StoreError::Overdrawn`].
    fn correct(
        &self,
        account: AccountId,
        credits: Credits,
        actor: &str,
        note: &str,
    ) -> Result<LedgerEntry>;

    /// The entries of an account, newest first; an error when there is no such account.
    fn ledger(&self, account: AccountId, page: &PageRequest) -> Result<Page<LedgerEntry>>;
}
