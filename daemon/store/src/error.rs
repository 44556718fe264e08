//! What can go wrong in a store. Refusals that a client causes (no credits, full queue) are outcomes, not errors.

use std::path::PathBuf;

use crate::{AccountId, BatchId, JobId, KeyId};

/// A failure of the store or of its caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A second daemon on one data folder.
    #[error(
        "opening the store: {path} is locked by another running daemon; stop it or choose another data folder"
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The database of the folder is gone.
    #[error(
        "opening the store: {path} is missing or empty, but {trace} shows that this folder had one; put its newest backup in its place, or, to begin with no accounts, choose another data folder"
    )]
    Lost {
        /// Where the database was.
        path: PathBuf,
        /// The file that tells.
        trace: PathBuf,
    },
    /// The database was written by a newer program.
    #[error(
        "opening {path}: schema version {found}, this program knows up to {known}; run the newer program or restore the backup made before the upgrade"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// The database needs a migration, which daemons run.
    #[error(
        "opening {path}: schema version {found}, this program needs {known}; restart the daemon with this program, which migrates the database"
    )]
    OlderSchema {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Version needed.
        known: i64,
    },
    /// A file that is not a database of this program.
    #[error(
        "opening {path}: not a Cleanplate database (application id {found:#010x}); choose another data folder"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Application id in its header.
        found: i64,
    },
    /// A file operation around the database failed.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// No room for the write; nothing was changed. Reads still work.
    #[error(
        "{operation}: the volume of the data folder is full; free some space, the store then goes on by itself"
    )]
    Full {
        /// What was tried.
        operation: &'static str,
    },
    /// Another process keeps the database from being read or written; nothing was changed.
    #[error(
        "{operation}: another process has locked the database; end what works on it (a backup, an open sqlite3), the store then goes on by itself"
    )]
    Busy {
        /// What was tried.
        operation: &'static str,
    },
    /// The server of the database cannot be reached, or takes no work now. Whether a change that was under way was made is not
    /// known when the connection broke while it was committed.
    #[error(
        "{operation}: the database server cannot be used ({detail}); once it answers again the store goes on by itself"
    )]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// What the server or the network answered.
        detail: String,
    },
    /// Data could not be forced to disk, or an earlier write met that: what is on disk is unknown until a restart.
    #[error(
        "{operation}: the disk failed to store data ({detail}); stop the daemon, check the disk, start again"
    )]
    Halted {
        /// What was tried.
        operation: &'static str,
        /// What the disk answered.
        detail: String,
    },
    /// A stored value that the program cannot have written.
    #[error("{operation}: the stored {what} cannot be read ({detail}); restore the last backup")]
    Corrupt {
        /// What was tried.
        operation: &'static str,
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// An argument outside its documented limits.
    #[error("{operation}: {field} {problem}")]
    Invalid {
        /// What was tried.
        operation: &'static str,
        /// Which argument.
        field: &'static str,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// No such account.
    #[error("{operation}: there is no account {account}; list the accounts to find it")]
    UnknownAccount {
        /// What was tried.
        operation: &'static str,
        /// The account asked for.
        account: AccountId,
    },
    /// No such key.
    #[error("{operation}: there is no key {key}; list the keys to find it")]
    UnknownKey {
        /// What was tried.
        operation: &'static str,
        /// The key asked for.
        key: KeyId,
    },
    /// No such job.
    #[error("{operation}: there is no job {job}")]
    UnknownJob {
        /// What was tried.
        operation: &'static str,
        /// The job asked for.
        job: JobId,
    },
    /// No such batch.
    #[error("{operation}: there is no batch {batch}")]
    UnknownBatch {
        /// What was tried.
        operation: &'static str,
        /// The batch asked for.
        batch: BatchId,
    },
    /// A correction that would leave less than nothing.
    #[error(
        "{operation}: account {account} has {available} credits available, {wanted} are to be taken; take at most {available}"
    )]
    Overdrawn {
        /// What was tried.
        operation: &'static str,
        /// The account.
        account: AccountId,
        /// Credits not held by jobs.
        available: i64,
        /// Credits to be taken.
        wanted: i64,
    },
    /// Any other failure of the database.
    #[error("{operation}: {source}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// What the database answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the daemon must stop: going on could acknowledge work that is not on disk.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Halted { .. } | Self::Corrupt { .. })
    }

    /// Whether the same call may succeed later without a change by the caller.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::Busy { .. } | Self::Unavailable { .. }
        )
    }
}

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, StoreError>;
