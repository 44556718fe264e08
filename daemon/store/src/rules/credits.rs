//! Changes of credits.

use serde_json::{Value, json};

use crate::accounts::Balance;
use crate::error::{Result, StoreError};
use crate::ledger::{LedgerCause, LedgerKind};
use crate::{AccountId, AuditId, Credits, JobId, limits};

/// A change of credits to be posted: to the account, and to the ledger as an entry.
pub(crate) struct Posting {
    pub(crate) account: AccountId,
    pub(crate) kind: LedgerKind,
    pub(crate) cause: LedgerCause,
    /// Change of the available credits.
    pub(crate) available: Credits,
    /// Change of the held credits.
    pub(crate) held: Credits,
}

impl Posting {
    /// Holds the price of a job.
    pub(crate) fn hold(account: AccountId, job: JobId, price: Credits) -> Self {
        Self {
            account,
            kind: LedgerKind::Reserve,
            cause: LedgerCause::Job(job),
            available: -price,
            held: price,
        }
    }

    /// Takes the whole hold of a job back; what is not charged becomes available again.
    pub(crate) fn resolve(
        account: AccountId,
        job: JobId,
        price: Credits,
        kind: LedgerKind,
        charge: Credits,
    ) -> Self {
        Self {
            account,
            kind,
            cause: LedgerCause::Job(job),
            available: price - charge,
            held: -price,
        }
    }

    /// Its job and its entry in the audit table, of which it has one.
    pub(crate) fn causes(&self) -> (Option<JobId>, Option<AuditId>) {
        match self.cause {
            LedgerCause::Job(job) => (Some(job), None),
            LedgerCause::Audit(audit) => (None, Some(audit)),
        }
    }

    /// Why it could not be posted, when the account was not found.
    pub(crate) fn unknown_account(&self, operation: &'static str) -> StoreError {
        StoreError::UnknownAccount {
            operation,
            account: self.account,
        }
    }

    /// Why a hold could not be taken back: it was there when the job was accepted.
    pub(crate) fn not_held(&self, operation: &'static str) -> StoreError {
        let cause = match self.cause {
            LedgerCause::Job(job) => format!("job {job}"),
            LedgerCause::Audit(entry) => format!("audit entry {entry}"),
        };
        StoreError::Corrupt {
            operation,
            what: "balance",
            detail: format!(
                "account {} holds less than the {} credits of {cause}",
                self.account, -self.held
            ),
        }
    }
}

/// What an administrator does to the credits of an account.
pub(crate) struct Administration<'a> {
    pub(crate) account: AccountId,
    pub(crate) kind: LedgerKind,
    pub(crate) credits: Credits,
    pub(crate) note: &'a str,
}

impl<'a> Administration<'a> {
    /// Adds credits, at least one.
    pub(crate) fn top_up(
        operation: &'static str,
        account: AccountId,
        credits: Credits,
        note: &'a str,
    ) -> Result<Self> {
        limits::credits(operation, "credits", credits, 1)?;
        Ok(Administration {
            account,
            kind: LedgerKind::TopUp,
            credits,
            note,
        })
    }

    /// Adds or takes away credits.
    pub(crate) fn correction(
        operation: &'static str,
        account: AccountId,
        credits: Credits,
        note: &'a str,
    ) -> Result<Self> {
        limits::credits(operation, "credits", credits, -limits::CREDITS_MAX)?;
        if credits == 0 {
            let problem = "is 0, which corrects nothing";
            return Err(limits::invalid(operation, "credits", problem));
        }
        Ok(Administration {
            account,
            kind: LedgerKind::Correct,
            credits,
            note,
        })
    }

    /// What the audit table keeps of it: action, target and detail; an error where the balance does not allow it.
    pub(crate) fn audited(
        &self,
        operation: &'static str,
        before: Balance,
    ) -> Result<(String, String, Value)> {
        if self.note.chars().count() > 500 {
            let problem = "has more than 500 characters";
            return Err(limits::invalid(operation, "note", problem));
        }
        let (account, available) = (self.account, before.available);
        let after = available + self.credits;
        if after < 0 {
            return Err(StoreError::Overdrawn {
                operation,
                account,
                available,
                wanted: -self.credits,
            });
        }
        limits::credits(operation, "balance afterwards", after, 0)?;
        Ok((
            format!("account.{}", self.kind.as_str()),
            format!("account:{account}"),
            json!({ "credits": self.credits, "note": self.note, "before": available, "after": after }),
        ))
    }

    /// The change, once it is in the audit table.
    pub(crate) fn posting(&self, audit: AuditId) -> Posting {
        Posting {
            account: self.account,
            kind: self.kind,
            cause: LedgerCause::Audit(audit),
            available: self.credits,
            held: 0,
        }
    }
}
