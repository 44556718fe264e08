//! `accounts`: create, list, top up, show the ledger.

use std::process::ExitCode;

use cleanplate_store::{Account, AccountId, LedgerCause, LedgerEntry, Store};
use serde_json::{Value, json};

use super::args::{AccountsCommand, Output};
use super::open::{ACTOR, all};
use super::{load, open, print_json, usage};
use crate::telemetry::escaped;

/// Rows that a listing shows.
const ROWS_MAX: usize = 10_000;

/// Runs one of the commands.
pub fn run(command: &AccountsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AccountsCommand::Create {
            name,
            credits,
            place,
            output,
        } => {
            let fits = Some(*credits).filter(|credits| *credits >= 0);
            let credits = usage("--credits", &credits.to_string(), "0 or more", fits)?;
            let store = open::store(&load(place, Vec::new())?)?;
            let mut account = store.create_account(name, ACTOR)?;
            if credits > 0 {
                account.balance = store
                    .top_up(account.id, credits, ACTOR, "first credits")?
                    .balance_after;
            }
            if output.json {
                print_json(&view(&account))?;
            } else {
                println!(
                    "account {} ({}) with {} credits",
                    account.id,
                    escaped(&account.name),
                    account.balance.available
                );
            }
        }
        AccountsCommand::List { place, output } => {
            let store = open::store(&load(place, Vec::new())?)?;
            print_list(
                &all(ROWS_MAX, |page| store.list_accounts(None, page))?,
                output,
            )?;
        }
        AccountsCommand::TopUp {
            id,
            credits,
            note,
            place,
            output,
        } => {
            let store = open::store(&load(place, Vec::new())?)?;
            let account = account_id(&*store, "account", id)?;
            let entry = if *credits > 0 {
                store.top_up(account, *credits, ACTOR, note)?
            } else {
                store.correct(account, *credits, ACTOR, note)?
            };
            if output.json {
                print_json(&entry_view(&entry))?;
            } else {
                let available = entry.balance_after.available;
                println!("account {account} has {available} credits");
            }
        }
        AccountsCommand::Ledger {
            id,
            limit,
            place,
            output,
        } => {
            let store = open::store(&load(place, Vec::new())?)?;
            let account = account_id(&*store, "account", id)?;
            let entries = all(*limit as usize, |page| store.ledger(account, page))?;
            print_ledger(account, &entries, output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_list(accounts: &[Account], output: &Output) -> anyhow::Result<()> {
    if output.json {
        return print_json(&json!({ "accounts": accounts.iter().map(view).collect::<Vec<_>>() }));
    }
    println!("{:>5} {:>12} {:>8}  NAME", "ID", "AVAILABLE", "HELD");
    for account in accounts {
        println!(
            "{:>5} {:>12} {:>8}  {}",
            account.id.0,
            account.balance.available,
            account.balance.held,
            escaped(&account.name)
        );
    }
    Ok(())
}

fn print_ledger(
    account: AccountId,
    entries: &[LedgerEntry],
    output: &Output,
) -> anyhow::Result<()> {
    if output.json {
        let entries: Vec<Value> = entries.iter().map(entry_view).collect();
        return print_json(&json!({ "account_id": account.to_string(), "entries": entries }));
    }
    println!(
        "{:>8} {:8} {:>10} {:>8} {:>12}  CAUSE",
        "ID", "KIND", "AVAILABLE", "HELD", "BALANCE"
    );
    for e in entries {
        println!(
            "{:>8} {:8} {:>+10} {:>+8} {:>12}  {}",
            e.id.0,
            e.kind.as_str(),
            e.available_change,
            e.held_change,
            e.balance_after.available,
            cause(e)
        );
    }
    Ok(())
}

/// Finds an account by its id or, when only one has it, by its name.
pub fn account_id(store: &dyn Store, flag: &str, text: &str) -> anyhow::Result<AccountId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let named: Vec<Account> = all(ROWS_MAX, |page| store.list_accounts(None, page))?
        .into_iter()
        .filter(|a| a.name == text)
        .collect();
    let one = if let [one] = named.as_slice() {
        Some(one.id)
    } else {
        None
    };
    usage(
        flag,
        text,
        "the id of an account, or a name that one account has; `accounts list` shows both",
        one,
    )
}

fn view(account: &Account) -> Value {
    json!({
        "id": account.id.to_string(), "name": account.name, "available": account.balance.available, "held": account.balance.held,
        "created_at": account.created_at_ms / 1000,
    })
}

fn cause(entry: &LedgerEntry) -> String {
    match entry.cause {
        LedgerCause::Job(job) => format!("job {job}"),
        LedgerCause::Audit(audit) => format!("audit {audit}"),
    }
}

fn entry_view(entry: &LedgerEntry) -> Value {
    json!({
        "id": entry.id.to_string(), "account_id": entry.account.to_string(), "kind": entry.kind.as_str(), "cause": cause(entry),
        "available_change": entry.available_change, "held_change": entry.held_change,
        "available_after": entry.balance_after.available, "held_after": entry.balance_after.held, "created_at": entry.created_at_ms / 1000,
    })
}
