//! All rows out of the file and into it, for copies to and from other back ends.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::SqliteStore;
use super::failure::{TxResult, store_error};
use super::pool::open_reader;
use crate::error::{Result, StoreError};
use crate::tables::{Cells, Contents, TABLES, Table};

const OPERATION: &str = "copying the store";

impl SqliteStore {
    /// Hands every row over, table by table, all of one state; returns what there was in it.
    pub(crate) fn export(
        &self,
        mut take: impl FnMut(&'static Table, Cells) -> Result<()>,
    ) -> Result<Contents> {
        let named = |error| store_error(OPERATION, error);
        let mut reader = open_reader(&self.path).map_err(named)?;
        let snapshot = reader.transaction().map_err(named)?;
        for table in TABLES {
            let query = format!(
                "SELECT {} FROM {} ORDER BY {}",
                table.names(),
                table.name,
                table.order
            );
            let mut statement = snapshot.prepare(&query).map_err(named)?;
            let mut rows = statement.query([]).map_err(named)?;
            while let Some(row) = rows.next().map_err(named)? {
                let cells = (0..table.columns.len()).map(|at| row.get(at));
                take(
                    table,
                    cells.collect::<rusqlite::Result<_>>().map_err(named)?,
                )?;
            }
        }
        contents(&snapshot).map_err(|error| error.named(OPERATION))
    }

    /// Fills an empty store in one transaction with the rows that `give` hands over; `check` sees what there is in it then.
    pub(crate) fn import(
        &self,
        give: impl FnOnce(&mut dyn FnMut(&'static Table, Cells) -> Result<()>) -> Result<Contents>,
    ) -> Result<Contents> {
        self.write(OPERATION, |tx| {
            refuse_content(tx)?;
            let mut put = |table: &'static Table, cells: Cells| {
                insert(tx, table, &cells).map_err(|error| store_error(OPERATION, error))
            };
            let given = give(&mut put)?;
            // Where the queue stands is a row of its own here.
            tx.execute(
                "UPDATE queue SET turn = max(coalesce((SELECT max(turn) FROM job WHERE status = 'processing'), 0),
                                             coalesce((SELECT min(turn) - 1 FROM job WHERE status = 'pending'), 0))",
                [],
            )?;
            let there = contents(tx)?;
            if there != given {
                return Err(different(&given, &there).into());
            }
            if let Some(breach) = super::invariants::check(tx)?.first() {
                return Err(broken(&breach.to_string()).into());
            }
            Ok(there)
        })
    }
}

/// The error of a copy that is not what it was copied from.
pub(crate) fn different(given: &Contents, there: &Contents) -> StoreError {
    broken(&format!("{given:?} was copied, {there:?} arrived"))
}

/// The error of a copy that must not be kept.
pub(crate) fn broken(detail: &str) -> StoreError {
    StoreError::Database {
        operation: OPERATION,
        source: format!("{detail}; nothing was kept").into(),
    }
}

fn refuse_content(sql: &Connection) -> TxResult<()> {
    let there = contents(sql)?;
    if there.rows.iter().any(|(_, rows)| *rows > 0) {
        return Err(full(&there).into());
    }
    Ok(())
}

/// The error of a target that is in use.
pub(crate) fn full(there: &Contents) -> StoreError {
    let rows: Vec<String> = there
        .rows
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(name, rows)| format!("{name}: {rows}"))
        .collect();
    broken(&format!(
        "the target is not empty ({}); name one without content",
        rows.join(", ")
    ))
}

fn insert(sql: &Connection, table: &Table, cells: &[Value]) -> rusqlite::Result<()> {
    // Jobs that were refused bring their webhooks, which come with their state later on.
    if table.name == "webhook" {
        sql.prepare_cached("DELETE FROM webhook WHERE job_id = ?1")?
            .execute([&cells[0]])?;
    }
    let marks = vec!["?"; table.columns.len()].join(", ");
    let query = format!(
        "INSERT INTO {} ({}) VALUES ({marks})",
        table.name,
        table.names()
    );
    sql.prepare_cached(&query)?
        .execute(params_from_iter(cells))?;
    Ok(())
}

fn contents(sql: &Connection) -> TxResult<Contents> {
    let mut rows = Vec::new();
    for table in TABLES {
        let query = format!("SELECT count(*) FROM {}", table.name);
        let number: i64 = sql.query_row(&query, [], |row| row.get(0))?;
        rows.push((table.name, number.unsigned_abs()));
    }
    let mut balances = sql.prepare("SELECT id, available, held FROM account ORDER BY id")?;
    let balances = balances
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let moved = sql.query_row(
        "SELECT coalesce(sum(available_change), 0), coalesce(sum(held_change), 0) FROM ledger",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(Contents {
        rows,
        balances,
        moved,
    })
}
