//! `store`: a whole store from a SQLite file into PostgreSQL or back, and the keys that a shared one signs with.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use cleanplate_store::{Contents, DATABASE_FILE, Leases, PgAddress, SqliteStore, SystemClock};
use serde_json::json;

use super::args::{Output, Side, StoreCommand};
use super::backup::FILES;
use super::restore::{present, put_aside};
use super::{load, print_json};
use crate::config::Config;
use crate::database;
use crate::files::{Dirs, UrlKeys, draw};

/// Runs the command.
pub fn run(command: &StoreCommand) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Copy {
            from,
            to,
            place,
            output,
        } => copy(*from, *to, &load(place, Vec::new())?, output),
        StoreCommand::RotateKeys {
            keep,
            place,
            output,
        } => rotate(*keep, &load(place, Vec::new())?, output),
    }
}

fn copy(from: Side, to: Side, config: &Config, output: &Output) -> anyhow::Result<ExitCode> {
    ensure!(from != to, "--from and --to name the same kind of store");
    let store = database::connect(config, named(config)?)?;
    if let Some(worker) = store.workers()?.into_iter().find(|worker| worker.alive) {
        bail!(
            "the process {:?} works on {}: stop it first",
            worker.report.name,
            store.shown()
        );
    }
    let dirs = Dirs::under(&config.server.data_dir);
    dirs.make_data()?;
    let file = dirs.data.join(DATABASE_FILE);
    let (there, kept) = match to {
        Side::Postgres => {
            ensure!(file.is_file(), "{} does not exist", file.display());
            let source = SqliteStore::open(&dirs.data, Arc::new(SystemClock))?;
            let there = database::fill(config, &store, &source, &dirs)?;
            drop(source);
            // A start without the URL would go on with these balances, and remove every result made since.
            let moved: Vec<&str> = present(&dirs.data)
                .into_iter()
                .filter(|name| FILES.contains(name))
                .collect();
            (there, put_aside(&dirs.data, &moved, "copy")?)
        }
        Side::Sqlite => {
            for path in [&file, &dirs.secrets, &dirs.webhook_key] {
                ensure!(
                    !path.exists(),
                    "{} exists; name another data folder by --data, or move it away",
                    path.display()
                );
            }
            // A database that was here was moved away, by the copy into the other one at that.
            SqliteStore::forget(&dirs.data)?;
            let target = SqliteStore::open(&dirs.data, Arc::new(SystemClock))?;
            let there = store.copy_to(&target)?;
            database::write_keys(&store, &dirs)?;
            (there, None)
        }
    };
    told(&there, kept.as_deref(), output)
}

fn told(there: &Contents, kept: Option<&Path>, output: &Output) -> anyhow::Result<ExitCode> {
    let credits: i64 = there
        .balances
        .iter()
        .map(|(_, free, held)| free + held)
        .sum();
    if output.json {
        let rows: serde_json::Map<_, _> = there
            .rows
            .iter()
            .map(|(name, rows)| ((*name).to_string(), json!(rows)))
            .collect();
        print_json(&json!({
            "rows": rows, "accounts": there.balances.len(), "credits": credits, "before": kept,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, rows) in &there.rows {
        println!("{name:12} {rows:>12}");
    }
    println!(
        "{} accounts with {credits} credits; rows, balances and books were compared and agree",
        there.balances.len()
    );
    if let Some(kept) = kept {
        println!(
            "The file and its keys are in {} now: no daemon goes on with them by mistake",
            kept.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn rotate(keep: u32, config: &Config, output: &Output) -> anyhow::Result<ExitCode> {
    let store = database::beside(config, named(config)?)?;
    let dirs = Dirs::under(&config.server.data_dir);
    let keys = store.rotate_secret(database::URL_KEYS, draw(&dirs.secrets)?, keep)?;
    if output.json {
        print_json(&json!({ "keys": keys.len() }))?;
    } else {
        println!(
            "a new key signs addresses within a minute, at once after SIGHUP; {} of {keep} verify",
            UrlKeys::of(keys).verifying().len()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn named(config: &Config) -> anyhow::Result<&PgAddress> {
    config.database.address.as_ref().context(
        "store.url names no PostgreSQL database: give it in the configuration or by CLEANPLATE_STORE_URL",
    )
}
