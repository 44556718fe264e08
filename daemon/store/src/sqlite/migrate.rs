//! The schema and its versions. Each migration is one transaction that also raises `user_version`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::failure::store_error;
use crate::error::{Result, StoreError};

/// Marks the file as ours in its header ("ClPl").
pub(super) const APPLICATION_ID: i64 = 0x436C_506C;

/// All migrations in order; the n-th leads to version n. A landed one never changes.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "accounts",
        include_str!("../../migrations/0001_accounts.sql"),
    ),
    ("jobs", include_str!("../../migrations/0002_jobs.sql")),
    (
        "idempotency",
        include_str!("../../migrations/0003_idempotency.sql"),
    ),
    (
        "webhooks",
        include_str!("../../migrations/0004_webhooks.sql"),
    ),
    ("keys", include_str!("../../migrations/0005_keys.sql")),
    ("details", include_str!("../../migrations/0006_details.sql")),
    (
        "candidates",
        include_str!("../../migrations/0007_candidates.sql"),
    ),
    ("leases", include_str!("../../migrations/0008_leases.sql")),
];

/// Newest version this program knows.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

const OPERATION: &str = "migrating the database";

/// Refuses a file of another program or of a newer version of this one. Reads only.
pub(super) fn require_ours(path: &Path, connection: &Connection) -> Result<()> {
    let found = pragma(connection, "application_id")?;
    let objects: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| store_error("opening the store", error))?;
    if found != APPLICATION_ID && objects > 0 {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
            found,
        });
    }
    match pragma(connection, "user_version")? {
        found if found > VERSION => Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known: VERSION,
        }),
        _ => Ok(()),
    }
}

/// Refuses a file that needs a migration.
pub(super) fn require_current(path: &Path, connection: &Connection) -> Result<()> {
    let found = pragma(connection, "user_version")?;
    if found < VERSION {
        Err(StoreError::OlderSchema {
            path: path.to_owned(),
            found,
            known: VERSION,
        })
    } else {
        Ok(())
    }
}

/// Runs the migrations that are missing. Only the holder of the folder's lock calls this.
pub(super) fn run(path: &Path, connection: &Connection) -> Result<()> {
    run_to(path, connection, MIGRATIONS)
}

fn run_to(path: &Path, connection: &Connection, migrations: &[(&str, &str)]) -> Result<()> {
    let done = pragma(connection, "user_version")?;
    for (version, (name, sql)) in (1_i64..)
        .zip(migrations)
        .filter(|(version, _)| *version > done)
    {
        apply(connection, version, sql).map_err(|error| store_error(OPERATION, error))?;
        tracing::info!(path = %path.display(), version, name, "migrated the database");
    }
    Ok(())
}

fn apply(connection: &Connection, version: i64, sql: &str) -> rusqlite::Result<()> {
    let tx = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    tx.execute_batch(sql)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", version)?;
    tx.commit()
}

pub(super) fn pragma(connection: &Connection, name: &'static str) -> Result<i64> {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(|error| store_error("opening the store", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(|row| row.unwrap()).collect()
    }

    #[test]
    fn migrating_again_changes_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        run(Path::new("m"), &connection).unwrap();
        let first = schema(&connection);
        run(Path::new("m"), &connection).unwrap();
        assert_eq!(schema(&connection), first);
        assert_eq!(pragma(&connection, "user_version").unwrap(), VERSION);
        require_current(Path::new("m"), &connection).unwrap();
    }

    #[test]
    fn every_version_can_be_left_upwards() {
        for stop in 0..MIGRATIONS.len() {
            let connection = Connection::open_in_memory().unwrap();
            run_to(Path::new("m"), &connection, &MIGRATIONS[..stop]).unwrap();
            assert!(require_current(Path::new("m"), &connection).is_err());
            run(Path::new("m"), &connection).unwrap();
            require_current(Path::new("m"), &connection).unwrap();
        }
    }

    #[test]
    fn a_failing_migration_leaves_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = [(
            "bad",
            "CREATE TABLE b (x INTEGER) STRICT; CREATE TABLE b (y INTEGER) STRICT;",
        )];
        assert!(run_to(Path::new("m"), &connection, &broken).is_err());
        assert_eq!(schema(&connection), Vec::<String>::new());
        assert_eq!(pragma(&connection, "user_version").unwrap(), 0);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        run(Path::new("m"), &connection).unwrap();
        connection
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        assert!(matches!(
            require_ours(Path::new("m"), &connection),
            Err(StoreError::NewerSchema { .. })
        ));
    }

    #[test]
    fn all_tables_are_strict() {
        let connection = Connection::open_in_memory().unwrap();
        run(Path::new("m"), &connection).unwrap();
        for sql in schema(&connection)
            .iter()
            .filter(|sql| sql.starts_with("CREATE TABLE") && !sql.contains("sqlite_sequence"))
        {
            assert!(sql.trim_end().ends_with("STRICT"), "{sql}");
        }
    }
}
