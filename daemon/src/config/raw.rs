//! Settings as written, before they mean anything: layers of `section.option = value`, each with its origin.

use std::collections::BTreeMap;
use std::path::Path;

use cleanplate_basics::nearest;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// The annotated file in the repository: default and manual in one.
pub const DEFAULTS: &str = include_str!("../../../config/cleanplate.toml");

/// The one list of tables: watched folders.
const FOLDER_LIST: &str = "hot_folder";

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A string.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
}

impl Value {
    /// Name of the type, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Text(_) => "a string",
            Value::List(_) => "a list of strings",
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Bool(flag) => (*flag).into(),
            Value::Text(text) => text.clone().into(),
            Value::List(items) => items.clone().into(),
        }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// `file:line`, a variable or a flag.
    pub origin: String,
}

/// Settings by `section.option`.
pub type Settings = BTreeMap<String, Setting>;

/// Parses one file into settings. Unknown options are not judged here.
pub fn parse(text: &str, file: &str) -> Result<Settings, Vec<Problem>> {
    let root = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        vec![Problem::new(
            format!("{file}:{line}"),
            error.message().to_string(),
        )]
    })?;
    let (mut settings, mut problems) = (Settings::new(), Vec::new());
    for (section, body) in root.get_ref() {
        let line = line_of(text, section.span().start);
        let name = section.get_ref().as_ref();
        match body.get_ref() {
            DeValue::Table(table) => take(text, file, name, table, &mut settings, &mut problems),
            DeValue::Array(tables) if name == FOLDER_LIST => {
                for (at, table) in tables.iter().enumerate() {
                    match table.get_ref() {
                        DeValue::Table(table) => take(
                            text,
                            file,
                            &format!("{name}.{at}"),
                            table,
                            &mut settings,
                            &mut problems,
                        ),
                        _ => problems.push(Problem::new(
                            format!("{file}:{line}"),
                            format!("write each folder as a table [[{name}]]"),
                        )),
                    }
                }
            }
            _ => problems.push(Problem::new(
                format!("{file}:{line}"),
                format!("`{name}` stands outside of a section"),
            )),
        }
    }
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(problems)
    }
}

/// Takes the options of one table.
fn take(
    text: &str,
    file: &str,
    section: &str,
    table: &DeTable<'_>,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) {
    for (option, value) in table {
        let origin = format!("{file}:{}", line_of(text, option.span().start));
        let path = format!("{section}.{}", option.get_ref());
        match value_of(value.get_ref()) {
            Some(value) => drop(settings.insert(path, Setting { value, origin })),
            None => problems.push(Problem::new(
                origin,
                format!("`{path}` has a type that no option has"),
            )),
        }
    }
}

fn value_of(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(
            i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?,
        ),
        DeValue::Float(number) => Value::Float(number.as_str().replace('_', "").parse().ok()?),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_string))
                .collect::<Option<Vec<_>>>()?,
        ),
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

/// Puts `over` on `base`; options that `base` lacks are unknown and reported with the nearest known one.
pub fn overlay(base: &mut Settings, over: Settings, problems: &mut Vec<Problem>) {
    for (path, setting) in over {
        if let Some(slot) = base.get_mut(&path) {
            *slot = setting;
        } else if folder_option(base, &path) {
            base.insert(path, setting);
        } else {
            problems.push(Problem::new(
                setting.origin,
                format!("unknown option `{path}`{}", hint(base.keys(), &path)),
            ));
        }
    }
}

/// Whether this is an option of a watched folder: its own, or one that stands over `[hot_folders]`.
fn folder_option(known: &Settings, path: &str) -> bool {
    let mut parts = path.splitn(3, '.');
    let (Some(FOLDER_LIST), Some(_), Some(option)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    super::hot_folder::OWN.contains(&option) || known.contains_key(&format!("hot_folders.{option}"))
}

fn hint<'a>(known: impl IntoIterator<Item = &'a String>, name: &str) -> String {
    nearest(name, known.into_iter().map(String::as_str)).map_or_else(
        || "; `config/cleanplate.toml` lists all".to_string(),
        |key| format!("; did you mean `{key}`?"),
    )
}

/// Name of the variable that stands over an option: `server.listen` is `CLEANPLATE_SERVER_LISTEN`.
pub fn variable_of(path: &str) -> String {
    format!("CLEANPLATE_{}", path.replace('.', "_").to_uppercase())
}

/// Variables that are not options: read by the command line and by the dashboard.
const OTHER_VARIABLES: &[&str] = &[
    "CLEANPLATE_CONFIG",
    "CLEANPLATE_LOG",
    "CLEANPLATE_ADMIN_URL",
    "CLEANPLATE_ADMIN_TOKEN",
];

/// What the file of a `CLEANPLATE_..._FILE` variable says: lines are entries of a list, as commas are.
fn secret_in(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the file {path:?} cannot be read: {error}"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.collect::<Vec<_>>().join(","))
}

/// Settings from `CLEANPLATE_*` variables, typed by the default of the option they name. A variable that ends in `_FILE`
/// names a file with the value, as secret stores hand them out.
pub fn from_variables(
    defaults: &Settings,
    variables: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> Settings {
    let known: BTreeMap<String, &String> = defaults
        .keys()
        .map(|path| (variable_of(path), path))
        .collect();
    let mut settings = Settings::new();
    for (name, text) in variables.filter(|(name, _)| {
        name.starts_with("CLEANPLATE_") && !OTHER_VARIABLES.contains(&name.as_str())
    }) {
        let origin = format!("variable {name}");
        let named = name.strip_suffix("_FILE").unwrap_or(&name).to_string();
        let (name, text) = if known.contains_key(&name) || !known.contains_key(&named) {
            (name, text)
        } else {
            match secret_in(&text) {
                Ok(content) => (named, content),
                Err(problem) => {
                    problems.push(Problem::new(origin, problem));
                    continue;
                }
            }
        };
        let Some(path) = known.get(&name) else {
            let hint = hint(known.keys(), &name);
            problems.push(Problem::new(
                origin,
                format!("no option has this variable{hint}"),
            ));
            continue;
        };
        match typed_like(&defaults[*path].value, &text) {
            Some(value) => drop(settings.insert((*path).clone(), Setting { value, origin })),
            None if super::is_secret(path) => problems.push(Problem::new(
                origin,
                format!("`{path}` is {}", defaults[*path].value.kind()),
            )),
            None => problems.push(Problem::new(
                origin,
                format!("`{path}` is {}, got `{text}`", defaults[*path].value.kind()),
            )),
        }
    }
    settings
}

/// Reads a word as the type of `like`.
pub fn typed_like(like: &Value, text: &str) -> Option<Value> {
    Some(match like {
        Value::Integer(_) => Value::Integer(text.parse().ok()?),
        Value::Float(_) => Value::Float(text.parse().ok()?),
        Value::Bool(_) => Value::Bool(text.parse().ok()?),
        Value::Text(_) => Value::Text(text.to_string()),
        Value::List(_) => Value::List(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_string)
                .collect(),
        ),
    })
}

/// Reads and parses a file.
pub fn read(path: &Path) -> Result<Settings, Vec<Problem>> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        vec![Problem::new(
            file.clone(),
            format!("cannot be read: {error}"),
        )]
    })?;
    parse(&text, &file)
}
