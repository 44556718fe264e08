//! Takes typed, ranged values out of raw settings and remembers which ones were asked for.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Problem;
use super::raw::{Settings, Value};

/// Reads options one by one and collects every problem instead of stopping at the first.
pub struct Reader<'a> {
    settings: &'a Settings,
    asked: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// A reader of these settings.
    pub fn new(settings: &'a Settings) -> Self {
        Reader {
            settings,
            asked: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    fn get(&mut self, path: &str) -> Option<(&'a Value, &'a str)> {
        self.asked.insert(path.to_string());
        match self.settings.get(path) {
            Some(setting) => Some((&setting.value, setting.origin.as_str())),
            None => {
                self.problems.push(Problem::new(
                    "defaults".to_string(),
                    format!("`{path}` is missing from config/cleanplate.toml"),
                ));
                None
            }
        }
    }

    fn wrong(&mut self, origin: &str, path: &str, wants: &str, got: &Value) {
        let shown = match got {
            _ if super::is_secret(path) => "something else (not shown)".to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(items) => format!("{items:?}"),
        };
        self.problems.push(Problem::new(
            origin.to_string(),
            format!("`{path}` must be {wants}, got {shown}"),
        ));
    }

    /// A whole number in a range.
    pub fn whole(&mut self, path: &str, range: RangeInclusive<i64>) -> i64 {
        let Some((value, origin)) = self.get(path) else {
            return *range.start();
        };
        match value {
            Value::Integer(number) if range.contains(number) => *number,
            other => {
                self.wrong(
                    origin,
                    path,
                    &format!("a whole number from {} to {}", range.start(), range.end()),
                    other,
                );
                *range.start()
            }
        }
    }

    /// A whole number in a range, or else a string that is not empty.
    pub fn number_or_text(
        &mut self,
        path: &str,
        range: RangeInclusive<i64>,
    ) -> Option<(Option<i64>, String)> {
        let (value, origin) = self.get(path)?;
        match value {
            Value::Integer(number) if range.contains(number) => {
                Some((Some(*number), String::new()))
            }
            Value::Text(text) if !text.is_empty() => Some((None, text.clone())),
            other => {
                self.wrong(
                    origin,
                    path,
                    &format!(
                        "a whole number from {} to {}, or a name",
                        range.start(),
                        range.end()
                    ),
                    other,
                );
                None
            }
        }
    }

    /// A switch.
    pub fn flag(&mut self, path: &str) -> bool {
        let Some((value, origin)) = self.get(path) else {
            return false;
        };
        match value {
            Value::Bool(flag) => *flag,
            other => {
                self.wrong(origin, path, "true or false", other);
                false
            }
        }
    }

    /// A string.
    pub fn text(&mut self, path: &str) -> String {
        let Some((value, origin)) = self.get(path) else {
            return String::new();
        };
        match value {
            Value::Text(text) => text.clone(),
            other => {
                self.wrong(origin, path, "a string", other);
                String::new()
            }
        }
    }

    /// A list of strings.
    pub fn list(&mut self, path: &str) -> Vec<String> {
        let Some((value, origin)) = self.get(path) else {
            return Vec::new();
        };
        match value {
            Value::List(items) => items.clone(),
            other => {
                self.wrong(origin, path, "a list of strings", other);
                Vec::new()
            }
        }
    }

    /// A string that a function turns into something better; its error says what is wanted.
    pub fn parsed<T>(
        &mut self,
        path: &str,
        fallback: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let text = self.text(path);
        match parse(&text) {
            Ok(value) => value,
            Err(wants) => {
                if let Some(setting) = self.settings.get(path)
                    && matches!(setting.value, Value::Text(_))
                {
                    self.wrong(&setting.origin, path, &wants, &setting.value);
                }
                fallback
            }
        }
    }

    /// Whether the option is set.
    pub fn has(&self, path: &str) -> bool {
        self.settings.contains_key(path)
    }

    /// Number of tables in a list of tables.
    pub fn entries(&self, list: &str) -> usize {
        let prefix = format!("{list}.");
        let numbers = self.settings.keys().filter_map(|path| {
            path.strip_prefix(&prefix)?
                .split('.')
                .next()?
                .parse::<usize>()
                .ok()
        });
        numbers.max().map_or(0, |last| last + 1)
    }

    /// The first option set below `prefix`, to point at a table as a whole.
    pub fn first_of(&self, prefix: &str) -> String {
        self.settings
            .keys()
            .find(|path| path.starts_with(prefix))
            .cloned()
            .unwrap_or_default()
    }

    /// Reports a problem that concerns several options.
    pub fn problem(&mut self, path: &str, message: String) {
        let origin = self
            .settings
            .get(path)
            .map_or_else(|| "defaults".to_string(), |setting| setting.origin.clone());
        self.problems.push(Problem::new(origin, message));
    }

    /// Options that were asked for, and the problems found.
    pub fn finish(self) -> (BTreeSet<String>, Vec<Problem>) {
        (self.asked, self.problems)
    }
}
