//! Accounts.

use postgres::Row;
use serde_json::json;

use super::convert::{Text, column};
use super::failure::PgResult;
use super::session::Sql;
use super::{PgStore, audit, contains};
use crate::accounts::{Account, Accounts, Balance};
use crate::error::{Result, StoreError};
use crate::{AccountId, Page, PageRequest, limits};

impl Accounts for PgStore {
    fn create_account(&self, name: &str, actor: &str) -> Result<Account> {
        const OPERATION: &str = "creating an account";
        limits::text(OPERATION, "name", name, 100)?;
        self.write(OPERATION, |sql| {
            let row = sql.one(
                "INSERT INTO account (name, created_at_ms) VALUES ($1, $2) RETURNING id, name, available, held, created_at_ms",
                &[&Text(name), &sql.now_ms],
            )?;
            let account = account_row(&row)?;
            audit::insert(
                sql,
                actor,
                "account.create",
                &format!("account:{}", account.id),
                &json!({ "name": name }),
            )?;
            Ok(account)
        })
    }

    fn account(&self, account: AccountId) -> Result<Option<Account>> {
        self.read("reading an account", |sql| find(sql, account))
    }

    fn rename_account(&self, account: AccountId, name: &str, actor: &str) -> Result<Account> {
        const OPERATION: &str = "renaming an account";
        limits::text(OPERATION, "name", name, 100)?;
        self.write(OPERATION, |sql| {
            locked(sql, account)?;
            let before = find(sql, account)?.ok_or(StoreError::UnknownAccount {
                operation: OPERATION,
                account,
            })?;
            sql.execute(
                "UPDATE account SET name = $2 WHERE id = $1",
                &[&account, &Text(name)],
            )?;
            let detail = json!({ "before": { "name": before.name }, "after": { "name": name } });
            audit::insert(
                sql,
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
        let query = format!(
            "SELECT id, name, available, held, created_at_ms FROM account WHERE id > $1 AND {} ORDER BY id LIMIT $2",
            contains(&["name"], 3)
        );
        self.read("listing accounts", |sql| {
            let rows_max = i64::from(request.rows()) + 1;
            let rows = sql.all(&query, &[&after, &rows_max, &Text(text.unwrap_or(""))])?;
            let found = rows
                .iter()
                .map(|row| Ok((column(row, "id")?, account_row(row)?)));
            Ok(Page::of(request.rows(), found.collect::<PgResult<_>>()?))
        })
    }

    fn balance(&self, account: AccountId) -> Result<Balance> {
        self.read("reading a balance", |sql| balance(sql, account))
    }
}

fn find(sql: &Sql<'_>, account: AccountId) -> PgResult<Option<Account>> {
    let row = sql.optional(
        "SELECT id, name, available, held, created_at_ms FROM account WHERE id = $1",
        &[&account],
    )?;
    row.as_ref().map(account_row).transpose()
}

/// Credits of an account, an error when there is no such.
pub(super) fn balance(sql: &Sql<'_>, account: AccountId) -> PgResult<Balance> {
    let row = sql.optional(
        "SELECT available, held FROM account WHERE id = $1",
        &[&account],
    )?;
    known(sql, account, row)
}

/// The same, and nobody else changes them until the end of the transaction. Accepting work takes this lock first, so that
/// what it counts and looks up for an account stays as it was found.
pub(super) fn locked(sql: &Sql<'_>, account: AccountId) -> PgResult<Balance> {
    let row = sql.optional(
        "SELECT available, held FROM account WHERE id = $1 FOR NO KEY UPDATE",
        &[&account],
    )?;
    known(sql, account, row)
}

fn known(sql: &Sql<'_>, account: AccountId, row: Option<Row>) -> PgResult<Balance> {
    let operation = sql.operation;
    let row = row.ok_or(StoreError::UnknownAccount { operation, account })?;
    balance_row(&row)
}

fn balance_row(row: &Row) -> PgResult<Balance> {
    Ok(Balance {
        available: column(row, "available")?,
        held: column(row, "held")?,
    })
}

fn account_row(row: &Row) -> PgResult<Account> {
    Ok(Account {
        id: column(row, "id")?,
        name: column(row, "name")?,
        balance: balance_row(row)?,
        created_at_ms: column(row, "created_at_ms")?,
    })
}
