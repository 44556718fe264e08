//! API keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use actix_web::web;
use cleanplate_api::admin::{
    ChangeKey, CreateKey, Event, KeyCreated, KeyRow, KeyState, ListKeys, Page,
};
use cleanplate_api::endpoint::Json;
use cleanplate_store::{
    self as store, AccountId, KeyFilter, KeyId, KeyLimits, KeyRecord, Store, StoreError,
};

use super::errors::{ask, no_such};
use super::gate::Who;
use super::rows;
use crate::app::App;
use crate::clock::now_ms;
use crate::params::{self, Body, Params};
use crate::refusal::Refusal;

/// Most requests per minute that a key can be given.
const PER_MINUTE_MAX: u32 = 1_000_000;

/// `GET /keys`
pub async fn list(
    app: web::Data<App>,
    Params(listing): Params<ListKeys>,
) -> Result<Json<Page<KeyRow>>, Refusal> {
    let page = params::page(listing.after.as_deref(), listing.rows)?;
    let state = listing.state.map(|state| match state {
        KeyState::Active => store::KeyState::Active,
        KeyState::Revoked => store::KeyState::Revoked,
        KeyState::Expired => store::KeyState::Expired,
    });
    let filter = KeyFilter {
        account: listing.account.map(AccountId),
        state,
        text: params::text(listing.text)?,
        deleted: false,
    };
    let act = move |store: &dyn Store| {
        let (found, mut names) = (store.list_keys(&filter, &page)?, HashMap::new());
        let items = found
            .items
            .iter()
            .map(|key| row(store, key, &mut names))
            .collect::<Result<_, _>>()?;
        Ok(store::Page {
            items,
            next: found.next,
        })
    };
    Ok(Json(params::rows(ask(&app, act).await?, |row| row)))
}

fn row(
    store: &dyn Store,
    key: &KeyRecord,
    names: &mut HashMap<AccountId, String>,
) -> Result<KeyRow, StoreError> {
    if let Entry::Vacant(unknown) = names.entry(key.account) {
        let account = store.account(key.account)?;
        unknown.insert(account.map_or_else(String::new, |account| account.name));
    }
    Ok(rows::key(key, &names[&key.account]))
}

fn one(store: &dyn Store, key: &KeyRecord) -> Result<KeyRow, StoreError> {
    row(store, key, &mut HashMap::new())
}

/// `POST /keys`
pub async fn create(
    who: Who,
    app: web::Data<App>,
    Body(Json(new)): Body<CreateKey>,
) -> Result<Json<KeyCreated>, Refusal> {
    per_minute("removals_per_minute", new.removals_per_minute)?;
    per_minute("batches_per_minute", new.batches_per_minute)?;
    known_pipelines(&app, new.pipelines.as_deref())?;
    if new.expires_at_ms.is_some_and(|at| at <= now_ms()) {
        return Err(Refusal::field(
            &["body", "expires_at_ms"],
            "lies in the past",
            "value_error.range",
        ));
    }
    let wanted = store::NewKey {
        account: AccountId(new.account_id),
        name: new.name,
        limits: KeyLimits {
            removals_per_minute: new.removals_per_minute,
            batches_per_minute: new.batches_per_minute,
        },
        pipelines: new.pipelines,
        expires_at_ms: new.expires_at_ms,
    };
    let act = move |store: &dyn Store| {
        let made = store.create_key(&wanted, &who.0)?;
        Ok(KeyCreated {
            secret: made.secret.reveal().to_string(),
            key: one(store, &made.record)?,
        })
    };
    let made = ask(&app, act).await?;
    app.feed.leave(Event::Key(made.key.clone()));
    Ok(Json(made))
}

/// `GET /keys/{id}`
pub async fn get(app: web::Data<App>, id: web::Path<String>) -> Result<Json<KeyRow>, Refusal> {
    let id: KeyId = params::id("key", &id)?;
    let act = move |store: &dyn Store| {
        let key = store.key(id)?.filter(|key| key.deleted_at_ms.is_none());
        key.map(|key| one(store, &key)).transpose()
    };
    let found = ask(&app, act).await?;
    Ok(Json(found.ok_or_else(|| no_such("key", &id))?))
}

/// `PATCH /keys/{id}`
pub async fn change(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
    Body(Json(change)): Body<ChangeKey>,
) -> Result<Json<KeyRow>, Refusal> {
    let id: KeyId = params::id("key", &id)?;
    per_minute("removals_per_minute", change.removals_per_minute.flatten())?;
    per_minute("batches_per_minute", change.batches_per_minute.flatten())?;
    known_pipelines(&app, change.pipelines.as_ref().and_then(Option::as_deref))?;
    let act = move |store: &dyn Store| {
        let before = store.key(id)?.ok_or(StoreError::UnknownKey {
            operation: "changing a key",
            key: id,
        })?;
        let limits = KeyLimits {
            removals_per_minute: change
                .removals_per_minute
                .unwrap_or(before.limits.removals_per_minute),
            batches_per_minute: change
                .batches_per_minute
                .unwrap_or(before.limits.batches_per_minute),
        };
        let change = store::KeyChange {
            name: change.name,
            limits: Some(limits),
            pipelines: change.pipelines,
            expires_at_ms: change.expires_at_ms,
        };
        one(store, &store.update_key(id, &change, &who.0)?)
    };
    changed(&app, ask(&app, act).await?)
}

/// `POST /keys/{id}/revoke`
pub async fn revoke(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<Json<KeyRow>, Refusal> {
    let id: KeyId = params::id("key", &id)?;
    changed(
        &app,
        ask(&app, move |store| {
            one(store, &store.revoke_key(id, &who.0)?)
        })
        .await?,
    )
}

fn changed(app: &App, row: KeyRow) -> Result<Json<KeyRow>, Refusal> {
    app.feed.leave(Event::Key(row.clone()));
    Ok(Json(row))
}

/// `DELETE /keys/{id}`
pub async fn delete(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<Json<KeyRow>, Refusal> {
    let id: KeyId = params::id("key", &id)?;
    let row = ask(&app, move |store| {
        one(store, &store.delete_key(id, &who.0)?)
    })
    .await?;
    app.feed.leave(Event::KeyGone(row.id));
    Ok(Json(row))
}

fn per_minute(field: &str, value: Option<u32>) -> Result<(), Refusal> {
    match value {
        Some(value) if !(1..=PER_MINUTE_MAX).contains(&value) => {
            let text = format!(
                "is {value}, 1 to {PER_MINUTE_MAX} are allowed; null takes the configured limit"
            );
            Err(Refusal::field(&["body", field], text, "value_error.range"))
        }
        _ => Ok(()),
    }
}

/// A name that is no pipeline is a slip: the key could never use it.
fn known_pipelines(app: &App, names: Option<&[String]>) -> Result<(), Refusal> {
    let unknown = names
        .unwrap_or_default()
        .iter()
        .find(|name| app.pipelines.get(name).is_err());
    match unknown {
        Some(name) => {
            let text = format!(
                "there is no pipeline {:?}",
                crate::telemetry::short(name, 64)
            );
            Err(Refusal::field(
                &["body", "pipelines"],
                text,
                "value_error.unknown",
            ))
        }
        None => Ok(()),
    }
}
