//! The ledger: the only place that changes balances, always together with an entry.

use rusqlite::{OptionalExtension, Row, params};

use super::accounts::{balance, balance_row};
use super::failure::TxResult;
use super::{SqliteStore, Tx, audit};
use crate::accounts::Balance;
use crate::error::Result;
use crate::ledger::{Ledger, LedgerCause, LedgerEntry};
use crate::rules::credits::{Administration, Posting};
use crate::{AccountId, Credits, EntryId, Page, PageRequest};

impl Ledger for SqliteStore {
    fn top_up(
        &self,
        account: AccountId,
        credits: Credits,
        actor: &str,
        note: &str,
    ) -> Result<LedgerEntry> {
        const OPERATION: &str = "topping up an account";
        let done = Administration::top_up(OPERATION, account, credits, note)?;
        self.write(OPERATION, |tx| administer(tx, &done, actor))
    }

    fn correct(
        &self,
        account: AccountId,
        credits: Credits,
        actor: &str,
        note: &str,
    ) -> Result<LedgerEntry> {
        const OPERATION: &str = "correcting an account";
        let done = Administration::correction(OPERATION, account, credits, note)?;
        self.write(OPERATION, |tx| administer(tx, &done, actor))
    }

    fn ledger(&self, account: AccountId, request: &PageRequest) -> Result<Page<LedgerEntry>> {
        const OPERATION: &str = "listing the ledger";
        let before = request.after.map_or(i64::MAX, |cursor| cursor.0);
        self.read(OPERATION, |sql| {
            balance(sql, OPERATION, account)?;
            let mut statement = sql.prepare_cached(
                "SELECT * FROM ledger WHERE account_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
            )?;
            let rows = statement
                .query_map(params![account, before, request.rows() + 1], |row| {
                    Ok((row.get("id")?, entry_row(row)?))
                })?;
            Ok(Page::of(
                request.rows(),
                rows.collect::<rusqlite::Result<_>>()?,
            ))
        })
    }
}

fn administer(tx: &Tx<'_>, done: &Administration<'_>, actor: &str) -> TxResult<LedgerEntry> {
    let before = balance(tx, tx.operation, done.account)?;
    let (action, target, detail) = done.audited(tx.operation, before)?;
    let audit = audit::insert(tx, actor, &action, &target, &detail)?;
    let posting = done.posting(audit);
    let entry = post(tx, &posting)?;
    Ok(entry.ok_or_else(|| posting.unknown_account(tx.operation))?)
}

/// Applies a change if the account exists and can bear it, and writes its entry; `None` changes nothing.
pub(super) fn post(tx: &Tx<'_>, change: &Posting) -> TxResult<Option<LedgerEntry>> {
    let mut update = tx.prepare_cached(
        "UPDATE account SET available = available + ?2, held = held + ?3
         WHERE id = ?1 AND available + ?2 >= 0 AND held + ?3 >= 0 RETURNING available, held",
    )?;
    let changed = update
        .query_row(
            params![change.account, change.available, change.held],
            balance_row,
        )
        .optional()?;
    changed.map(|after| insert(tx, change, after)).transpose()
}

fn insert(tx: &Tx<'_>, change: &Posting, after: Balance) -> TxResult<LedgerEntry> {
    let (job, audit) = change.causes();
    let mut insert = tx.prepare_cached(
        "INSERT INTO ledger (account_id, kind, job_id, audit_id, available_change, held_change, available_after, held_after, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let id = insert.insert(params![
        change.account,
        change.kind,
        job,
        audit,
        change.available,
        change.held,
        after.available,
        after.held,
        tx.now_ms
    ])?;
    Ok(LedgerEntry {
        id: EntryId(id),
        account: change.account,
        kind: change.kind,
        cause: change.cause,
        available_change: change.available,
        held_change: change.held,
        balance_after: after,
        created_at_ms: tx.now_ms,
    })
}

fn entry_row(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    let cause = match row.get("job_id")? {
        Some(job) => LedgerCause::Job(job),
        None => LedgerCause::Audit(row.get("audit_id")?),
    };
    Ok(LedgerEntry {
        id: row.get("id")?,
        account: row.get("account_id")?,
        kind: row.get("kind")?,
        cause,
        available_change: row.get("available_change")?,
        held_change: row.get("held_change")?,
        balance_after: Balance {
            available: row.get("available_after")?,
            held: row.get("held_after")?,
        },
        created_at_ms: row.get("created_at_ms")?,
    })
}
