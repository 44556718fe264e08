//! API keys.

use postgres::Row;
use postgres::types::ToSql;
use serde_json::json;

use super::accounts::balance;
use super::convert::{Text, column, natural, natural_if_any, parsed};
use super::failure::PgResult;
use super::session::{Sql, database_ms};
use super::{PgStore, audit, contains};
use crate::error::{Result, StoreError};
use crate::keys::{
    CreatedKey, KeyChange, KeyCheck, KeyFilter, KeyLimits, KeyRecord, KeyState, Keys, NewKey,
};
use crate::rules::keys as rules;
use crate::secret::{ApiKey, KeyHash};
use crate::{AccountId, KeyId, Page, PageRequest, UnixMs, limits};

/// The columns of a key that are read.
macro_rules! key_columns {
    () => {
        "id, account_id, name, shown_prefix, shown_suffix, removals_per_minute, batches_per_minute, pipelines, expires_at_ms,
         revoked_at_ms, deleted_at_ms, created_at_ms, last_used_at_ms, url_epoch"
    };
}

impl Keys for PgStore {
    fn create_key(&self, new: &NewKey, actor: &str) -> Result<CreatedKey> {
        const OPERATION: &str = "creating a key";
        limits::text(OPERATION, "name", &new.name, 100)?;
        let pipelines = limits::pipelines(OPERATION, new.pipelines.as_deref())?;
        let secret = ApiKey::generate()?;
        let record = self.write(OPERATION, |sql| {
            balance(sql, new.account)?;
            let row = sql.one(
                concat!(
                    "INSERT INTO api_key (account_id, hash, name, shown_prefix, shown_suffix, removals_per_minute, batches_per_minute,
                                          pipelines, expires_at_ms, created_at_ms)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ", key_columns!()
                ),
                &[
                    &new.account,
                    &secret.hash().0.as_slice(),
                    &Text(&new.name),
                    &secret.shown_prefix(),
                    &secret.shown_suffix(),
                    &new.limits.removals_per_minute.map(i64::from),
                    &new.limits.batches_per_minute.map(i64::from),
                    &pipelines,
                    &new.expires_at_ms,
                    &sql.now_ms,
                ],
            )?;
            let record = key_row(&row)?;
            let detail = json!({ "account": new.account, "after": rules::audited(&record) });
            audit::insert(sql, actor, "key.create", &format!("key:{}", record.id), &detail)?;
            Ok(record)
        })?;
        Ok(CreatedKey { secret, record })
    }

    fn authenticate(&self, hash: &KeyHash) -> Result<KeyCheck> {
        let given = self.time.given();
        let found = self.read("checking a key", |sql| {
            let row = sql.optional(
                concat!(
                    "SELECT ",
                    key_columns!(),
                    ", ",
                    database_ms!(),
                    " AS clock_ms FROM api_key WHERE hash = $1"
                ),
                &[&hash.0.as_slice()],
            )?;
            row.map(|row| {
                Ok((
                    key_row(&row)?,
                    given.map_or_else(|| column(&row, "clock_ms"), |(now_ms, _)| Ok(now_ms))?,
                ))
            })
            .transpose()
        })?;
        let Some((record, now_ms)) =
            found.filter(|(record, now_ms)| record.state(*now_ms) == KeyState::Active)
        else {
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
        self.snapshot("listing keys", |sql| {
            let (conditions, mut values) = conditions(filter, request, sql.now_ms);
            values.push(Box::new(i64::from(request.rows()) + 1));
            let query = format!(
                concat!(
                    "SELECT ",
                    key_columns!(),
                    " FROM api_key WHERE {} ORDER BY id LIMIT ${}"
                ),
                conditions.join(" AND "),
                values.len()
            );
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(AsRef::as_ref).collect();
            let rows = sql.all(&query, &values)?;
            let found = rows
                .iter()
                .map(|row| Ok((column(row, "id")?, key_row(row)?)));
            Ok(Page::of(request.rows(), found.collect::<PgResult<_>>()?))
        })
    }

    fn update_key(&self, key: KeyId, change: &KeyChange, actor: &str) -> Result<KeyRecord> {
        const OPERATION: &str = "changing a key";
        if let Some(name) = &change.name {
            limits::text(OPERATION, "name", name, 100)?;
        }
        self.write(OPERATION, |sql| {
            let now = existing(sql, key)?;
            let name = change.name.as_ref().unwrap_or(&now.name);
            let limits = change.limits.unwrap_or(now.limits);
            let pipelines = change.pipelines.as_ref().unwrap_or(&now.pipelines);
            let pipelines = limits::pipelines(OPERATION, pipelines.as_deref())?;
            let expires_at_ms = change.expires_at_ms.unwrap_or(now.expires_at_ms);
            let row = sql.one(
                concat!(
                    "UPDATE api_key SET name = $2, removals_per_minute = $3, batches_per_minute = $4, pipelines = $5, expires_at_ms = $6
                     WHERE id = $1 RETURNING ", key_columns!()
                ),
                &[
                    &key,
                    &Text(name),
                    &limits.removals_per_minute.map(i64::from),
                    &limits.batches_per_minute.map(i64::from),
                    &pipelines,
                    &expires_at_ms,
                ],
            )?;
            let after = key_row(&row)?;
            let detail = json!({ "before": rules::audited(&now), "after": rules::audited(&after) });
            audit::insert(sql, actor, "key.change", &format!("key:{key}"), &detail)?;
            Ok(after)
        })
    }

    fn revoke_key(&self, key: KeyId, actor: &str) -> Result<KeyRecord> {
        self.write("revoking a key", |sql| revoke(sql, key, actor))
    }

    fn delete_key(&self, key: KeyId, actor: &str) -> Result<KeyRecord> {
        self.write("deleting a key", |sql| {
            let last = revoke(sql, key, actor)?;
            sql.execute(
                "UPDATE api_key SET deleted_at_ms = $2 WHERE id = $1",
                &[&key, &sql.now_ms],
            )?;
            let detail = json!({ "before": rules::audited(&last) });
            audit::insert(sql, actor, "key.delete", &format!("key:{key}"), &detail)?;
            Ok(KeyRecord {
                deleted_at_ms: Some(sql.now_ms),
                ..last
            })
        })
    }
}

fn revoke(sql: &Sql<'_>, key: KeyId, actor: &str) -> PgResult<KeyRecord> {
    let before = existing(sql, key)?;
    if before.revoked_at_ms.is_some() {
        return Ok(before);
    }
    let row = sql.one(
        concat!(
            "UPDATE api_key SET revoked_at_ms = $2, url_epoch = url_epoch + 1 WHERE id = $1 RETURNING ", key_columns!()
        ),
        &[&key, &sql.now_ms],
    )?;
    let detail = json!({ "before": rules::audited(&before) });
    audit::insert(sql, actor, "key.revoke", &format!("key:{key}"), &detail)?;
    key_row(&row)
}

impl PgStore {
    /// Only a note: it does not wait for whoever works with the key.
    fn note_use(&self, key: KeyId, now_ms: UnixMs) -> Result<()> {
        self.read("noting the use of a key", |sql| {
            sql.execute(
                "UPDATE api_key SET last_used_at_ms = $2
                 WHERE id IN (SELECT id FROM api_key WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED)",
                &[&key, &now_ms],
            )?;
            Ok(())
        })
    }
}

/// Whether work may be charged through this key right now: `false` when it was revoked or expired since it was checked. It
/// stays as it is until the end of the transaction.
pub(super) fn may_work(sql: &Sql<'_>, account: AccountId, key: Option<KeyId>) -> PgResult<bool> {
    let Some(key) = key else { return Ok(true) };
    let row = sql.optional(
        concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_key WHERE id = $1 FOR SHARE"
        ),
        &[&key],
    )?;
    let operation = sql.operation;
    let row = row.ok_or(StoreError::UnknownKey { operation, key })?;
    let record = key_row(&row)?;
    Ok(rules::may_work(operation, &record, account, sql.now_ms)?)
}

fn existing(sql: &Sql<'_>, key: KeyId) -> PgResult<KeyRecord> {
    let row = sql.optional(
        concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_key WHERE id = $1 FOR NO KEY UPDATE"
        ),
        &[&key],
    )?;
    let found = row.as_ref().map(key_row).transpose()?;
    let operation = sql.operation;
    Ok(found
        .filter(|record| record.deleted_at_ms.is_none())
        .ok_or(StoreError::UnknownKey { operation, key })?)
}

fn find(sql: &Sql<'_>, key: KeyId) -> PgResult<Option<KeyRecord>> {
    let row = sql.optional(
        concat!("SELECT ", key_columns!(), " FROM api_key WHERE id = $1"),
        &[&key],
    )?;
    row.as_ref().map(key_row).transpose()
}

type Bound = Box<dyn ToSql + Sync>;

fn conditions(
    filter: &KeyFilter,
    request: &PageRequest,
    now_ms: UnixMs,
) -> (Vec<String>, Vec<Bound>) {
    let mut conditions = vec!["id > $1".to_string()];
    let mut values: Vec<Bound> = vec![Box::new(request.after.map_or(0, |cursor| cursor.0))];
    if !filter.deleted {
        conditions.push("deleted_at_ms IS NULL".to_string());
    }
    if let Some(account) = filter.account {
        values.push(Box::new(account));
        conditions.push(format!("account_id = ${}", values.len()));
    }
    if let Some(state) = filter.state {
        let at = values.len() + 1;
        match state {
            KeyState::Revoked => conditions.push("revoked_at_ms IS NOT NULL".to_string()),
            KeyState::Expired => {
                conditions.push(format!("revoked_at_ms IS NULL AND expires_at_ms <= ${at}"));
                values.push(Box::new(now_ms));
            }
            KeyState::Active => {
                conditions.push(format!(
                    "revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > ${at})"
                ));
                values.push(Box::new(now_ms));
            }
        }
    }
    if let Some(text) = &filter.text {
        values.push(Box::new(text.replace('\0', "\u{FFFD}")));
        conditions.push(contains(
            &["name", "shown_prefix || '...' || shown_suffix"],
            values.len(),
        ));
    }
    (conditions, values)
}

fn key_row(row: &Row) -> PgResult<KeyRecord> {
    let pipelines: Option<&str> = column(row, "pipelines")?;
    Ok(KeyRecord {
        id: column(row, "id")?,
        account: column(row, "account_id")?,
        name: column(row, "name")?,
        shown_prefix: column(row, "shown_prefix")?,
        shown_suffix: column(row, "shown_suffix")?,
        limits: KeyLimits {
            removals_per_minute: natural_if_any(row, "removals_per_minute")?,
            batches_per_minute: natural_if_any(row, "batches_per_minute")?,
        },
        pipelines: pipelines
            .map(|text| parsed("pipelines", text))
            .transpose()?,
        expires_at_ms: column(row, "expires_at_ms")?,
        revoked_at_ms: column(row, "revoked_at_ms")?,
        deleted_at_ms: column(row, "deleted_at_ms")?,
        created_at_ms: column(row, "created_at_ms")?,
        last_used_at_ms: column(row, "last_used_at_ms")?,
        url_epoch: natural(row, "url_epoch")?,
    })
}
