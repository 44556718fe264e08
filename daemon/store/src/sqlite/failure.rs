//! From SQLite's errors to the store's.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::StoreError;

/// An error inside a transaction: either already named, or SQLite's and to be named after the operation.
pub(super) enum TxError {
    Store(StoreError),
    Sql(rusqlite::Error),
}

pub(super) type TxResult<T> = std::result::Result<T, TxError>;

impl TxError {
    pub(super) fn named(self, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => store_error(operation, error),
        }
    }
}

impl From<StoreError> for TxError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for TxError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Names an error of SQLite after the operation that met it.
pub(super) fn store_error(operation: &'static str, error: rusqlite::Error) -> StoreError {
    match &error {
        rusqlite::Error::SqliteFailure(cause, _) => match (cause.code, cause.extended_code) {
            // A volume that has become read-only takes no more, like a full one.
            (ErrorCode::DiskFull | ErrorCode::ReadOnly, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => {
                StoreError::Full { operation }
            }
            (ErrorCode::DatabaseBusy, _) => StoreError::Busy { operation },
            // After a failed sync the kernel may have dropped the pages: a second sync would succeed and prove nothing.
            (_, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => StoreError::Halted {
                operation,
                detail: error.to_string(),
            },
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => StoreError::Corrupt {
                operation,
                what: "database",
                detail: error.to_string(),
            },
            _ => StoreError::Database {
                operation,
                source: Box::new(error),
            },
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt {
            operation,
            what: "row",
            detail: error.to_string(),
        },
        _ => StoreError::Database {
            operation,
            source: Box::new(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(extended_code: i32) -> StoreError {
        store_error(
            "testing",
            rusqlite::Error::SqliteFailure(ffi::Error::new(extended_code), None),
        )
    }

    #[test]
    fn disk_errors_are_told_apart() {
        assert!(matches!(named(ffi::SQLITE_FULL), StoreError::Full { .. }));
        assert!(named(ffi::SQLITE_FULL).is_transient());
        assert!(named(ffi::SQLITE_IOERR_FSYNC).is_fatal());
        assert!(named(ffi::SQLITE_IOERR_DIR_FSYNC).is_fatal());
        assert!(named(ffi::SQLITE_CORRUPT).is_fatal());
        assert!(matches!(
            named(ffi::SQLITE_IOERR_READ),
            StoreError::Database { .. }
        ));
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_RECOVERY] {
            assert!(matches!(named(code), StoreError::Busy { .. }));
            assert!(named(code).is_transient() && !named(code).is_fatal());
        }
    }
}
