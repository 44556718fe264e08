//! Configuration: parsed raw in layers (defaults, file, variables, flags), then validated into typed structs.

mod admin;
mod engine;
mod files;
mod finish;
mod hot_folder;
mod options;
mod outgoing;
mod places;
mod raw;
mod reader;
mod role;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use admin::{Admin, Token};
pub use engine::{Adapters, Engine};
pub use files::{BucketOptions, Files, FilesPlace};
pub use hot_folder::{HotFolder, Payer, Rules, misplaced};
pub use options::{Config, Limits, LogFormat, Logging, Pipelines, Pricing, RateLimits, UploadTime};
pub use outgoing::{Fetch, Webhooks};
pub use places::{Origins, PublicUrl, is_path_prefix};
pub use role::Role;
pub use store::Database;

use raw::{Setting, Settings, Value};

/// One thing that is wrong, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `file:line`, a variable or a flag.
    pub origin: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem.
    pub fn new(origin: String, message: String) -> Self {
        Problem { origin, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// Every problem of a configuration.
#[derive(Debug, Clone, thiserror::Error)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A setting from the command line: flag, option path, text.
pub type Flag = (&'static str, &'static str, String);

/// Where a configuration came from, to read it again.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file over the defaults.
    pub file: Option<PathBuf>,
    flags: Vec<Flag>,
    defaults: Arc<Settings>,
    effective: Arc<Settings>,
}

impl Source {
    /// Reads all layers once more.
    pub fn load(&self) -> Result<Config, ConfigError> {
        load(self.file.as_deref(), std::env::vars(), &self.flags)
    }

    /// Options whose values differ, or that only one has.
    pub fn changed(&self, other: &Source) -> Vec<String> {
        let value = |source: &Source, path: &str| {
            let setting = source.effective.get(path);
            setting.map(|setting| setting.value.clone())
        };
        let all: BTreeSet<&String> = self
            .effective
            .keys()
            .chain(other.effective.keys())
            .collect();
        all.into_iter()
            .filter(|path| value(self, path) != value(other, path))
            .cloned()
            .collect()
    }

    /// Where an option was written.
    pub fn origin(&self, path: &str) -> String {
        let setting = self.effective.get(path);
        setting.map_or_else(|| "defaults".to_string(), |setting| setting.origin.clone())
    }

    /// Every option in effect, by path.
    pub fn options(&self) -> impl Iterator<Item = Shown> {
        self.effective.iter().map(|(path, setting)| {
            let secret = is_secret(path);
            let default = self
                .defaults
                .get(path)
                .is_some_and(|default| default.value == setting.value);
            let value = if secret {
                serde_json::Value::Null
            } else {
                setting.value.to_json()
            };
            Shown {
                path: path.clone(),
                value,
                origin: setting.origin.clone(),
                default,
                secret,
            }
        })
    }
}

/// An option as an administrator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// `section.option`.
    pub path: String,
    /// Its value; null when it is a secret.
    pub value: serde_json::Value,
    /// Where it was written.
    pub origin: String,
    /// Whether it is the default.
    pub default: bool,
    /// Whether it is a secret.
    pub secret: bool,
}

/// Whether an option's value must not be shown. By name, so that a new option cannot be forgotten.
fn is_secret(path: &str) -> bool {
    // It may have a password inside.
    if path == "store.url" {
        return true;
    }
    let name = path.rsplit('.').next().unwrap_or(path);
    [
        "token",
        "tokens",
        "secret",
        "secrets",
        "password",
        "passwords",
    ]
    .iter()
    .any(|end| name == *end || name.ends_with(&format!("_{end}")))
}

/// Reads all layers and validates the outcome. Reports every problem, not only the first.
pub fn load(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
    flags: &[Flag],
) -> Result<Config, ConfigError> {
    let defaults = raw::parse(raw::DEFAULTS, "config/cleanplate.toml").map_err(ConfigError)?;
    let (mut settings, mut problems) = (defaults.clone(), Vec::new());
    if let Some(path) = file {
        match raw::read(path) {
            Ok(over) => raw::overlay(&mut settings, over, &mut problems),
            Err(found) => problems.extend(found),
        }
    }
    let over = raw::from_variables(&defaults, variables, &mut problems);
    raw::overlay(&mut settings, over, &mut problems);
    raw::overlay(
        &mut settings,
        from_flags(&defaults, flags, &mut problems),
        &mut problems,
    );
    let mut reader = reader::Reader::new(&settings);
    let mut config = options::read(&mut reader);
    let effective = Arc::new(settings.clone());
    config.source = Source {
        file: file.map(Path::to_path_buf),
        flags: flags.to_vec(),
        defaults: Arc::new(defaults),
        effective,
    };
    problems.extend(reader.finish().1);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError(problems))
    }
}

fn from_flags(defaults: &Settings, flags: &[Flag], problems: &mut Vec<Problem>) -> Settings {
    let mut settings = Settings::new();
    for (flag, path, text) in flags {
        let like = defaults
            .get(*path)
            .map_or(Value::Text(String::new()), |setting| setting.value.clone());
        match raw::typed_like(&like, text) {
            Some(value) => drop(settings.insert(
                (*path).to_string(),
                Setting {
                    value,
                    origin: format!("flag {flag}"),
                },
            )),
            None => problems.push(Problem::new(
                format!("flag {flag}"),
                format!("`{path}` is {}, got `{text}`", like.kind()),
            )),
        }
    }
    settings
}
