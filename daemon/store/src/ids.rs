//! Identifiers and paging, shared by every part of the store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Credits: whole, signed so that a correction may be negative.
pub type Credits = i64;

/// A point in wall-clock time: milliseconds since 1970-01-01 00:00 UTC.
pub type UnixMs = i64;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                match text.parse::<i64>() {
                    Ok(number) if number > 0 => Ok(Self(number)),
                    _ => Err(IdError { kind: stringify!($name) }),
                }
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier of 122 random bits: it cannot be guessed and may stand in a URL.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Accepts only the spelling that `Display` writes, so that one identifier has one URL.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { kind: stringify!($name) };
                let id = Uuid::try_parse(text).map(Self).map_err(|_| error)?;
                if id.to_string() == text { Ok(id) } else { Err(error) }
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
    };
}

number_id! {
    /// An account: the owner of credits. Positive.
    AccountId
}
number_id! {
    /// An API key of an account. Positive.
    KeyId
}
number_id! {
    /// One ledger entry. Positive, ascending in time over all accounts.
    EntryId
}
number_id! {
    /// One audit entry: an action of an administrator. Positive, ascending in time.
    AuditId
}
random_id! {
    /// A job. Text form: 36 characters, lower-case hexadecimal with hyphens.
    JobId
}
random_id! {
    /// A batch of jobs. Text form as of [`JobId`].
    BatchId
}

/// Text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}")]
pub struct IdError {
    /// Name of the type that was wanted.
    pub kind: &'static str,
}

/// Where the next page of a listing starts. Opaque to clients; text form is a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse()
            .map(Self)
            .map_err(|_| IdError { kind: "Cursor" })
    }
}

/// Most rows of one page; a larger wish is cut to it.
pub const PAGE_ROWS_MAX: u32 = 100;

/// Which part of a listing is wanted.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// `None` starts at the beginning.
    pub after: Option<Cursor>,
    /// Rows wanted, cut to 1 ..= [`PAGE_ROWS_MAX`].
    pub rows: u32,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            after: None,
            rows: PAGE_ROWS_MAX,
        }
    }
}

impl PageRequest {
    /// Rows wanted, within the limits.
    pub fn rows(&self) -> u32 {
        self.rows.clamp(1, PAGE_ROWS_MAX)
    }
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows, in the order that the listing documents.
    pub items: Vec<T>,
    /// Start of the next page; `None` when this was the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page of `rows` items out of up to `rows + 1` rows, each with its place in the order.
    pub(crate) fn of(rows: u32, mut found: Vec<(i64, T)>) -> Self {
        let more = found.len() > rows as usize;
        found.truncate(rows as usize);
        let last = found.last().filter(|_| more);
        Self {
            next: last.map(|(place, _)| Cursor(*place)),
            items: found.into_iter().map(|(_, item)| item).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_has_one_spelling() {
        let id = JobId::random();
        let text = id.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(text.parse::<JobId>(), Ok(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            String::new(),
        ] {
            assert!(
                other == text || other.parse::<JobId>().is_err(),
                "{other} was accepted"
            );
        }
    }

    #[test]
    fn numbers_must_be_positive() {
        assert_eq!("7".parse::<AccountId>(), Ok(AccountId(7)));
        for bad in ["0", "-1", "", "x", "99999999999999999999"] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad} was accepted");
        }
    }
}
