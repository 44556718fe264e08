//! Tells a folder whose database was lost from one that never had any: nothing is begun anew over lost accounts.

use std::path::Path;

use super::open::{DATABASE_FILE, LOCK_FILE, log_file, private_file};
use crate::error::{Result, StoreError};

/// What the lock file says once the folder has a database.
const MARK: &[u8] = b"This folder has a database, cleanplate.db. Where it is missing, it was lost: restore its newest backup.\n";

/// Refuses a folder without a database in which another file tells that there was one.
pub(super) fn refuse(folder: &Path) -> Result<()> {
    let path = folder.join(DATABASE_FILE);
    let has_bytes = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.len() > 0);
    if has_bytes(&path) {
        return Ok(());
    }
    // SQLite would remove the log of an empty database.
    match [folder.join(LOCK_FILE), log_file(&path)]
        .into_iter()
        .find(|trace| has_bytes(trace))
    {
        Some(trace) => Err(StoreError::Lost { path, trace }),
        None => Ok(()),
    }
}

/// Notes that the folder has a database.
pub(super) fn mark(folder: &Path) -> Result<()> {
    let path = folder.join(LOCK_FILE);
    let write = || {
        let mut file = private_file(&path)?;
        if file.metadata()?.len() == MARK.len() as u64 {
            return Ok(());
        }
        std::io::Write::write_all(&mut file, MARK)?;
        file.sync_all()
    };
    write().map_err(|source| StoreError::Io {
        operation: "marking",
        path: path.clone(),
        source,
    })
}

/// Notes that the folder's database was moved away on purpose: a new one may be begun there. The lock must be held.
pub(super) fn unmark(folder: &Path) -> Result<()> {
    let path = folder.join(LOCK_FILE);
    let write = || {
        let file = private_file(&path)?;
        file.set_len(0)?;
        file.sync_all()
    };
    write().map_err(|source| StoreError::Io {
        operation: "marking",
        path: path.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::{Accounts, SqliteStore, SystemClock};

    #[test]
    fn a_lost_database_is_not_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let open = || SqliteStore::open(folder.path(), Arc::new(SystemClock));
        let store = open().unwrap();
        let account = store.create_account("Studio", "test").unwrap();
        // As `kill -9` leaves it, the file is not empty either.
        assert!(fs::metadata(at(DATABASE_FILE)).unwrap().len() > 0);
        drop(store);
        let kept = fs::read(at(DATABASE_FILE)).unwrap();
        let refused = |what: &str| {
            for error in [
                open().err(),
                SqliteStore::attach(folder.path(), Arc::new(SystemClock)).err(),
            ] {
                let error = error.unwrap_or_else(|| panic!("{what}: opened"));
                assert!(matches!(error, StoreError::Lost { .. }), "{what}: {error}");
            }
        };
        fs::write(at(DATABASE_FILE), b"").unwrap();
        refused("truncated");
        fs::remove_file(at(DATABASE_FILE)).unwrap();
        refused("removed");
        assert!(!at(DATABASE_FILE).exists());
        // One that was moved away on purpose may be followed by another.
        SqliteStore::forget(folder.path()).unwrap();
        drop(open().unwrap());
        fs::remove_file(at(DATABASE_FILE)).unwrap();
        refused("removed once more");
        // Of an older program: only the log tells.
        fs::write(at(LOCK_FILE), b"").unwrap();
        fs::write(log_file(&at(DATABASE_FILE)), b"log").unwrap();
        refused("log left");
        fs::remove_file(log_file(&at(DATABASE_FILE))).unwrap();
        fs::write(at(DATABASE_FILE), kept).unwrap();
        assert_eq!(open().unwrap().account(account.id).unwrap(), Some(account));
    }
}
