//! Accounts, top-ups, ledgers.

use actix_web::web;
use cleanplate_api::admin::{
    AccountRow, ChangeAccount, CreateAccount, Event, LedgerRow, ListAccounts, ListLedger, Page,
    TopUp, TopUpAccount,
};
use cleanplate_api::endpoint::Json;
use cleanplate_store::{AccountId, LedgerCause, LedgerEntry, Store, StoreError};

use super::errors::{ask, no_such};
use super::gate::Who;
use super::rows;
use crate::app::App;
use crate::params::{self, Body, Params};
use crate::refusal::Refusal;

/// `GET /accounts`
pub async fn list(
    app: web::Data<App>,
    Params(listing): Params<ListAccounts>,
) -> Result<Json<Page<AccountRow>>, Refusal> {
    let (text, page) = (
        params::text(listing.text)?,
        params::page(listing.after.as_deref(), listing.rows)?,
    );
    let found = ask(&app, move |store| {
        store.list_accounts(text.as_deref(), &page)
    })
    .await?;
    Ok(Json(params::rows(found, |account| rows::account(&account))))
}

/// `POST /accounts`
pub async fn create(
    who: Who,
    app: web::Data<App>,
    Body(Json(new)): Body<CreateAccount>,
) -> Result<Json<AccountRow>, Refusal> {
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
    Ok(Json(row))
}

/// `GET /accounts/{id}`
pub async fn get(app: web::Data<App>, id: web::Path<String>) -> Result<Json<AccountRow>, Refusal> {
    let id: AccountId = params::id("account", &id)?;
    let account = ask(&app, move |store| store.account(id))
        .await?
        .ok_or_else(|| no_such("account", &id))?;
    Ok(Json(rows::account(&account)))
}

/// `PATCH /accounts/{id}`
pub async fn change(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
    Body(Json(change)): Body<ChangeAccount>,
) -> Result<Json<AccountRow>, Refusal> {
    let id: AccountId = params::id("account", &id)?;
    let Some(name) = change.name else {
        return get(app, web::Path::from(id.to_string())).await;
    };
    let row =
        rows::account(&ask(&app, move |store| store.rename_account(id, &name, &who.0)).await?);
    app.feed.leave(Event::Account(row.clone()));
    Ok(Json(row))
}

/// `POST /accounts/{id}/top-ups`
pub async fn top_up(
    who: Who,
    app: web::Data<App>,
    id: web::Path<String>,
    Body(Json(top_up)): Body<TopUpAccount>,
) -> Result<Json<LedgerRow>, Refusal> {
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
    Ok(Json(row))
}

/// `GET /accounts/{id}/ledger`
pub async fn ledger(
    app: web::Data<App>,
    id: web::Path<String>,
    Params(paging): Params<ListLedger>,
) -> Result<Json<Page<LedgerRow>>, Refusal> {
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
    Ok(Json(params::rows(ask(&app, act).await?, |row| row)))
}

fn row(store: &dyn Store, entry: &LedgerEntry) -> Result<LedgerRow, StoreError> {
    let action = match entry.cause {
        LedgerCause::Audit(action) => store.action(action)?,
        LedgerCause::Job(_) => None,
    };
    Ok(rows::ledger(entry, action.as_ref()))
}
