//! The audit table.

use postgres::Row;
use serde_json::Value;

use super::convert::{Text, column, json};
use super::failure::PgResult;
use super::session::Sql;
use super::{PgStore, contains};
use crate::audit::{Audit, AuditEntry};
use crate::error::Result;
use crate::{AuditId, Page, PageRequest, limits};

impl Audit for PgStore {
    fn record_action(
        &self,
        actor: &str,
        action: &str,
        target: &str,
        detail: &Value,
    ) -> Result<AuditId> {
        self.write("noting an action", |sql| {
            insert(sql, actor, action, target, detail)
        })
    }

    fn action(&self, action: AuditId) -> Result<Option<AuditEntry>> {
        self.read("reading an action", |sql| {
            let row = sql.optional(
                "SELECT id, actor, action, target, detail, created_at_ms FROM audit WHERE id = $1",
                &[&action],
            )?;
            row.as_ref().map(entry_row).transpose()
        })
    }

    fn list_actions(&self, text: Option<&str>, request: &PageRequest) -> Result<Page<AuditEntry>> {
        let before = request.after.map_or(i64::MAX, |cursor| cursor.0);
        let query = format!(
            "SELECT id, actor, action, target, detail, created_at_ms FROM audit WHERE id < $1 AND {} ORDER BY id DESC LIMIT $2",
            contains(&["actor", "action", "target"], 3)
        );
        self.read("listing actions", |sql| {
            let rows_max = i64::from(request.rows()) + 1;
            let rows = sql.all(&query, &[&before, &rows_max, &Text(text.unwrap_or(""))])?;
            let found = rows
                .iter()
                .map(|row| Ok((column(row, "id")?, entry_row(row)?)));
            Ok(Page::of(request.rows(), found.collect::<PgResult<_>>()?))
        })
    }
}

/// Notes an action within the transaction that performs it.
pub(super) fn insert(
    sql: &Sql<'_>,
    actor: &str,
    action: &str,
    target: &str,
    detail: &Value,
) -> PgResult<AuditId> {
    for (field, value) in [("actor", actor), ("action", action), ("target", target)] {
        limits::text(sql.operation, field, value, 100)?;
    }
    let detail = limits::json(sql.operation, "detail", detail)?;
    let row = sql.one(
        "INSERT INTO audit (actor, action, target, detail, created_at_ms) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        &[&Text(actor), &Text(action), &Text(target), &detail, &sql.now_ms],
    )?;
    column(&row, "id")
}

fn entry_row(row: &Row) -> PgResult<AuditEntry> {
    Ok(AuditEntry {
        id: column(row, "id")?,
        actor: column(row, "actor")?,
        action: column(row, "action")?,
        target: column(row, "target")?,
        detail: json(row, "detail")?,
        created_at_ms: column(row, "created_at_ms")?,
    })
}
