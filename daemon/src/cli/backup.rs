//! `backup`: what cannot be made again, in one file, taken while the daemon runs.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use cleanplate_store::{DATABASE_FILE, Maintenance, SqliteStore, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::Backup;
use super::{load, open, print_json};
use crate::config::FilesPlace;
use crate::database;
use crate::files::Dirs;

/// First entry of a backup: what it is.
pub const LABEL: &str = "cleanplate-backup.json";
/// Form of backups that this program writes and reads.
pub const FORM: u32 = 1;

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Label {
    /// Form of the file.
    pub form: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// When, seconds since 1970.
    pub created_at: i64,
    /// Whether results and uploads of waiting jobs are in it.
    pub results: bool,
}

/// What a backup holds of a data folder, by name: files, then folders, the last two only with results.
pub const FILES: [&str; 3] = [DATABASE_FILE, "url-keys", "webhook-key"];
/// See [`FILES`].
pub const FOLDERS: [&str; 4] = ["pipelines", "plugins", "results", "inputs"];
/// Folders of [`FOLDERS`] that come with results.
const WITH_RESULTS: usize = 2;

/// Writes the backup, and checks the copy of the database before it has its name.
pub fn run(args: &Backup) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let dirs = Dirs::under(&config.server.data_dir);
    let address = config.database.address.as_ref();
    ensure!(
        address.is_some() || dirs.data.join(DATABASE_FILE).is_file(),
        "{} has no database: nothing to back up; name the data folder by --data",
        dirs.data.display()
    );
    ensure!(
        !args.file.exists(),
        "{} exists; choose another name",
        args.file.display()
    );
    let parent = args.file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let scratch = tempfile::Builder::new()
        .prefix(".cleanplate-backup-")
        .tempdir_in(parent.unwrap_or(Path::new(".")))
        .with_context(|| format!("writing beside {}", args.file.display()))?;
    let copy = scratch.path().join(DATABASE_FILE);
    open::store(&config)?.backup(&copy)?;
    if let Some(address) = address {
        let store = database::beside(&config, address)?;
        database::write_keys(&store, &Dirs::under(scratch.path()))?;
    }
    check(scratch.path())?;
    let partial = scratch.path().join("backup.tar");
    let bytes = write(&partial, &dirs, scratch.path(), args.results)
        .with_context(|| format!("writing {}", partial.display()))?;
    fs::rename(&partial, &args.file)
        .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
        .with_context(|| format!("writing {}", args.file.display()))?;
    if args.results && !matches!(config.files.place, FilesPlace::Data) {
        eprintln!(
            "warning: results and waiting uploads lie where files.url says, not in the data folder, and are not in this backup"
        );
    }
    if args.output.json {
        print_json(&json!({ "file": args.file, "bytes": bytes, "results": args.results }))?;
    } else {
        let with = if args.results { "with" } else { "without" };
        println!(
            "{}: {bytes} bytes, {with} results; its database was checked. Keep it like a password: it holds secrets.",
            args.file.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks the database in `folder`: every page, and the rules of the books.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    let store = SqliteStore::attach(folder, Arc::new(SystemClock))?;
    let mut found = store.integrity()?;
    found.extend(store.invariants()?);
    match found.first() {
        None => Ok(()),
        Some(first) => anyhow::bail!("the copy of the database is damaged: {first}"),
    }
}

/// Writes all entries and returns the length of the file.
fn write(to: &Path, dirs: &Dirs, scratch: &Path, results: bool) -> anyhow::Result<u64> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let mut archive = tar::Builder::new(file);
    archive.follow_symlinks(false);
    let label = serde_json::to_vec(&Label {
        form: FORM,
        version: crate::VERSION.to_string(),
        created_at: crate::clock::now_s(),
        results,
    })?;
    let mut header = tar::Header::new_gnu();
    header.set_size(label.len() as u64);
    header.set_mode(0o600);
    archive.append_data(&mut header, LABEL, label.as_slice())?;
    for name in FILES {
        let paths = [scratch, &dirs.data].map(|from| from.join(name));
        if let Some(path) = paths.iter().find(|path| path.is_file()) {
            archive.append_path_with_name(path, name)?;
        }
    }
    let folders = if results {
        FOLDERS.len()
    } else {
        FOLDERS.len() - WITH_RESULTS
    };
    for name in &FOLDERS[..folders] {
        let from = dirs.data.join(name);
        if from.is_dir() {
            add_folder(&mut archive, &from, Path::new(name))?;
        }
    }
    let file = archive.into_inner()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Adds the files below `from`. One that goes away meanwhile, such as a result whose time has come, is left out.
fn add_folder(archive: &mut tar::Builder<File>, from: &Path, name: &Path) -> anyhow::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(from)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        let Some(last) = path.file_name() else {
            continue;
        };
        let name = name.join(last);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => add_folder(archive, &path, &name)?,
            Ok(meta) if meta.is_file() => match File::open(&path) {
                Ok(mut file) => archive.append_file(&name, &mut file)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            },
            Ok(_) => eprintln!(
                "warning: {} is neither file nor folder, left out",
                path.display()
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(())
}
