//! How the store's types stand in columns: numbers as bigint, random identifiers as uuid, names and JSON as text.

use postgres::Row;
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use serde_json::Value;
use uuid::Uuid;

use super::failure::{PgError, PgResult};
use crate::error::StoreError;
use crate::{AccountId, AuditId, BatchId, EntryId, JobId, JobStatus, KeyId, LedgerKind};

type AnyError = Box<dyn std::error::Error + Sync + Send>;

macro_rules! column_as {
    ($column:ty: $($name:ident $to:expr, $from:expr;)*) => {$(
        impl ToSql for $name {
            fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
                let stored: $column = $to(*self);
                stored.to_sql(ty, out)
            }

            fn accepts(ty: &Type) -> bool {
                <$column as ToSql>::accepts(ty)
            }

            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, AnyError> {
                $from(<$column>::from_sql(ty, raw)?)
            }

            fn accepts(ty: &Type) -> bool {
                <$column as FromSql>::accepts(ty)
            }
        }
    )*};
}

column_as! { i64:
    AccountId |id: AccountId| id.0, |stored| Ok(AccountId(stored));
    KeyId |id: KeyId| id.0, |stored| Ok(KeyId(stored));
    EntryId |id: EntryId| id.0, |stored| Ok(EntryId(stored));
    AuditId |id: AuditId| id.0, |stored| Ok(AuditId(stored));
}

column_as! { Uuid:
    JobId |id: JobId| Uuid::from(id), |stored| Ok(JobId::from(stored));
    BatchId |id: BatchId| Uuid::from(id), |stored| Ok(BatchId::from(stored));
}

macro_rules! name_column {
    ($name:ident: $($variant:ident),*) => {
        impl ToSql for $name {
            fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
                self.as_str().to_sql(ty, out)
            }

            fn accepts(ty: &Type) -> bool {
                <&str as ToSql>::accepts(ty)
            }

            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, AnyError> {
                let text = <&str>::from_sql(ty, raw)?;
                [$($name::$variant),*]
                    .into_iter()
                    .find(|known| known.as_str() == text)
                    .ok_or_else(|| format!("{text:?} is no {}", stringify!($name)).into())
            }

            fn accepts(ty: &Type) -> bool {
                <&str as FromSql>::accepts(ty)
            }
        }
    };
}

name_column!(JobStatus: Pending, Processing, Completed, Failed);
name_column!(LedgerKind: TopUp, Reserve, Settle, Release, Correct);

/// A text of a client or an administrator. PostgreSQL keeps no zero character: it becomes the replacement character.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl ToSql for Text<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
        if self.0.contains('\0') {
            self.0.replace('\0', "\u{FFFD}").to_sql(ty, out)
        } else {
            self.0.to_sql(ty, out)
        }
    }

    accepts!(TEXT, VARCHAR);
    to_sql_checked!();
}

/// A column of a row.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &'static str) -> PgResult<T> {
    row.try_get(name)
        .map_err(|error| corrupt(name, super::address::cause(&error)))
}

/// A column with a number that is never negative and fits the type.
pub(super) fn natural<T: TryFrom<i64>>(row: &Row, name: &'static str) -> PgResult<T> {
    let stored: i64 = column(row, name)?;
    T::try_from(stored).map_err(|_| corrupt(name, format!("{stored} is out of range")))
}

/// The same where there may be none.
pub(super) fn natural_if_any<T: TryFrom<i64>>(
    row: &Row,
    name: &'static str,
) -> PgResult<Option<T>> {
    let stored: Option<i64> = column(row, name)?;
    stored
        .map(|stored| {
            T::try_from(stored).map_err(|_| corrupt(name, format!("{stored} is out of range")))
        })
        .transpose()
}

/// A column of 32 bytes.
pub(super) fn hash(row: &Row, name: &'static str) -> PgResult<[u8; 32]> {
    let stored: &[u8] = column(row, name)?;
    stored
        .try_into()
        .map_err(|_| corrupt(name, format!("{} bytes where 32 are needed", stored.len())))
}

/// A column of JSON text.
pub(super) fn json(row: &Row, name: &'static str) -> PgResult<Value> {
    Ok(json_if_any(row, name)?.unwrap_or(Value::Null))
}

/// The same where there may be none.
pub(super) fn json_if_any(row: &Row, name: &'static str) -> PgResult<Option<Value>> {
    let stored: Option<&str> = column(row, name)?;
    stored.map(|text| parsed(name, text)).transpose()
}

/// JSON text into what it stands for.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(
    name: &'static str,
    text: &str,
) -> PgResult<T> {
    serde_json::from_str(text).map_err(|error| corrupt(name, error.to_string()))
}

pub(super) fn corrupt(what: &'static str, detail: impl Into<String>) -> PgError {
    PgError::Store(StoreError::Corrupt {
        operation: "reading a row",
        what,
        detail: detail.into(),
    })
}
