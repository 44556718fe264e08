//! Accounts: the owners of credits.

use crate::error::Result;
use crate::{AccountId, Credits, Page, PageRequest, UnixMs};

/// Credits of an account. Neither number is ever negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Free to be spent.
    pub available: Credits,
    /// Held by jobs that have not ended.
    pub held: Credits,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// A name for people; need not be unique. 1 to 100 characters.
    pub name: String,
    /// Its credits.
    pub balance: Balance,
    /// When it was created.
    pub created_at_ms: UnixMs,
}

/// Operations on accounts. `actor` says who acts (for the audit table), 1 to 100 characters.
pub trait Accounts {
    /// A new account without credits.
    fn create_account(&self, name: &str, actor: &str) -> Result<Account>;

    /// One account, `None` when there is no such.
    fn account(&self, account: AccountId) -> Result<Option<Account>>;

    /// Renames an account.
    fn rename_account(&self, account: AccountId, name: &str, actor: &str) -> Result<Account>;

    /// All accounts, or those whose name holds `text` in any case of A to Z; oldest first.
    fn list_accounts(&self, text: Option<&str>, page: &PageRequest) -> Result<Page<Account>>;

    /// Credits of an account; an error when there is no such account.
    fn balance(&self, account: AccountId) -> Result<Balance>;
}
