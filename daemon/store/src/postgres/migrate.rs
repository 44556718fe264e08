//! The schema and its versions. Migrations expand first and contract later: a program goes on working on a schema that is
//! newer than itself as long as no migration has taken away what it needs, so that old and new processes may run beside each
//! other while they are exchanged.

use super::address::PgAddress;
use super::failure::store_error;
use super::session::Session;
use crate::error::{Result, StoreError};

struct Migration {
    name: &'static str,
    sql: &'static str,
    /// Oldest version of this list that a program may know and still work on the schema after this migration.
    needs: i64,
}

/// All migrations in order; the n-th leads to version n. A landed one never changes.
const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "accounts",
        sql: include_str!("../../migrations/postgres/0001_accounts.sql"),
        needs: 1,
    },
    Migration {
        name: "jobs",
        sql: include_str!("../../migrations/postgres/0002_jobs.sql"),
        needs: 2,
    },
    Migration {
        name: "shared",
        sql: include_str!("../../migrations/postgres/0003_shared.sql"),
        needs: 3,
    },
];

/// Newest version this program knows.
#[cfg(test)]
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The advisory lock that is held while migrating ("ClPl").
const LOCK: i64 = 0x436C_506C;

const OPERATION: &str = "migrating the database";

/// Runs the migrations that are missing; processes that start at the same time wait for each other. Refuses a schema that
/// this program does not fit.
pub(super) fn run(session: &mut Session, address: &PgAddress) -> Result<()> {
    run_to(session, address, MIGRATIONS)
}

/// Whether there are tables, of a version that this program fits as they are. Changes nothing.
pub(super) fn require_current(session: &mut Session, address: &PgAddress) -> Result<bool> {
    let known = MIGRATIONS.len() as i64;
    let version = fitting(session, address, known)?;
    if (1..known).contains(&version) {
        return Err(StoreError::OlderSchema {
            path: address.shown().into(),
            found: version,
            known,
        });
    }
    Ok(version > 0)
}

/// The version of the schema; refuses one that has taken away what a program of this one needs.
fn fitting(session: &mut Session, address: &PgAddress, known: i64) -> Result<i64> {
    let (version, needs) = versions(session).map_err(|error| store_error(OPERATION, error))?;
    if needs > known {
        return Err(StoreError::NewerSchema {
            path: address.shown().into(),
            found: version,
            known,
        });
    }
    Ok(version)
}

fn run_to(session: &mut Session, address: &PgAddress, migrations: &[Migration]) -> Result<()> {
    let known = migrations.len() as i64;
    loop {
        // Read without a lock first: an ordinary start changes nothing and waits for nobody.
        let version = fitting(session, address, known)?;
        let Some(next) = usize::try_from(version)
            .ok()
            .and_then(|at| migrations.get(at))
        else {
            return Ok(());
        };
        if apply(session, address, version, next).map_err(|error| store_error(OPERATION, error))? {
            tracing::info!(
                database = address.shown(),
                version = version + 1,
                name = next.name,
                "migrated the database"
            );
        }
    }
}

/// One migration in one transaction; `false` when another process did it in the meantime.
fn apply(
    session: &mut Session,
    address: &PgAddress,
    from: i64,
    migration: &Migration,
) -> std::result::Result<bool, postgres::Error> {
    let mut tx = session.client().transaction()?;
    // A migration may take longer than any ordinary statement.
    tx.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])?;
    if let Some(schema) = &address.schema {
        tx.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))?;
    }
    tx.batch_execute(
        "CREATE TABLE IF NOT EXISTS cleanplate_schema (
             one     boolean PRIMARY KEY DEFAULT true CHECK (one),
             version bigint NOT NULL, -- migrations done
             needs   bigint NOT NULL  -- version that a program must know at least
         );
         INSERT INTO cleanplate_schema (version, needs) VALUES (0, 0) ON CONFLICT DO NOTHING",
    )?;
    let found: i64 = tx
        .query_one("SELECT version FROM cleanplate_schema", &[])?
        .get(0);
    if found != from {
        tx.rollback()?;
        return Ok(false);
    }
    tx.batch_execute(migration.sql)?;
    tx.execute(
        "UPDATE cleanplate_schema SET version = $1, needs = greatest(needs, $2)",
        &[&(from + 1), &migration.needs],
    )?;
    tx.commit()?;
    Ok(true)
}

/// Version of the schema and the version that a program must know; 0 and 0 for an empty one.
pub(super) fn versions(session: &mut Session) -> std::result::Result<(i64, i64), postgres::Error> {
    let client = session.client();
    let there: bool = client
        .query_one("SELECT to_regclass('cleanplate_schema') IS NOT NULL", &[])?
        .get(0);
    if !there {
        return Ok((0, 0));
    }
    let row = client.query_opt("SELECT version, needs FROM cleanplate_schema", &[])?;
    Ok(row.map_or((0, 0), |row| (row.get(0), row.get(1))))
}
