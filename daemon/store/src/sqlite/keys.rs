//! API keys.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;

use super::accounts::balance;
use super::convert::Names;
use super::failure::TxResult;
use super::{SqliteStore, Tx, audit, page};
use crate::error::{Result, StoreError};
use crate::keys::{CreatedKey, KeyChange, KeyCheck, KeyLimits, KeyRecord, KeyState, Keys, LAST_USED_STALE_MS, NewKey};
use crate::secret::{ApiKey, KeyHash};
use crate::{AccountId, KeyId, Page, PageRequest, UnixMs, limits};

const PIPELINES_MAX: usize = 64;

impl Keys for SqliteStore {
    fn create_key(&self, new: &NewKey, actor: &str) -> Result<CreatedKey> {
        const OPERATION: &str = "creating a key";
        limits::text(OPERATION, "name", &new.name, 100)?;
        let pipelines = pipelines_text(OPERATION, new.pipelines.as_deref())?;
        let secret = ApiKey::generate()?;
        let record = self.write(OPERATION, |tx| {
            balance(tx, OPERATION, new.account)?;
            tx.execute(
                "INSERT INTO api_key (account_id, hash, name, shown_prefix, shown_suffix, removals_per_minute, batches_per_minute,
                                      pipelines, expires_at_ms, created_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    new.account,
                    secret.hash().0,
                    new.name,
                    secret.shown_prefix(),
                    secret.shown_suffix(),
                    new.limits.removals_per_minute,
                    new.limits.batches_per_minute,
                    pipelines,
                    new.expires_at_ms,
                    tx.now_ms
                ],
            )?;
            let key = KeyId(tx.last_insert_rowid());
            let detail = json!({ "account": new.account, "name": new.name });
            audit::insert(tx, actor, "key.create", &format!("key:{key}"), &detail)?;
            existing(tx, key)
        })?;
        Ok(CreatedKey { secret, record })
    }

    fn authenticate(&self, hash: &KeyHash) -> Result<KeyCheck> {
        let now_ms = self.clock.now_ms();
        let found = self.read("checking a key", |sql| {
            let mut statement = sql.prepare_cached("SELECT * FROM api_key WHERE hash = ?1")?;
            Ok(statement.query_row([hash.0], key_row).optional()?)
        })?;
        let Some(record) = found.filter(|record| record.state(now_ms) == KeyState::Active) else {
            return Ok(KeyCheck::Refused);
        };
        // A clock that was set back counts as stale too, otherwise the note would freeze.
        if record.last_used_at_ms.is_none_or(|last| now_ms.abs_diff(last) >= LAST_USED_STALE_MS.unsigned_abs())
            && let Err(error) = self.note_use(record.id, now_ms)
        {
            tracing::warn!(key = %record.id, %error, "the use of a key was not noted");
        }
        Ok(KeyCheck::Active(record))
    }

    fn key(&self, key: KeyId) -> Result<Option<KeyRecord>> {
        self.read("reading a key", |sql| find(sql, key))
    }

    fn list_keys(&self, account: Option<AccountId>, request: &PageRequest) -> Result<Page<KeyRecord>> {
        let after = request.after.map_or(0, |cursor| cursor.0);
        self.read("listing keys", |sql| {
            let mut statement = match account {
                Some(_) => sql.prepare_cached("SELECT * FROM api_key WHERE account_id = ?3 AND id > ?1 ORDER BY id LIMIT ?2")?,
                None => sql.prepare_cached("SELECT * FROM api_key WHERE ?3 IS NULL AND id > ?1 ORDER BY id LIMIT ?2")?,
            };
            let rows = statement.query_map(params![after, request.rows() + 1, account], |row| Ok((row.get("id")?, key_row(row)?)))?;
            Ok(page(request.rows(), rows.collect::<rusqlite::Result<_>>()?))
        })
    }

    fn update_key(&self, key: KeyId, change: &KeyChange, actor: &str) -> Result<KeyRecord> {
        const OPERATION: &str = "changing a key";
        if let Some(name) = &change.name {
            limits::text(OPERATION, "name", name, 100)?;
        }
        self.write(OPERATION, |tx| {
            let now = existing(tx, key)?;
            let name = change.name.as_ref().unwrap_or(&now.name);
            let limits = change.limits.unwrap_or(now.limits);
            let pipelines = pipelines_text(OPERATION, change.pipelines.as_ref().unwrap_or(&now.pipelines).as_deref())?;
            let expires_at_ms = change.expires_at_ms.unwrap_or(now.expires_at_ms);
            tx.execute(
                "UPDATE api_key SET name = ?2, removals_per_minute = ?3, batches_per_minute = ?4, pipelines = ?5, expires_at_ms = ?6
                 WHERE id = ?1",
                params![key, name, limits.removals_per_minute, limits.batches_per_minute, pipelines, expires_at_ms],
            )?;
            let detail = json!({
                "name": name, "removals_per_minute": limits.removals_per_minute, "batches_per_minute": limits.batches_per_minute,
                "pipelines": pipelines, "expires_at_ms": expires_at_ms,
            });
            audit::insert(tx, actor, "key.change", &format!("key:{key}"), &detail)?;
            existing(tx, key)
        })
    }

    fn revoke_key(&self, key: KeyId, actor: &str) -> Result<KeyRecord> {
        self.write("revoking a key", |tx| {
            let changed = tx.execute(
                "UPDATE api_key SET revoked_at_ms = ?2, url_epoch = url_epoch + 1 WHERE id = ?1 AND revoked_at_ms IS NULL",
                params![key, tx.now_ms],
            )?;
            if changed > 0 {
                audit::insert(tx, actor, "key.revoke", &format!("key:{key}"), &json!({}))?;
            }
            existing(tx, key)
        })
    }
}

impl SqliteStore {
    fn note_use(&self, key: KeyId, now_ms: UnixMs) -> Result<()> {
        self.write("noting the use of a key", |tx| {
            let mut update = tx.prepare_cached("UPDATE api_key SET last_used_at_ms = ?2 WHERE id = ?1")?;
            update.execute(params![key, now_ms])?;
            Ok(())
        })
    }
}

/// Whether work may be charged through this key right now: `false` when it was revoked or expired since it was checked.
pub(super) fn may_work(tx: &Tx<'_>, account: AccountId, key: Option<KeyId>) -> TxResult<bool> {
    let Some(key) = key else { return Ok(true) };
    let record = existing(tx, key)?;
    if record.account != account {
        let problem = format!("{key} belongs to account {}, not to {account}", record.account);
        return Err(limits::invalid(tx.operation, "key", problem).into());
    }
    Ok(record.state(tx.now_ms) == KeyState::Active)
}

fn existing(tx: &Tx<'_>, key: KeyId) -> TxResult<KeyRecord> {
    Ok(find(tx, key)?.ok_or(StoreError::UnknownKey { operation: tx.operation, key })?)
}

fn find(sql: &Connection, key: KeyId) -> TxResult<Option<KeyRecord>> {
    Ok(sql.prepare_cached("SELECT * FROM api_key WHERE id = ?1")?.query_row([key], key_row).optional()?)
}

fn pipelines_text(operation: &'static str, names: Option<&[String]>) -> Result<Option<String>> {
    let Some(names) = names else { return Ok(None) };
    if names.len() > PIPELINES_MAX {
        return Err(limits::invalid(operation, "pipelines", format!("has {} names, at most {PIPELINES_MAX} are allowed", names.len())));
    }
    for name in names {
        limits::text(operation, "pipeline", name, 64)?;
    }
    limits::json(operation, "pipelines", &json!(names)).map(Some)
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: row.get("id")?,
        account: row.get("account_id")?,
        name: row.get("name")?,
        shown_prefix: row.get("shown_prefix")?,
        shown_suffix: row.get("shown_suffix")?,
        limits: KeyLimits { removals_per_minute: row.get("removals_per_minute")?, batches_per_minute: row.get("batches_per_minute")? },
        pipelines: row.get::<_, Option<Names>>("pipelines")?.map(|names| names.0),
        expires_at_ms: row.get("expires_at_ms")?,
        revoked_at_ms: row.get("revoked_at_ms")?,
        created_at_ms: row.get("created_at_ms")?,
        last_used_at_ms: row.get("last_used_at_ms")?,
        url_epoch: row.get("url_epoch")?,
    })
}
