//! How the store's types stand in columns: numbers as INTEGER, random identifiers and names as TEXT, JSON as TEXT.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde_json::Value;

use crate::{AccountId, AuditId, BatchId, EntryId, JobId, JobStatus, KeyId, LedgerKind};

macro_rules! number_column {
    ($($name:ident),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map($name)
            }
        }
    )*};
}

macro_rules! text_column {
    ($($name:ident),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.to_string()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    )*};
}

macro_rules! name_column {
    ($name:ident: $($variant:ident),*) => {
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.as_str()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                [$($name::$variant),*].into_iter().find(|known| known.as_str() == text).ok_or(FromSqlError::InvalidType)
            }
        }
    };
}

number_column!(AccountId, KeyId, EntryId, AuditId);
text_column!(JobId, BatchId);
name_column!(JobStatus: Pending, Processing, Completed, Failed);
name_column!(LedgerKind: TopUp, Reserve, Settle, Release, Correct);

/// A column of JSON text.
pub(super) struct Json(pub(super) Value);

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

/// A column of JSON text that is an array of strings.
pub(super) struct Names(pub(super) Vec<String>);

impl FromSql for Names {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

/// A number that is never negative.
pub(super) struct Natural(pub(super) u64);

impl FromSql for Natural {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let stored = i64::column_result(value)?;
        u64::try_from(stored)
            .map(Self)
            .map_err(|_| FromSqlError::OutOfRange(stored))
    }
}
