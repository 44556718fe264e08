//! Accounts.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;

use super::failure::TxResult;
use super::{SqliteStore, audit};
use crate::accounts::{Account, Accounts, Balance};
use crate::error::{Result, StoreError};
use crate::{AccountId, Page, PageRequest, limits};

impl Accounts for SqliteStore {
    fn create_account(&self, name: &str, actor: &str) -> Result<Account> {
        const OPERATION: &str = "creating an account";
        limits::text(OPERATION, "name", name, 100)?;
        self.write(OPERATION, |tx| {
            tx.execute(
                "INSERT INTO account (name, created_at_ms) VALUES (?1, ?2)",
                params![name, tx.now_ms],
            )?;
            let id = AccountId(tx.last_insert_rowid());
            audit::insert(
                tx,
                actor,
                "account.create",
                &format!("account:{id}"),
                &json!({ "name": name }),
            )?;
            Ok(Account {
                id,
                name: name.to_owned(),
                balance: Balance {
                    available: 0,
                    held: 0,
                },
                created_at_ms: tx.now_ms,
            })
        })
    }

    fn account(&self, account: AccountId) -> Result<Option<Account>> {
        self.read("reading an account", |sql| find(sql, account))
    }

    fn rename_account(&self, account: AccountId, name: &str, actor: &str) -> Result<Account> {
        const OPERATION: &str = "renaming an account";
        limits::text(OPERATION, "name", name, 100)?;
        self.write(OPERATION, |tx| {
            let before = find(tx, account)?.ok_or(StoreError::UnknownAccount {
                operation: OPERATION,
                account,
            })?;
            tx.execute(
                "UPDATE account SET name = ?2 WHERE id = ?1",
                params![account, name],
            )?;
            let detail = json!({ "before": { "name": before.name }, "after": { "name": name } });
            audit::insert(
                tx,
                actor,
                "account.rename",
                &format!("account:{account}"),
                &detail,
            )?;
            Ok(Account {
                name: name.to_owned(),
                ..before
            })
        })
    }

    fn list_accounts(&self, text: Option<&str>, request: &PageRequest) -> Result<Page<Account>> {
        let after = request.after.map_or(0, |cursor| cursor.0);
        self.read("listing accounts", |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT * FROM account WHERE id > ?1 AND instr(lower(name), lower(coalesce(?3, ''))) > 0 ORDER BY id LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after, request.rows() + 1, text], |row| Ok((row.get("id")?, account_row(row)?)))?;
            Ok(Page::of(request.rows(), rows.collect::<rusqlite::Result<_>>()?))
        })
    }

    fn balance(&self, account: AccountId) -> Result<Balance> {
        const OPERATION: &str = "reading a balance";
        self.read(OPERATION, |sql| balance(sql, OPERATION, account))
    }
}

fn find(sql: &Connection, account: AccountId) -> TxResult<Option<Account>> {
    Ok(sql
        .prepare_cached("SELECT * FROM account WHERE id = ?1")?
        .query_row([account], account_row)
        .optional()?)
}

/// Credits of an account, an error when there is no such.
pub(super) fn balance(
    sql: &Connection,
    operation: &'static str,
    account: AccountId,
) -> TxResult<Balance> {
    let mut statement = sql.prepare_cached("SELECT available, held FROM account WHERE id = ?1")?;
    let found = statement.query_row([account], balance_row).optional()?;
    Ok(found.ok_or(StoreError::UnknownAccount { operation, account })?)
}

pub(super) fn balance_row(row: &Row<'_>) -> rusqlite::Result<Balance> {
    Ok(Balance {
        available: row.get("available")?,
        held: row.get("held")?,
    })
}

fn account_row(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: row.get("id")?,
        name: row.get("name")?,
        balance: balance_row(row)?,
        created_at_ms: row.get("created_at_ms")?,
    })
}
