//! The `.toml` record beside every imported model.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::error::ModelError;

/// What is known about an imported model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Model name.
    pub name: String,
    /// Network family.
    pub arch: String,
    /// URL or file name it came from.
    pub origin: String,
    /// Licence of the weights, `unknown` for private ones.
    pub licence: String,
    /// SHA-256 of the file it came from.
    pub source_sha256: String,
    /// Size of that file in bytes.
    pub source_bytes: u64,
    /// SHA-256 of the stored file.
    pub sha256: String,
    /// Size of the stored file in bytes.
    pub bytes: u64,
    /// When it was imported, RFC 3339, UTC.
    pub imported: String,
}

/// Records are a few hundred bytes; anything larger was not written here.
const RECORD_BYTES_MAX: u64 = 16 << 10;

impl Record {
    /// Reads a record; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, ModelError> {
        let fail = |why: String| ModelError::Record {
            file: path.to_path_buf(),
            why,
        };
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(e.to_string())),
        };
        let mut text = String::new();
        file.take(RECORD_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|e| fail(e.to_string()))?;
        toml::from_str(&text)
            .map(Some)
            .map_err(|e| fail(e.to_string()))
    }

    /// The record as TOML.
    pub fn to_toml(&self) -> String {
        let text = |key: &str, value: &str| format!("{key} = {}\n", quoted(value));
        [
            text("name", &self.name),
            text("arch", &self.arch),
            text("origin", &self.origin),
            text("licence", &self.licence),
            text("source_sha256", &self.source_sha256),
            format!("source_bytes = {}\n", self.source_bytes),
            text("sha256", &self.sha256),
            format!("bytes = {}\n", self.bytes),
            text("imported", &self.imported),
        ]
        .concat()
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// Now, as RFC 3339 in UTC.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    rfc3339(since.map_or(0, |since| since.as_secs() as i64))
}

/// Seconds since 1970 as a date and time in UTC, RFC 3339 for years of four digits (days to civil date after Howard Hinnant).
pub fn rfc3339(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (unix_s, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(unix_s), want);
        }
    }

    #[test]
    fn records_survive_any_text() {
        let record = Record {
            name: "a".into(),
            arch: "lama".into(),
            origin: "C:\\\"quoted\"\n\u{7f}\u{1}é.ckpt".into(),
            licence: "unknown".into(),
            source_sha256: "0".repeat(64),
            source_bytes: 1,
            sha256: "1".repeat(64),
            bytes: u64::from(u32::MAX) + 1,
            imported: now(),
        };
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("a.toml");
        fs::write(&path, record.to_toml()).expect("write");
        assert_eq!(Record::read(&path).expect("parses"), Some(record));
        assert_eq!(
            Record::read(&dir.path().join("b.toml")).expect("absent"),
            None
        );
        fs::write(&path, "name = 1").expect("write");
        assert!(Record::read(&path).is_err());
    }
}
