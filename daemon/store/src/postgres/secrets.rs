//! Keys that all processes of one database sign and verify with.

use super::PgStore;
use super::convert::hash;
use super::failure::PgResult;
use super::session::Sql;
use crate::error::Result;
use crate::limits;

impl PgStore {
    /// The keys of a purpose (1 to 40 characters), newest first. Where there is none yet, `first` are kept, newest first: of
    /// processes that start together, those of one.
    pub fn secrets(&self, purpose: &str, first: &[[u8; 32]]) -> Result<Vec<[u8; 32]>> {
        const OPERATION: &str = "reading the keys that sign";
        limits::text(OPERATION, "purpose", purpose, 40)?;
        let found = self.read(OPERATION, |sql| list(sql, purpose))?;
        if !found.is_empty() || first.is_empty() {
            return Ok(found);
        }
        self.write("keeping the first key that signs", |sql| {
            lock(sql)?;
            if list(sql, purpose)?.is_empty() {
                for key in first.iter().rev() {
                    add(sql, purpose, key)?;
                }
            }
            list(sql, purpose)
        })
    }

    /// Adds a key that signs from now on; of the older ones, as many are kept for verifying that there are `keys_max` together.
    pub fn rotate_secret(
        &self,
        purpose: &str,
        key: [u8; 32],
        keys_max: u32,
    ) -> Result<Vec<[u8; 32]>> {
        const OPERATION: &str = "adding a key that signs";
        limits::text(OPERATION, "purpose", purpose, 40)?;
        self.write(OPERATION, |sql| {
            lock(sql)?;
            add(sql, purpose, &key)?;
            sql.execute(
                "DELETE FROM secret WHERE purpose = $1 AND place NOT IN (
                     SELECT place FROM secret WHERE purpose = $1 ORDER BY place DESC LIMIT $2)",
                &[&purpose, &i64::from(keys_max.max(1))],
            )?;
            list(sql, purpose)
        })
    }
}

/// Puts these keys, newest first, in the place of those of the purpose.
pub(super) fn replace(sql: &Sql<'_>, purpose: &str, keys: &[[u8; 32]]) -> PgResult<()> {
    lock(sql)?;
    sql.execute("DELETE FROM secret WHERE purpose = $1", &[&purpose])?;
    for key in keys.iter().rev() {
        add(sql, purpose, key)?;
    }
    Ok(())
}

/// Others that add a key wait; readers do not.
fn lock(sql: &Sql<'_>) -> PgResult<()> {
    sql.execute("LOCK TABLE secret IN SHARE ROW EXCLUSIVE MODE", &[])?;
    Ok(())
}

fn add(sql: &Sql<'_>, purpose: &str, key: &[u8; 32]) -> PgResult<()> {
    sql.execute(
        "INSERT INTO secret (purpose, place, key, created_at_ms)
         SELECT $1::text, coalesce(max(place), 0) + 1, $2::bytea, $3::bigint FROM secret WHERE purpose = $1::text",
        &[&purpose, &key.as_slice(), &sql.now_ms],
    )?;
    Ok(())
}

fn list(sql: &Sql<'_>, purpose: &str) -> PgResult<Vec<[u8; 32]>> {
    let rows = sql.all(
        "SELECT key FROM secret WHERE purpose = $1 ORDER BY place DESC",
        &[&purpose],
    )?;
    rows.iter().map(|row| hash(row, "key")).collect()
}
