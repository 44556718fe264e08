//! Columns of tables.

use crate::config::Role;
use crate::text;

/// By what rows are ordered.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum SortKey {
    /// A number.
    Number(f64),
    /// A text; capitals do not count.
    Text(String),
}

impl SortKey {
    /// A text.
    pub fn text(text: &str) -> SortKey {
        SortKey::Text(text.to_lowercase())
    }

    /// A whole number.
    pub fn whole(number: i64) -> SortKey {
        SortKey::Number(number as f64)
    }
}

/// What a column shows of a row, and what it is ordered by.
enum Value<R> {
    /// A text, ordered as it reads.
    Text(fn(&R) -> String),
    /// A whole number.
    Whole(fn(&R) -> i64),
    /// A time, shown as date and time.
    Date(fn(&R) -> i64),
    /// A text at this time, and what it is ordered by.
    Both(fn(&R, i64) -> String, fn(&R) -> SortKey),
}

/// One column of rows of type `R`.
pub struct Column<R> {
    /// Its head.
    pub title: &'static str,
    /// Columns of text that it takes at least.
    pub width: u16,
    /// Share of the space that is left over; 0 = none.
    pub grow: u16,
    /// In a narrow terminal, columns with a higher number go first.
    pub drop: u8,
    /// Whether it is aligned to the right.
    pub right: bool,
    value: Value<R>,
    role: fn(&R) -> Role,
}

impl<R> Column<R> {
    const fn new(title: &'static str, width: u16, value: Value<R>) -> Column<R> {
        Column {
            title,
            width,
            grow: 0,
            drop: 0,
            right: false,
            value,
            role: |_| Role::Text,
        }
    }

    /// A text, ordered as it reads.
    pub const fn text(title: &'static str, width: u16, text: fn(&R) -> String) -> Column<R> {
        Column::new(title, width, Value::Text(text))
    }

    /// A whole number, to the right.
    pub const fn whole(title: &'static str, width: u16, number: fn(&R) -> i64) -> Column<R> {
        Column::new(title, width, Value::Whole(number)).right()
    }

    /// A time in milliseconds since 1970, shown as date and time.
    pub const fn date(title: &'static str, at_ms: fn(&R) -> i64) -> Column<R> {
        Column::new(title, 16, Value::Date(at_ms)).dim()
    }

    /// A text made at a time, and what it is ordered by.
    pub const fn shown(
        title: &'static str,
        width: u16,
        text: fn(&R, i64) -> String,
        key: fn(&R) -> SortKey,
    ) -> Column<R> {
        Column::new(title, width, Value::Both(text, key))
    }

    /// The same, aligned to the right.
    pub const fn right(mut self) -> Column<R> {
        self.right = true;
        self
    }

    /// The same with this share of the space that is left over.
    pub const fn grow(mut self, share: u16) -> Column<R> {
        self.grow = share;
        self
    }

    /// The same, left out the earlier in a narrow terminal the higher the number is.
    pub const fn drop(mut self, order: u8) -> Column<R> {
        self.drop = order;
        self
    }

    /// The same in the style of what matters less.
    pub const fn dim(self) -> Column<R> {
        self.role(|_| Role::Dim)
    }

    /// The same in a style that depends on the row.
    pub const fn role(mut self, role: fn(&R) -> Role) -> Column<R> {
        self.role = role;
        self
    }

    /// What it shows of a row, at this time.
    pub fn text_of(&self, row: &R, now_ms: i64) -> String {
        match self.value {
            Value::Text(text) => text(row),
            Value::Whole(number) => number(row).to_string(),
            Value::Date(at_ms) => text::date(at_ms(row)),
            Value::Both(text, _) => text(row, now_ms),
        }
    }

    /// What a row is ordered by.
    pub fn key_of(&self, row: &R) -> SortKey {
        match self.value {
            Value::Text(text) => SortKey::text(&text(row)),
            Value::Whole(number) | Value::Date(number) => SortKey::whole(number(row)),
            Value::Both(_, key) => key(row),
        }
    }

    /// Its style for a row.
    pub fn role_of(&self, row: &R) -> Role {
        (self.role)(row)
    }
}
