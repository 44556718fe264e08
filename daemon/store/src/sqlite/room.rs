//! Room inside the database's own files, for ends of jobs on a full volume.
//!
//! A commit appends to the log; every thousand pages the log is folded into the database and begun anew. Neither takes
//! anything of the volume while the log's file has blocks ahead of its end and the database has pages that nothing uses.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::open::log_file;
use super::{SqliteStore, migrate};
use crate::error::{Result, StoreError};

/// Bytes set aside behind the end of the log: ends of a full queue.
const LOG_BYTES: u64 = 4 << 20;
/// Unused pages of the database at least: for the rows of the ledger that those ends add.
const FREE_PAGES_MIN: i64 = 64;
/// Bytes that are made free when there are fewer: twice as many pages of 4 KiB, so that it is seldom done.
const FREED_BYTES: i64 = 2 * FREE_PAGES_MIN * 4096;

pub(super) fn keep(store: &SqliteStore) -> Result<()> {
    keep_pages(store)?;
    let log = log_file(&store.path);
    keep_log(&log).map_err(|source| StoreError::Io {
        operation: "setting room aside behind the log",
        path: log,
        source,
    })
}

/// Makes pages and gives them up: the database keeps them for what comes.
fn keep_pages(store: &SqliteStore) -> Result<()> {
    const OPERATION: &str = "keeping free pages";
    let free = store.read(OPERATION, |reader| {
        Ok(migrate::pragma(reader, "freelist_count")?)
    })?;
    if free >= FREE_PAGES_MIN {
        return Ok(());
    }
    // In two steps: pages that are given up by the transaction that made them are never written to the volume.
    store.write(OPERATION, |tx| {
        tx.execute_batch("CREATE TABLE IF NOT EXISTS room (filler BLOB)")?;
        tx.execute("INSERT INTO room VALUES (zeroblob(?1))", [FREED_BYTES])?;
        Ok(())
    })?;
    store.write(OPERATION, |tx| {
        Ok(tx.execute_batch("DROP TABLE IF EXISTS room")?)
    })
}

/// Sets blocks aside ahead of the log's end without moving the end. What is there is left as it is. A file system that cannot does
/// without.
fn keep_log(log: &Path) -> std::io::Result<()> {
    let file = match std::fs::OpenOptions::new().write(true).open(log) {
        // No log yet: the next write begins one.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let found = file.metadata()?;
    let wanted = found.len() + LOG_BYTES;
    if found.blocks() * 512 >= wanted {
        return Ok(());
    }
    match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, wanted) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        set_aside => Ok(set_aside?),
    }
}
