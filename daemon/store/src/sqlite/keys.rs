//! API keys.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde_json::json;

use super::accounts::balance;
use super::convert::Names;
use super::failure::TxResult;
use super::{SqliteStore, Tx, audit, contains};
use crate::error::{Result, StoreError};
use crate::keys::{
    CreatedKey, KeyChange, KeyCheck, KeyFilter, KeyLimits, KeyRecord, KeyState, Keys, NewKey,
};
use crate::rules::keys as rules;
use crate::secret::{ApiKey, KeyHash};
use crate::{AccountId, KeyId, Page, PageRequest, UnixMs, limits};

impl Keys for SqliteStore {
    fn create_key(&self, new: &NewKey, actor: &str) -> Result<CreatedKey> {
        const OPERATION: &str = "creating a key";
        limits::text(OPERATION, "name", &new.name, 100)?;
        let pipelines = limits::pipelines(OPERATION, new.pipelines.as_deref())?;
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
            let record = existing(tx, key)?;
            let detail = json!({ "account": new.account, "after": rules::audited(&record) });
            audit::insert(tx, actor, "key.create", &format!("key:{key}"), &detail)?;
            Ok(record)
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
        if rules::use_is_stale(&record, now_ms)
            && let Err(error) = self.note_use(record.id, now_ms)
            && !error.is_transient()
        {
            tracing::warn!(key = %record.id, %error, "the use of a key was not noted");
        }
        Ok(KeyCheck::Active(Box::new(record)))
    }

    fn key(&self, key: KeyId) -> Result<Option<KeyRecord>> {
        self.read("reading a key", |sql| find(sql, key))
    }

    fn list_keys(&self, filter: &KeyFilter, request: &PageRequest) -> Result<Page<KeyRecord>> {
        let now_ms = self.clock.now_ms();
        self.read("listing keys", |sql| {
            let (conditions, values) = conditions(filter, request, now_ms);
            let text = format!(
                "SELECT * FROM api_key WHERE {} ORDER BY id LIMIT {}",
                conditions.join(" AND "),
                request.rows() + 1
            );
            let mut statement = sql.prepare_cached(&text)?;
            let values = values.iter().map(AsRef::as_ref);
            let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
                Ok((row.get("id")?, key_row(row)?))
            })?;
            Ok(Page::of(
                request.rows(),
                rows.collect::<rusqlite::Result<_>>()?,
            ))
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
            let pipelines = limits::pipelines(OPERATION, change.pipelines.as_ref().unwrap_or(&now.pipelines).as_deref())?;
            let expires_at_ms = change.expires_at_ms.unwrap_or(now.expires_at_ms);
            tx.execute(
                "UPDATE api_key SET name = ?2, removals_per_minute = ?3, batches_per_minute = ?4, pipelines = ?5, expires_at_ms = ?6
                 WHERE id = ?1",
                params![key, name, limits.removals_per_minute, limits.batches_per_minute, pipelines, expires_at_ms],
            )?;
            let after = existing(tx, key)?;
            let detail = json!({ "before": rules::audited(&now), "after": rules::audited(&after) });
            audit::insert(tx, actor, "key.change", &format!("key:{key}"), &detail)?;
            Ok(after)
        })
    }

    fn revoke_key(&self, key: KeyId, actor: &str) -> Result<KeyRecord> {
        self.write("revoking a key", |tx| revoke(tx, key, actor))
    }

    fn delete_key(&self, key: KeyId, actor: &str) -> Result<KeyRecord> {
        self.write("deleting a key", |tx| {
            let last = revoke(tx, key, actor)?;
            tx.execute(
                "UPDATE api_key SET deleted_at_ms = ?2 WHERE id = ?1",
                params![key, tx.now_ms],
            )?;
            audit::insert(
                tx,
                actor,
                "key.delete",
                &format!("key:{key}"),
                &json!({ "before": rules::audited(&last) }),
            )?;
            Ok(KeyRecord {
                deleted_at_ms: Some(tx.now_ms),
                ..last
            })
        })
    }
}

fn revoke(tx: &Tx<'_>, key: KeyId, actor: &str) -> TxResult<KeyRecord> {
    let before = existing(tx, key)?;
    let changed = tx.execute(
        "UPDATE api_key SET revoked_at_ms = ?2, url_epoch = url_epoch + 1 WHERE id = ?1 AND revoked_at_ms IS NULL",
        params![key, tx.now_ms],
    )?;
    if changed > 0 {
        audit::insert(
            tx,
            actor,
            "key.revoke",
            &format!("key:{key}"),
            &json!({ "before": rules::audited(&before) }),
        )?;
    }
    existing(tx, key)
}

impl SqliteStore {
    fn note_use(&self, key: KeyId, now_ms: UnixMs) -> Result<()> {
        self.write("noting the use of a key", |tx| {
            let mut update =
                tx.prepare_cached("UPDATE api_key SET last_used_at_ms = ?2 WHERE id = ?1")?;
            update.execute(params![key, now_ms])?;
            Ok(())
        })
    }
}

/// Whether work may be charged through this key right now: `false` when it was revoked or expired since it was checked.
pub(super) fn may_work(tx: &Tx<'_>, account: AccountId, key: Option<KeyId>) -> TxResult<bool> {
    let Some(key) = key else { return Ok(true) };
    let record = find(tx, key)?.ok_or(StoreError::UnknownKey {
        operation: tx.operation,
        key,
    })?;
    Ok(rules::may_work(tx.operation, &record, account, tx.now_ms)?)
}

fn existing(tx: &Tx<'_>, key: KeyId) -> TxResult<KeyRecord> {
    let found = find(tx, key)?.filter(|record| record.deleted_at_ms.is_none());
    Ok(found.ok_or(StoreError::UnknownKey {
        operation: tx.operation,
        key,
    })?)
}

fn find(sql: &Connection, key: KeyId) -> TxResult<Option<KeyRecord>> {
    Ok(sql
        .prepare_cached("SELECT * FROM api_key WHERE id = ?1")?
        .query_row([key], key_row)
        .optional()?)
}

fn conditions(
    filter: &KeyFilter,
    request: &PageRequest,
    now_ms: UnixMs,
) -> (Vec<String>, Vec<Box<dyn ToSql>>) {
    let mut conditions = vec!["id > ?".to_string()];
    let mut values: Vec<Box<dyn ToSql>> =
        vec![Box::new(request.after.map_or(0, |cursor| cursor.0))];
    if !filter.deleted {
        conditions.push("deleted_at_ms IS NULL".to_string());
    }
    if let Some(account) = filter.account {
        conditions.push("account_id = ?".to_string());
        values.push(Box::new(account));
    }
    match filter.state {
        Some(KeyState::Revoked) => conditions.push("revoked_at_ms IS NOT NULL".to_string()),
        Some(KeyState::Expired) => {
            conditions.push("revoked_at_ms IS NULL AND expires_at_ms <= ?".to_string());
            values.push(Box::new(now_ms));
        }
        Some(KeyState::Active) => {
            conditions.push(
                "revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > ?)"
                    .to_string(),
            );
            values.push(Box::new(now_ms));
        }
        None => {}
    }
    if let Some(text) = &filter.text {
        conditions.push(contains(&["name", "shown_prefix || '...' || shown_suffix"]));
        values.extend([
            Box::new(text.clone()) as Box<dyn ToSql>,
            Box::new(text.clone()),
        ]);
    }
    (conditions, values)
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: row.get("id")?,
        account: row.get("account_id")?,
        name: row.get("name")?,
        shown_prefix: row.get("shown_prefix")?,
        shown_suffix: row.get("shown_suffix")?,
        limits: KeyLimits {
            removals_per_minute: row.get("removals_per_minute")?,
            batches_per_minute: row.get("batches_per_minute")?,
        },
        pipelines: row
            .get::<_, Option<Names>>("pipelines")?
            .map(|names| names.0),
        expires_at_ms: row.get("expires_at_ms")?,
        revoked_at_ms: row.get("revoked_at_ms")?,
        deleted_at_ms: row.get("deleted_at_ms")?,
        created_at_ms: row.get("created_at_ms")?,
        last_used_at_ms: row.get("last_used_at_ms")?,
        url_epoch: row.get("url_epoch")?,
    })
}
