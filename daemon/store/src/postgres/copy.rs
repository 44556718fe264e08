//! A whole store from a SQLite file into the database, and back: in one transaction, compared before it is kept.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use postgres::{Client, Row};
use rusqlite::types::Value;
use uuid::Uuid;

use super::failure::{PgError, store_error};
use super::session::{Session, Sql};
use super::{PgStore, invariants, secrets};
use crate::error::{Result, StoreError};
use crate::sqlite::{DATABASE_FILE, SqliteStore, broken, different, full};
use crate::tables::{Cells, Contents, Kind, TABLES, Table};
use crate::{Clock, SystemClock};

const OPERATION: &str = "copying the store";

impl PgStore {
    /// Takes everything that a SQLite store has into this one, which must be empty, and the keys that sign beside it, newest
    /// first, by their purpose: those of a purpose that is not named stay. Nobody may work on either.
    pub fn copy_from(
        &self,
        from: &SqliteStore,
        secrets: &[(&str, Vec<[u8; 32]>)],
    ) -> Result<Contents> {
        // Beside the pool: what it may take long for is switched off.
        let mut session = self.beside()?;
        session
            .client()
            .batch_execute("BEGIN; SET LOCAL lock_timeout = 0; LOCK TABLE account, audit, job IN EXCLUSIVE MODE")
            .map_err(named)?;
        let there = contents(session.client()).map_err(named)?;
        if there.rows.iter().any(|(_, rows)| *rows > 0) {
            return Err(full(&there));
        }
        let given = fill(session.client(), from)?;
        let there = contents(session.client()).map_err(named)?;
        if there != given {
            return Err(different(&given, &there));
        }
        let now_ms = SystemClock.now_ms();
        let sql = Sql::new(&mut session, OPERATION, (now_ms, now_ms));
        let named_there = |error: PgError| error.named(OPERATION);
        for (purpose, keys) in secrets {
            secrets::replace(&sql, purpose, keys).map_err(named_there)?;
        }
        if let Some(breach) = invariants::check(&sql).map_err(named_there)?.first() {
            return Err(broken(&breach.to_string()));
        }
        session.client().batch_execute("COMMIT").map_err(named)?;
        Ok(there)
    }

    /// Gives everything to an empty SQLite store, all of one state, while work goes on.
    pub fn copy_to(&self, to: &SqliteStore) -> Result<Contents> {
        let mut session = self.beside()?;
        session
            .client()
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .map_err(named)?;
        to.import(|put| {
            for table in TABLES {
                let query = format!(
                    "SELECT {} FROM {} ORDER BY {}",
                    table.names(),
                    table.name,
                    table.order
                );
                let mut rows = session
                    .client()
                    .query_raw(&query, Vec::<&(dyn ToSql + Sync)>::new())
                    .map_err(named)?;
                while let Some(row) = rows.next().map_err(named)? {
                    let cells = cells(table, &row).map_err(named)?;
                    put(table, cells)?;
                }
            }
            contents(session.client()).map_err(named)
        })
    }

    /// Writes everything to a new SQLite file, forced to disk.
    pub(super) fn copy_to_file(&self, to: &Path) -> Result<()> {
        let failed = |source| StoreError::Io {
            operation: "backing up the database to",
            path: to.to_owned(),
            source,
        };
        if to.try_exists().map_err(failed)? {
            let text = "the file exists; choose another name";
            return Err(failed(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                text,
            )));
        }
        let mut name = to.as_os_str().to_owned();
        name.push(".partial");
        let folder = Path::new(&name);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let written = SqliteStore::open(folder, Arc::new(SystemClock))
            .and_then(|store| self.copy_to(&store))
            .and_then(|_| {
                let file = folder.join(DATABASE_FILE);
                std::fs::File::open(&file)
                    .and_then(|file| file.sync_all())
                    .map_err(failed)?;
                std::fs::rename(&file, to).map_err(failed)
            });
        // Best effort: the error that is reported says what went wrong first.
        let _ = std::fs::remove_dir_all(folder);
        written
    }

    fn beside(&self) -> Result<Session> {
        let mut session = Session::open(self.pool.address(), None).map_err(named)?;
        session
            .client()
            .batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            .map_err(named)?;
        Ok(session)
    }
}

fn named(error: postgres::Error) -> StoreError {
    store_error(OPERATION, error)
}

fn fill(client: &mut Client, from: &SqliteStore) -> Result<Contents> {
    let mut load = Load {
        client,
        table: &TABLES[0],
        lines: Vec::new(),
    };
    let given = from.export(|table, cells| load.add(table, &cells))?;
    load.send()?;
    for (table, column) in [
        ("account", "id"),
        ("api_key", "id"),
        ("audit", "id"),
        ("job", "seq"),
        ("ledger", "id"),
    ] {
        let next = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), greatest((SELECT max({column}) FROM {table}), 1))"
        );
        load.client.batch_execute(&next).map_err(named)?;
    }
    Ok(given)
}

/// Bytes that are sent at a time.
const PIECE: usize = 1 << 20;

/// Rows on their way into one table after another, as lines of COPY.
struct Load<'a> {
    client: &'a mut Client,
    table: &'static Table,
    lines: Vec<u8>,
}

impl Load<'_> {
    fn add(&mut self, table: &'static Table, cells: &[Value]) -> Result<()> {
        if table.name != self.table.name {
            self.send()?;
            self.table = table;
            // Jobs that were refused bring their webhooks, which come with their state here.
            if table.name == "webhook" {
                self.client
                    .batch_execute("DELETE FROM webhook")
                    .map_err(named)?;
            }
        }
        for (at, (cell, (_, kind))) in cells.iter().zip(table.columns).enumerate() {
            if at > 0 {
                self.lines.push(b'\t');
            }
            write_cell(&mut self.lines, cell, *kind);
        }
        if table.name == "job" {
            self.lines.push(b'\t');
            write_cell(&mut self.lines, &webhook_url(table, cells), Kind::Text);
        }
        self.lines.push(b'\n');
        if self.lines.len() > PIECE {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let derived = if self.table.name == "job" {
            ", webhook_url"
        } else {
            ""
        };
        let query = format!(
            "COPY {} ({}{derived}) FROM STDIN",
            self.table.name,
            self.table.names()
        );
        let mut writer = self.client.copy_in(&query).map_err(named)?;
        writer
            .write_all(&self.lines)
            .map_err(|source| StoreError::Database {
                operation: OPERATION,
                source: Box::new(source),
            })?;
        writer.finish().map_err(named)?;
        self.lines.clear();
        Ok(())
    }
}

/// Whom the end of a job is told: a column of its own here, a part of the request there.
fn webhook_url(job: &Table, cells: &[Value]) -> Value {
    let request = job.place("request").and_then(|at| match &cells[at] {
        Value::Text(text) => serde_json::from_str::<serde_json::Value>(text).ok(),
        _ => None,
    });
    let url = request
        .as_ref()
        .and_then(|request| request.pointer("/webhook/url")?.as_str());
    url.filter(|url| (1..=2000).contains(&url.chars().count()))
        .map_or(Value::Null, |url| Value::Text(url.to_owned()))
}

/// A cell as COPY reads it. PostgreSQL keeps no zero character in texts.
fn write_cell(out: &mut Vec<u8>, cell: &Value, kind: Kind) {
    match cell {
        Value::Null => out.extend(b"\\N"),
        Value::Integer(number) if kind == Kind::Flag => {
            out.push(if *number == 0 { b'f' } else { b't' })
        }
        Value::Integer(number) => out.extend(number.to_string().bytes()),
        // The shortest text that is read back as the same number.
        Value::Real(number) => out.extend(number.to_string().bytes()),
        Value::Text(text) => {
            for byte in text.bytes() {
                match byte {
                    b'\\' => out.extend(b"\\\\"),
                    b'\n' => out.extend(b"\\n"),
                    b'\r' => out.extend(b"\\r"),
                    b'\t' => out.extend(b"\\t"),
                    0 => out.extend("\u{FFFD}".bytes()),
                    _ => out.push(byte),
                }
            }
        }
        Value::Blob(bytes) => {
            out.extend(b"\\\\x");
            for byte in bytes {
                out.extend(format!("{byte:02x}").bytes());
            }
        }
    }
}

fn cells(table: &Table, row: &Row) -> std::result::Result<Cells, postgres::Error> {
    let whole = |found: Option<i64>| found.map_or(Value::Null, Value::Integer);
    let text = |found: Option<String>| found.map_or(Value::Null, Value::Text);
    let cell = |at: usize, kind: Kind| {
        Ok(match kind {
            Kind::Whole => whole(row.try_get(at)?),
            Kind::Flag => whole(row.try_get::<_, Option<bool>>(at)?.map(i64::from)),
            Kind::Real => row
                .try_get::<_, Option<f64>>(at)?
                .map_or(Value::Null, Value::Real),
            Kind::Text => text(row.try_get(at)?),
            Kind::Random => text(row.try_get::<_, Option<Uuid>>(at)?.map(|id| id.to_string())),
            Kind::Bytes => row
                .try_get::<_, Option<Vec<u8>>>(at)?
                .map_or(Value::Null, Value::Blob),
        })
    };
    let columns = table.columns.iter().enumerate();
    columns.map(|(at, (_, kind))| cell(at, *kind)).collect()
}

fn contents(client: &mut Client) -> std::result::Result<Contents, postgres::Error> {
    let mut rows = Vec::new();
    for table in TABLES {
        let row = client.query_one(&format!("SELECT count(*) FROM {}", table.name), &[])?;
        rows.push((table.name, row.try_get::<_, i64>(0)?.unsigned_abs()));
    }
    let balances = client.query("SELECT id, available, held FROM account ORDER BY id", &[])?;
    let balance = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let moved = client.query_one(
        "SELECT coalesce(sum(available_change), 0)::bigint, coalesce(sum(held_change), 0)::bigint FROM ledger",
        &[],
    )?;
    Ok(Contents {
        rows,
        balances: balances
            .iter()
            .map(balance)
            .collect::<std::result::Result<_, postgres::Error>>()?,
        moved: (moved.try_get(0)?, moved.try_get(1)?),
    })
}
