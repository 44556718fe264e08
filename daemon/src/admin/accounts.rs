//! Accounts, top-ups, ledgers.

use actix_web::{HttpResponse, web};
use cleanplate_api::admin::{AccountChange, Event, NewAccount, TopUp};
use cleanplate_store::{AccountId, LedgerCause, LedgerEntry, Store, StoreError};
use serde::Deserialize;

use super::errors::{ask, no_such};
use super::gate::Who;
use super::params::{self, Body, Params, created, ok};
use super::rows;
use crate::app::App;
use crate::refusal::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    text: Option<String>,
    after: Option<String>,
    rows: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    after: Option<String>,
    rows: Option<u32>,
}

/// `GET /accounts`
pub async fn list(
    app: web::Data<App>,
    Params(listing): Params<Listing>,
) -> Result<HttpResponse, Refusal> {
    let (text, page) = (
        params::text(listing.text)?,
        params::page(listing.after.as_deref(), listing.rows)?,
    );
    let found = ask(&app, move |store| {
        store.list_accounts(text.as_deref(), &page)
    })
    .await?;
    Ok(ok(&params::rows(found, |account| rows::account(&account))))
}

/// `POST /accounts`
pub async fn create(
    who: Who,
    app: web::Data<App>,
    Body(new): Body<NewAccount>,
) -> Result<HttpResponse, Refusal> {
    if new.credits < 0 {
        return Err(Refusal::field(
            &["body", "credits"],
            format!("is {}, 0 or more are allowed", new.credits),
            "value_error.range",
        ));
    }
    let act = move |store: &dyn Store| {
        let mut account = store.create_account(&new.name, &who.0)?;
        if new.credits > 0 {
            account.balance = store
                .top_up(account.id, new.credits, &who.0, "first credits")?
                .balance_after;
        }
        Ok(account)
    };
    let row = rows::account(&ask(&app, act).await?);
    app.feed.leave(Event::Account(row.clone()));
    Ok(created(&row))
}

/// `GET /accounts/{id}`
pub async fn get(app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Refusal> {
    let id: AccountId = params::id("account", &id)?;
    let account = ask(&app, move |store| store.account(id))
        .await?
        .ok_or_else(|| no_such("account", &id))?;
    Ok(ok(&rows::account(&account)))
}

/// `PATCH /accounts/{id}`
pub async fn change(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
    Body(change): Body<AccountChange>,
) -> Result<HttpResponse, Refusal> {
    let id: AccountId = params::id("account", &id)?;
    let Some(name) = change.name else {
        return get(app, web::Path::from(id.to_string())).await;
    };
    let row =
        rows::account(&ask(&app, move |store| store.rename_account(id, &name, &who.0)).await?);
    app.feed.leave(Event::Account(row.clone()));
    Ok(ok(&row))
}

/// `POST /accounts/{id}/top-ups`
pub async fn top_up(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
    Body(top_up): Body<TopUp>,
) -> Result<HttpResponse, Refusal> {
    let id: AccountId = params::id("account", &id)?;
    let act = move |store: &dyn Store| {
        let TopUp { credits, note } = &top_up;
        let entry = if *credits > 0 {
            store.top_up(id, *credits, &who.0, note)?
        } else {
            store.correct(id, *credits, &who.0, note)?
        };
        Ok((row(store, &entry)?, store.account(id)?))
    };
    let (row, account) = ask(&app, act).await?;
    if let Some(account) = account {
        app.feed.leave(Event::Account(rows::account(&account)));
    }
    Ok(created(&row))
}

/// `GET /accounts/{id}/ledger`
pub async fn ledger(
    app: web::Data<App>,
    id: web::Path<String>,
    Params(paging): Params<Paging>,
) -> Result<HttpResponse, Refusal> {
    let id: AccountId = params::id("account", &id)?;
    let page = params::page(paging.after.as_deref(), paging.rows)?;
    let act = move |store: &dyn Store| {
        let found = store.ledger(id, &page)?;
        let items = found
            .items
            .iter()
            .map(|entry| row(store, entry))
            .collect::<Result<_, _>>()?;
        Ok(cleanplate_store::Page {
            items,
            next: found.next,
        })
    };
    Ok(ok(&params::rows(ask(&app, act).await?, |row| row)))
}

fn row(
    store: &dyn Store,
    entry: &LedgerEntry,
) -> Result<cleanplate_api::admin::LedgerRow, StoreError> {
    let action = match entry.cause {
        LedgerCause::Audit(action) => store.action(action)?,
        LedgerCause::Job(_) => None,
    };
    Ok(rows::ledger(entry, action.as_ref()))
}
