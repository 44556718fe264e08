//! `restore`: a backup into a data folder, all of it or nothing.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use cleanplate_store::{Accounts, DATABASE_FILE, Jobs, PageRequest, SqliteStore, SystemClock};
use serde_json::json;

use super::args::Restore;
use super::backup::{FILES, FOLDERS, FORM, LABEL, Label, check};
use super::{load, print_json};
use crate::files::Dirs;
use crate::telemetry::escaped;

/// Longest label, bytes.
const LABEL_BYTES_MAX: u64 = 4096;

/// Restores.
pub fn run(args: &Restore) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let dirs = Dirs::under(&config.server.data_dir);
    dirs.make_data()?;
    let Some(_held) = SqliteStore::hold(&dirs.data)? else {
        bail!(
            "a daemon runs on {}: stop it first (systemctl stop cleanplate)",
            dirs.data.display()
        );
    };
    let there = present(&dirs.data);
    ensure!(
        there.is_empty() || args.force,
        "{} is in use, it has {}: name an empty folder by --data, or give --force to put the backup in its place (what is there \
         moves into a folder of its own)",
        dirs.data.display(),
        there.join(", ")
    );
    let scratch = tempfile::Builder::new()
        .prefix(".restore-")
        .tempdir_in(&dirs.data)
        .with_context(|| format!("writing into {}", dirs.data.display()))?;
    let label = unpack(&args.file, scratch.path())
        .with_context(|| format!("reading {}", args.file.display()))?;
    check(scratch.path())?;
    let (accounts, jobs) = count(scratch.path())?;
    if let Some(address) = &config.database.address {
        crate::database::restore(&config, address, &Dirs::under(scratch.path()))?;
    }
    let kept = put_aside(&dirs.data, &there, "restore")?;
    for name in present(scratch.path()) {
        fs::rename(scratch.path().join(name), dirs.data.join(name))
            .with_context(|| format!("putting {name} into {}", dirs.data.display()))?;
    }
    File::open(&dirs.data).and_then(|folder| folder.sync_all())?;
    if args.output.json {
        print_json(&json!({
            "data": dirs.data, "created_at": label.created_at, "version": label.version, "results": label.results,
            "accounts": accounts, "jobs": jobs, "before": kept,
        }))?;
    } else {
        println!(
            "{}: restored {accounts} accounts and {jobs} jobs; the database was checked",
            dirs.data.display()
        );
        if let Some(kept) = kept {
            println!("What was there is in {}", kept.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a backup may hold and is in this folder.
pub fn present(folder: &Path) -> Vec<&'static str> {
    let holds = |name: &&str| {
        let path = folder.join(name);
        // Folders are made at every start.
        path.is_file() || fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some())
    };
    FILES.into_iter().chain(FOLDERS).filter(holds).collect()
}

/// Moves what is there, and the database's side files, into a folder of its own, named after `what` comes instead.
pub fn put_aside(data: &Path, there: &[&str], what: &str) -> anyhow::Result<Option<PathBuf>> {
    let side = ["-wal", "-shm"].map(|end| format!("{DATABASE_FILE}{end}"));
    let names: Vec<&str> = there
        .iter()
        .copied()
        .chain(
            side.iter()
                .map(String::as_str)
                .filter(|name| data.join(name).exists()),
        )
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let kept = data.join(format!("before-{what}-{}", crate::clock::now_ms()));
    fs::create_dir(&kept).with_context(|| format!("making {}", kept.display()))?;
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o700))?;
    for name in names {
        fs::rename(data.join(name), kept.join(name))
            .with_context(|| format!("moving {name} into {}", kept.display()))?;
    }
    Ok(Some(kept))
}

/// Unpacks a backup into an empty folder; anything else than what backups hold is refused.
fn unpack(file: &Path, scratch: &Path) -> anyhow::Result<Label> {
    let mut archive = tar::Archive::new(File::open(file)?);
    let mut label = None;
    for entry in archive.entries()? {
        let mut entry = entry.context("this is no backup of cleanplate")?;
        let name = entry.path()?.into_owned();
        if label.is_none() {
            ensure!(name == Path::new(LABEL), "this is no backup of cleanplate");
            let mut text = String::new();
            entry
                .by_ref()
                .take(LABEL_BYTES_MAX)
                .read_to_string(&mut text)?;
            let read: Label = serde_json::from_str(&text).context("its label cannot be read")?;
            ensure!(
                read.form == FORM,
                "it was written by cleanplate {} in a form ({}) that this version does not know: restore it with that version",
                escaped(&read.version),
                read.form
            );
            label = Some(read);
            continue;
        }
        let plain = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let first = name
            .components()
            .next()
            .map(|part| part.as_os_str().to_owned());
        let known = FILES.iter().any(|file| name == Path::new(file))
            || FOLDERS
                .iter()
                .any(|folder| first.as_deref() == Some(folder.as_ref()));
        ensure!(
            plain && known && entry.header().entry_type().is_file(),
            "it holds {:?}, which no backup does; nothing was changed",
            escaped(&name.display().to_string())
        );
        let to = scratch.join(&name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut out = File::create_new(&to)?;
        let bytes = std::io::copy(&mut entry, &mut out)?;
        ensure!(
            bytes == entry.size(),
            "the file ends within {}",
            name.display()
        );
        let program = entry.header().mode()? & 0o100;
        out.set_permissions(fs::Permissions::from_mode(0o600 | program))?;
        out.sync_all()?;
    }
    let label = label.context("this is no backup of cleanplate")?;
    ensure!(scratch.join(DATABASE_FILE).is_file(), "it has no database");
    Ok(label)
}

/// Accounts and jobs of the database in `folder`.
fn count(folder: &Path) -> anyhow::Result<(usize, u64)> {
    let store = SqliteStore::attach(folder, Arc::new(SystemClock))?;
    let accounts = super::open::all(usize::MAX, |page: &PageRequest| {
        store.list_accounts(None, page)
    })?;
    let jobs = store.job_counts()?;
    let all = jobs.pending + jobs.processing + jobs.completed + jobs.failed;
    Ok((accounts.len(), all))
}
