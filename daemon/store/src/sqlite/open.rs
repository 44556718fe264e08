//! Opening: lock, file, settings, migrations, check after an unclean end.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failure::store_error;
use super::lock_wait::{self, LockWait};
use super::pool::ReaderPool;
use super::{SqliteStore, lost, migrate};
use crate::clock::Clock;
use crate::error::{Result, StoreError};

/// Name of the database in the data folder.
pub const DATABASE_FILE: &str = "cleanplate.db";
/// Name of the file whose lock the daemon holds.
pub const LOCK_FILE: &str = "cleanplate.lock";

const OPERATION: &str = "opening the store";

impl SqliteStore {
    /// Opens or creates the store in an existing data folder and keeps its lock: for the daemon. A second daemon on the
    /// same folder is refused with [`StoreError::Locked`].
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let lock = lock(folder)?.ok_or_else(|| StoreError::Locked {
            path: folder.join(LOCK_FILE),
        })?;
        lost::refuse(folder)?;
        let (path, writer) = open_writer(folder)?;
        check_after_unclean_end(&path, &writer)?;
        migrate::run(&path, &writer)?;
        lost::mark(folder)?;
        Self::assemble(path, writer, clock, Some(lock))
    }

    /// Opens or creates the store beside a daemon that may be running: for command-line tools. Never call
    /// [`recover`](crate::Maintenance::recover) on it.
    pub fn attach(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        lost::refuse(folder)?;
        let (path, writer) = open_writer(folder)?;
        // The lock is taken for a migration only, so that a tool never stands in the way of a starting daemon.
        if migrate::require_current(&path, &writer).is_err() {
            match lock(folder)? {
                Some(_held_while_migrating) => migrate::run(&path, &writer)?,
                None => migrate::require_current(&path, &writer)?,
            }
            lost::mark(folder)?;
        }
        Self::assemble(path, writer, clock, None)
    }

    /// The same without a migration, which an older file needs first: for who changes nothing.
    pub fn attach_as_it_is(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        lost::refuse(folder)?;
        let (path, writer) = open_writer(folder)?;
        migrate::require_current(&path, &writer)?;
        Self::assemble(path, writer, clock, None)
    }

    /// The lock of a data folder for as long as the file is kept, without a store; `None` while a daemon has it.
    pub fn hold(folder: &Path) -> Result<Option<File>> {
        lock(folder)
    }

    /// Has a folder forget that it had a database, which was moved away on purpose: a new one may be begun there.
    pub fn forget(folder: &Path) -> Result<()> {
        let _held = lock(folder)?.ok_or_else(|| StoreError::Locked {
            path: folder.join(LOCK_FILE),
        })?;
        lost::unmark(folder)
    }

    fn assemble(
        path: PathBuf,
        writer: Connection,
        clock: Arc<dyn Clock>,
        lock: Option<File>,
    ) -> Result<Self> {
        let readers = ReaderPool::open(&path).map_err(|error| store_error(OPERATION, error))?;
        Ok(Self {
            readers,
            writer: Mutex::new(writer),
            halted: OnceLock::new(),
            lock_wait: LockWait::new(if lock.is_some() {
                lock_wait::DAEMON_WAIT_MAX
            } else {
                lock_wait::TOOL_WAIT_MAX
            }),
            claimed: Mutex::default(),
            origin_ms: clock.now_ms().saturating_sub(clock.steady_ms()),
            clock,
            path,
            watchers: RwLock::default(),
            _lock: lock,
        })
    }
}

/// The lock of the folder, `None` when another process has it. The system frees it when its holder dies.
fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK_FILE);
    let io_error = |source| StoreError::Io {
        operation: "locking",
        path: path.clone(),
        source,
    };
    let file = private_file(&path).map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(io_error(source)),
    }
}

/// Opens or creates a file that only its owner may read: SQLite gives its side files the same mode.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn open_writer(folder: &Path) -> Result<(PathBuf, Connection)> {
    let path = folder.join(DATABASE_FILE);
    private_file(&path).map_err(|source| StoreError::Io {
        operation: "opening",
        path: path.clone(),
        source,
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let writer =
        Connection::open_with_flags(&path, flags).map_err(|error| store_error(OPERATION, error))?;
    // Before any setting is written: a file of another program stays as it is.
    migrate::require_ours(&path, &writer)?;
    configure_writer(&writer).map_err(|error| store_error(OPERATION, error))?;
    Ok((path, writer))
}

/// Settings of every connection.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(lock_wait::TOOL_WAIT_MAX)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;",
    )
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    configure(connection)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        // Happens on file systems without shared memory, such as network mounts.
        let cause = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_PROTOCOL);
        let problem = format!(
            "write-ahead logging is refused (mode {mode}); put the data folder on a local disk"
        );
        return Err(rusqlite::Error::SqliteFailure(cause, Some(problem)));
    }
    // recursive_triggers: without it INSERT OR REPLACE would delete ledger rows past the trigger that forbids it.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA recursive_triggers = ON;",
    )
}

/// A log that was not folded in means that the last daemon did not end by itself: all pages are then checked.
fn check_after_unclean_end(path: &Path, writer: &Connection) -> Result<()> {
    let log = log_file(path);
    if std::fs::metadata(&log).map_or(0, |found| found.len()) == 0 {
        return Ok(());
    }
    tracing::info!(log = %log.display(), "the last daemon did not close the database, checking it");
    let problems =
        super::invariants::file_problems(writer).map_err(|error| store_error(OPERATION, error))?;
    match problems.first() {
        None => Ok(()),
        Some(first) => Err(StoreError::Corrupt {
            operation: OPERATION,
            what: "database",
            detail: first.clone(),
        }),
    }
}

/// The write-ahead log beside a database.
pub(super) fn log_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accounts, SystemClock};

    fn open(folder: &Path) -> Result<SqliteStore> {
        SqliteStore::open(folder, Arc::new(SystemClock))
    }

    fn pragma(connection: &Connection, name: &str) -> i64 {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn the_writer_forces_every_commit_to_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        let writer = store.writer.lock().unwrap();
        let mode: String = writer
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
        let expected = [
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("trusted_schema", 0),
            ("cell_size_check", 1),
            ("busy_timeout", 5_000),
            ("wal_autocheckpoint", 1_000),
            ("journal_size_limit", 67_108_864),
            ("recursive_triggers", 1),
            ("mmap_size", 0),
            ("temp_store", 2),
        ];
        for (name, value) in expected {
            // SQLite answers mmap_size with no row where mapping is compiled out.
            let found = writer.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            assert!(
                found
                    .as_ref()
                    .map_or(name == "mmap_size", |found| *found == value),
                "{name} is {found:?}, wanted {value}"
            );
        }
        assert_eq!(pragma(&writer, "application_id"), migrate::APPLICATION_ID);
    }

    #[test]
    fn a_second_daemon_is_refused_a_tool_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).unwrap();
        assert!(matches!(
            open(folder.path()),
            Err(StoreError::Locked { .. })
        ));
        let tool = SqliteStore::attach(folder.path(), Arc::new(SystemClock)).unwrap();
        let account = tool
            .create_account("made beside the daemon", "test")
            .unwrap();
        assert_eq!(first.account(account.id).unwrap(), Some(account));
        drop(first);
        open(folder.path()).unwrap();
    }

    #[test]
    fn who_changes_nothing_migrates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        let as_it_is = || SqliteStore::attach_as_it_is(folder.path(), Arc::new(SystemClock));
        drop(as_it_is().unwrap());
        let file = Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
        file.pragma_update(None, "user_version", 1).unwrap();
        assert!(matches!(
            as_it_is(),
            Err(StoreError::OlderSchema { found: 1, .. })
        ));
        assert_eq!(pragma(&file, "user_version"), 1);
    }

    #[test]
    fn a_tool_may_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let tool = SqliteStore::attach(folder.path(), Arc::new(SystemClock)).unwrap();
        tool.create_account("first", "test").unwrap();
        assert_eq!(
            open(folder.path())
                .unwrap()
                .list_accounts(None, &Default::default())
                .unwrap()
                .items
                .len(),
            1
        );
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = open(Path::new("/nonexistent/data"))
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().contains("/nonexistent/data"), "{error}");
    }

    #[test]
    fn a_file_of_another_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DATABASE_FILE);
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE theirs (x)")
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            open(folder.path()),
            Err(StoreError::Foreign { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::write(
            &path,
            b"not a database at all, but long enough to have a header".repeat(40),
        )
        .unwrap();
        assert!(open(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        store.create_account("writes the log", "test").unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{:?}",
                entry.path()
            );
        }
    }
}
