//! From the server's and the driver's errors to the store's.

use postgres::error::SqlState;

use super::address::cause;
use super::tls;
use crate::error::StoreError;

/// An error inside a transaction: either already named, or the database's and to be named after the operation.
pub(super) enum PgError {
    Store(StoreError),
    Sql(postgres::Error),
}

pub(super) type PgResult<T> = std::result::Result<T, PgError>;

/// What may be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The transaction met another one and was undone: again at once.
    Again,
    /// The connection is gone, or the server takes none: again on another one after a while.
    Reconnect,
    /// Nothing.
    Give,
}

impl PgError {
    pub(super) fn named(self, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => store_error(operation, error),
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Store(StoreError::Unavailable { .. }) => Remedy::Reconnect,
            Self::Store(_) => Remedy::Give,
            Self::Sql(error) => remedy(error),
        }
    }
}

impl From<StoreError> for PgError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<postgres::Error> for PgError {
    fn from(error: postgres::Error) -> Self {
        Self::Sql(error)
    }
}

pub(super) fn remedy(error: &postgres::Error) -> Remedy {
    let Some(db) = error.as_db_error() else {
        return if is_cut_off(error) {
            Remedy::Reconnect
        } else {
            Remedy::Give
        };
    };
    let code = db.code();
    let met = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    // Two requests with one key at the same instant: the second one finds the first.
    let same_key =
        *code == SqlState::UNIQUE_VIOLATION && db.constraint() == Some("idempotency_pkey");
    if met.contains(code) || same_key {
        Remedy::Again
    } else if is_gone(code) {
        Remedy::Reconnect
    } else {
        Remedy::Give
    }
}

/// The server shuts down, starts up, was cut off, cannot take one more connection, or has become a copy that is only read.
fn is_gone(code: &SqlState) -> bool {
    let class = &code.code()[..2];
    class == "08"
        || class == "57" && *code != SqlState::QUERY_CANCELED
        || [
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(code)
}

/// An error of the way to the server, rather than of what was said.
fn is_cut_off(error: &postgres::Error) -> bool {
    let text = error.to_string();
    // The driver tells its kinds of errors by their texts alone.
    let cut_off = [
        "error communicating with the server",
        "unexpected message from server",
        "error performing TLS handshake",
        "connection closed",
        "error parsing response",
        "error connecting to server",
        "timeout waiting for server",
    ];
    error.is_closed() || cut_off.iter().any(|begin| text.starts_with(begin))
}

/// What may be done where the server takes no connection that is not encrypted.
fn plainly_refused(error: &postgres::Error) -> Option<String> {
    let refused = *error.code()? == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        && error.as_db_error()?.message().contains("no encryption");
    refused.then(|| "sslmode=verify-full in store.url encrypts it".to_string())
}

/// Names an error of the database after the operation that met it.
pub(super) fn store_error(operation: &'static str, error: postgres::Error) -> StoreError {
    let detail = match tls::remedy(&error).or_else(|| plainly_refused(&error)) {
        Some(remedy) => format!("{}: {remedy}", cause(&error)),
        None => cause(&error),
    };
    match error.code() {
        None if is_cut_off(&error) => StoreError::Unavailable { operation, detail },
        None => StoreError::Database {
            operation,
            source: detail.into(),
        },
        Some(code) if is_gone(code) => StoreError::Unavailable { operation, detail },
        Some(code) if *code == SqlState::DISK_FULL => StoreError::Full { operation },
        Some(code)
            if [
                SqlState::LOCK_NOT_AVAILABLE,
                SqlState::QUERY_CANCELED,
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
            ]
            .contains(code) =>
        {
            StoreError::Busy { operation }
        }
        Some(code) if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) => {
            StoreError::Corrupt {
                operation,
                what: "database",
                detail,
            }
        }
        Some(_) => StoreError::Database {
            operation,
            source: detail.into(),
        },
    }
}
