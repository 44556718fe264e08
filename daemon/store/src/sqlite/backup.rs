//! Consistent copies of the database.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::SqliteStore;
use super::failure::store_error;
use super::open::private_file;
use super::pool::open_reader;
use crate::error::{Result, StoreError};

const OPERATION: &str = "backing up the database";

/// Writes the copy beside its final name, forces it to disk and gives it that name, so that a file of that name is whole.
pub(super) fn backup(store: &SqliteStore, to: &Path) -> Result<()> {
    let io_error = |source| StoreError::Io {
        operation: OPERATION,
        path: to.to_owned(),
        source,
    };
    if to.try_exists().map_err(io_error)? {
        return Err(io_error(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the file exists; choose another name",
        )));
    }
    let partial = partial_name(to);
    let outcome = write_copy(store, &partial, to);
    if outcome.is_err() {
        // Best effort: the error that is reported says what went wrong first.
        let _ = std::fs::remove_file(&partial);
    }
    outcome
}

fn write_copy(store: &SqliteStore, partial: &Path, to: &Path) -> Result<()> {
    let io_error = |source| StoreError::Io {
        operation: OPERATION,
        path: partial.to_owned(),
        source,
    };
    if partial.try_exists().map_err(io_error)? {
        std::fs::remove_file(partial).map_err(io_error)?;
    }
    let copy = private_file(partial).map_err(io_error)?;
    let name = partial.to_str().ok_or_else(|| {
        io_error(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path is not UTF-8",
        ))
    })?;
    let reader = open_reader(&store.path).map_err(|error| store_error(OPERATION, error))?;
    reader
        .execute("VACUUM INTO ?1", [name])
        .map_err(|error| store_error(OPERATION, error))?;
    copy.sync_all().map_err(io_error)?;
    std::fs::rename(partial, to).map_err(io_error)?;
    sync_folder(to).map_err(io_error)
}

fn partial_name(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Forces the new name itself to disk.
fn sync_folder(file: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
