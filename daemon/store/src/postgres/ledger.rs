//! The ledger: the only place that changes balances, always together with an entry.

use postgres::Row;

use super::accounts::{balance, locked};
use super::convert::column;
use super::failure::PgResult;
use super::session::Sql;
use super::{PgStore, audit};
use crate::accounts::Balance;
use crate::error::Result;
use crate::ledger::{Ledger, LedgerCause, LedgerEntry};
use crate::rules::credits::{Administration, Posting};
use crate::{AccountId, Credits, Page, PageRequest};

/// The columns of an entry.
macro_rules! entry_columns {
    () => {
        "id, account_id, kind, job_id, audit_id, available_change, held_change, available_after, held_after, created_at_ms"
    };
}

impl Ledger for PgStore {
    fn top_up(
        &self,
        account: AccountId,
        credits: Credits,
        actor: &str,
        note: &str,
    ) -> Result<LedgerEntry> {
        const OPERATION: &str = "topping up an account";
        let done = Administration::top_up(OPERATION, account, credits, note)?;
        self.write(OPERATION, |sql| administer(sql, &done, actor))
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
        self.write(OPERATION, |sql| administer(sql, &done, actor))
    }

    fn ledger(&self, account: AccountId, request: &PageRequest) -> Result<Page<LedgerEntry>> {
        let before = request.after.map_or(i64::MAX, |cursor| cursor.0);
        self.snapshot("listing the ledger", |sql| {
            balance(sql, account)?;
            let rows = sql.all(
                concat!(
                    "SELECT ",
                    entry_columns!(),
                    " FROM ledger WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
                ),
                &[&account, &before, &(i64::from(request.rows()) + 1)],
            )?;
            let found = rows
                .iter()
                .map(|row| Ok((column(row, "id")?, entry_row(row)?)));
            Ok(Page::of(request.rows(), found.collect::<PgResult<_>>()?))
        })
    }
}

fn administer(sql: &Sql<'_>, done: &Administration<'_>, actor: &str) -> PgResult<LedgerEntry> {
    let before = locked(sql, done.account)?;
    let (action, target, detail) = done.audited(sql.operation, before)?;
    let audit = audit::insert(sql, actor, &action, &target, &detail)?;
    let posting = done.posting(audit);
    let entry = post(sql, &posting)?;
    Ok(entry.ok_or_else(|| posting.unknown_account(sql.operation))?)
}

/// Applies a change if the account exists and can bear it, and writes its entry; `None` changes nothing.
pub(super) fn post(sql: &Sql<'_>, change: &Posting) -> PgResult<Option<LedgerEntry>> {
    let (job, audit) = change.causes();
    let row = sql.optional(
        concat!(
            "WITH changed AS (
                 UPDATE account SET available = available + $2, held = held + $3
                 WHERE id = $1 AND available + $2 >= 0 AND held + $3 >= 0 RETURNING available, held)
             INSERT INTO ledger (account_id, kind, job_id, audit_id, available_change, held_change, available_after, held_after,
                                 created_at_ms)
             SELECT $1, $4::text, $5::uuid, $6::bigint, $2, $3, changed.available, changed.held, $7::bigint FROM changed
             RETURNING ", entry_columns!()
        ),
        &[
            &change.account,
            &change.available,
            &change.held,
            &change.kind,
            &job,
            &audit,
            &sql.now_ms,
        ],
    )?;
    row.as_ref().map(entry_row).transpose()
}

fn entry_row(row: &Row) -> PgResult<LedgerEntry> {
    let cause = match column(row, "job_id")? {
        Some(job) => LedgerCause::Job(job),
        None => LedgerCause::Audit(column(row, "audit_id")?),
    };
    Ok(LedgerEntry {
        id: column(row, "id")?,
        account: column(row, "account_id")?,
        kind: column(row, "kind")?,
        cause,
        available_change: column(row, "available_change")?,
        held_change: column(row, "held_change")?,
        balance_after: Balance {
            available: column(row, "available_after")?,
            held: column(row, "held_after")?,
        },
        created_at_ms: column(row, "created_at_ms")?,
    })
}
