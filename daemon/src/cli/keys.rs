//! `keys`: create, list, revoke.

use std::process::ExitCode;

use anyhow::Context;
use cleanplate_store::{
    AccountId, CreatedKey, KeyFilter, KeyId, KeyLimits, KeyRecord, KeyState, NewKey, PageRequest,
    Store,
};
use serde_json::{Value, json};

use super::accounts::account_id;
use super::args::{Keys, Output};
use super::open::{ACTOR, all};
use super::{load, open, print_json, usage};
use crate::telemetry::escaped;

/// Rows that a listing shows.
const ROWS_MAX: usize = 10_000;
const DAY_MS: i64 = 86_400_000;

/// Runs one of the commands.
pub fn run(command: &Keys) -> anyhow::Result<ExitCode> {
    match command {
        Keys::Create {
            name,
            account,
            removals_per_minute,
            expires_in,
            place,
            output,
        } => {
            let store = open::store(&load(place, Vec::new())?)?;
            let account = payer(&*store, account.as_deref())?;
            let expires_at_ms =
                expires_in.map(|days| crate::clock::now_s() * 1000 + i64::from(days) * DAY_MS);
            let limits = KeyLimits {
                removals_per_minute: *removals_per_minute,
                ..KeyLimits::default()
            };
            let new = NewKey {
                limits,
                expires_at_ms,
                ..NewKey::named(account, name)
            };
            print_created(&store.create_key(&new, ACTOR)?, output)?;
        }
        Keys::List {
            account,
            place,
            output,
        } => {
            let store = open::store(&load(place, Vec::new())?)?;
            let account = account
                .as_ref()
                .map(|id| account_id(&*store, "--account", id))
                .transpose()?;
            let filter = KeyFilter {
                account,
                ..KeyFilter::default()
            };
            print_list(
                &all(ROWS_MAX, |page| store.list_keys(&filter, page))?,
                output,
            )?;
        }
        Keys::Revoke { id, place, output } => {
            let store = open::store(&load(place, Vec::new())?)?;
            let wanted = "the id of a key, as `keys list` shows it";
            let id = usage("keys revoke", id, wanted, id.parse::<KeyId>().ok())?;
            let key = store.revoke_key(id, ACTOR)?;
            if output.json {
                print_json(&view(&key))?;
            } else {
                println!("revoked key {} ({})", key.id, escaped(&key.name));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The account that was named, or else the first one.
fn payer(store: &dyn Store, named: Option<&str>) -> anyhow::Result<AccountId> {
    if let Some(id) = named {
        return account_id(store, "--account", id);
    }
    let page = PageRequest {
        after: None,
        rows: 1,
    };
    let first = store.list_accounts(None, &page)?.items.pop();
    let remedy = "there is no account yet: create one with `cleanplate accounts create NAME`";
    Ok(first.context(remedy)?.id)
}

fn print_created(created: &CreatedKey, output: &Output) -> anyhow::Result<()> {
    let key = &created.record;
    if output.json {
        let mut value = view(key);
        value["key"] = json!(created.secret.reveal());
        return print_json(&value);
    }
    eprintln!(
        "Key {} of account {}, shown only this once:",
        key.id, key.account
    );
    println!("{}", created.secret.reveal());
    Ok(())
}

fn print_list(keys: &[KeyRecord], output: &Output) -> anyhow::Result<()> {
    if output.json {
        return print_json(&json!({ "keys": keys.iter().map(view).collect::<Vec<_>>() }));
    }
    println!(
        "{:>5} {:>7}  {:20} {:8} NAME",
        "ID", "ACCOUNT", "KEY", "STATE"
    );
    for key in keys {
        let hint = format!("{}...{}", key.shown_prefix, key.shown_suffix);
        println!(
            "{:>5} {:>7}  {hint:20} {:8} {}",
            key.id.0,
            key.account.0,
            state(key),
            escaped(&key.name)
        );
    }
    Ok(())
}

fn state(key: &KeyRecord) -> &'static str {
    match key.state(crate::clock::now_s() * 1000) {
        KeyState::Active => "active",
        KeyState::Revoked => "revoked",
        KeyState::Expired => "expired",
    }
}

fn view(key: &KeyRecord) -> Value {
    json!({
        "id": key.id.to_string(), "account_id": key.account.to_string(), "name": key.name, "state": state(key),
        "hint": format!("{}...{}", key.shown_prefix, key.shown_suffix),
        "removals_per_minute": key.limits.removals_per_minute, "batches_per_minute": key.limits.batches_per_minute,
        "created_at": key.created_at_ms / 1000, "expires_at": key.expires_at_ms.map(|ms| ms / 1000),
        "revoked_at": key.revoked_at_ms.map(|ms| ms / 1000), "last_used_at": key.last_used_at_ms.map(|ms| ms / 1000),
    })
}
