//! The audit table.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use super::convert::Json;
use super::failure::TxResult;
use super::{SqliteStore, Tx};
use crate::audit::{Audit, AuditEntry};
use crate::error::Result;
use crate::{AuditId, Page, PageRequest, limits};

impl Audit for SqliteStore {
    fn record_action(
        &self,
        actor: &str,
        action: &str,
        target: &str,
        detail: &Value,
    ) -> Result<AuditId> {
        self.write("noting an action", |tx| {
            insert(tx, actor, action, target, detail)
        })
    }

    fn action(&self, action: AuditId) -> Result<Option<AuditEntry>> {
        self.read("reading an action", |sql| {
            Ok(sql
                .prepare_cached("SELECT * FROM audit WHERE id = ?1")?
                .query_row([action], entry_row)
                .optional()?)
        })
    }

    fn list_actions(&self, text: Option<&str>, request: &PageRequest) -> Result<Page<AuditEntry>> {
        let before = request.after.map_or(i64::MAX, |cursor| cursor.0);
        self.read("listing actions", |sql| {
            // One line break between the columns: a text that stands in none of them is not found across two.
            let mut statement = sql.prepare_cached(
                "SELECT * FROM audit WHERE id < ?1
                 AND instr(lower(actor || char(10) || action || char(10) || target), lower(coalesce(?3, ''))) > 0
                 ORDER BY id DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![before, request.rows() + 1, text], |row| Ok((row.get("id")?, entry_row(row)?)))?;
            Ok(Page::of(request.rows(), rows.collect::<rusqlite::Result<_>>()?))
        })
    }
}

/// Notes an action within the transaction that performs it.
pub(super) fn insert(
    tx: &Tx<'_>,
    actor: &str,
    action: &str,
    target: &str,
    detail: &Value,
) -> TxResult<AuditId> {
    for (field, value) in [("actor", actor), ("action", action), ("target", target)] {
        limits::text(tx.operation, field, value, 100)?;
    }
    let detail = limits::json(tx.operation, "detail", detail)?;
    let mut statement =
        tx.prepare_cached("INSERT INTO audit (actor, action, target, detail, created_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    Ok(AuditId(statement.insert(params![
        actor, action, target, detail, tx.now_ms
    ])?))
}

fn entry_row(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.get("id")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        target: row.get("target")?,
        detail: row.get::<_, Json>("detail")?.0,
        created_at_ms: row.get("created_at_ms")?,
    })
}
