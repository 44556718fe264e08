//! `keys`: create, list, revoke.

use std::process::ExitCode;

use anyhow::Context;
use cleanplate_store::{
    Accounts as _, KeyFilter, KeyId, KeyLimits, KeyRecord, KeyState, Keys as _, NewKey, PageRequest,
};
use serde_json::{Value, json};

use super::accounts::account_id;
use super::args::Keys;
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
            let account = match account {
                Some(id) => account_id(&store, "--account", id)?,
                None => {
                    let first = store
                        .list_accounts(
                            None,
                            &PageRequest {
                                after: None,
                                rows: 1,
                            },
                        )?
                        .items
                        .pop();
                    first.context("there is no account yet: create one with `cleanplate accounts create NAME`")?.id
                }
            };
            let limits = KeyLimits {
                removals_per_minute: *removals_per_minute,
                ..KeyLimits::default()
            };
            let expires_at_ms =
                expires_in.map(|days| crate::clock::now_s() * 1000 + i64::from(days) * DAY_MS);
            let created = store.create_key(
                &NewKey {
                    limits,
                    expires_at_ms,
                    ..NewKey::named(account, name)
                },
                ACTOR,
            )?;
            if output.json {
                let mut value = view(&created.record);
                value["key"] = json!(created.secret.reveal());
                print_json(&value)?;
            } else {
                eprintln!(
                    "Key {} of account {account}, shown only this once:",
                    created.record.id
                );
                println!("{}", created.secret.reveal());
            }
        }
        Keys::List {
            account,
            place,
            output,
        } => {
            let store = open::store(&load(place, Vec::new())?)?;
            let account = account
                .as_ref()
                .map(|id| account_id(&store, "--account", id))
                .transpose()?;
            let filter = KeyFilter {
                account,
                ..KeyFilter::default()
            };
            let keys = all(ROWS_MAX, |page| store.list_keys(&filter, page))?;
            if output.json {
                print_json(&json!({ "keys": keys.iter().map(view).collect::<Vec<_>>() }))?;
            } else {
                println!(
                    "{:>5} {:>7}  {:20} {:8} NAME",
                    "ID", "ACCOUNT", "KEY", "STATE"
                );
                for key in &keys {
                    let hint = format!("{}...{}", key.shown_prefix, key.shown_suffix);
                    println!(
                        "{:>5} {:>7}  {hint:20} {:8} {}",
                        key.id.0,
                        key.account.0,
                        state(key),
                        escaped(&key.name)
                    );
                }
            }
        }
        Keys::Revoke { id, place, output } => {
            let store = open::store(&load(place, Vec::new())?)?;
            let key = store.revoke_key(
                usage(
                    "keys revoke",
                    id,
                    "the id of a key, as `keys list` shows it",
                    id.parse::<KeyId>().ok(),
                )?,
                ACTOR,
            )?;
            if output.json {
                print_json(&view(&key))?;
            } else {
                println!("revoked key {} ({})", key.id, escaped(&key.name));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
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
