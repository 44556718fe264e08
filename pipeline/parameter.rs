//! Typed, ranged parameters of plugins.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::PluginError;

/// Type of a parameter, as written in `plugin.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A decimal number.
    Number,
    /// true or false.
    Boolean,
    /// One of a list.
    Choice,
    /// Free text, such as a model name.
    Text,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole or decimal number.
    Number(f64),
    /// true or false.
    Boolean(bool),
    /// Text, a choice, or the word `auto`.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Boolean(b) => write!(f, "{b}"),
            Value::Text(t) => f.write_str(t),
        }
    }
}

/// One `[parameters.NAME]` table of a manifest.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Unit of a number: `px`, `share`, ...; empty when it has none.
    #[serde(default)]
    pub unit: String,
    /// Smallest and largest value of a number, both allowed.
    #[serde(default)]
    pub range: Option<[f64; 2]>,
    /// Allowed words of a choice.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Whether the word `auto` is allowed beside the type's own values.
    #[serde(default)]
    pub auto: bool,
    /// Value when nothing is set.
    pub default: Value,
    /// What it does.
    pub doc: String,
}

impl Parameter {
    /// Type, range and unit in words.
    pub fn expected(&self) -> String {
        let range = self
            .range
            .map(|[a, b]| format!(" from {a} to {b}"))
            .unwrap_or_default();
        let unit = if self.unit.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.unit)
        };
        let auto = if self.auto { ", or \"auto\"" } else { "" };
        let what = match self.kind {
            Kind::Integer => "a whole number",
            Kind::Number => "a number",
            Kind::Boolean => "true or false",
            Kind::Text => "text of 1 to 100 characters",
            Kind::Choice => return format!("expected one of {}{auto}", self.choices.join(", ")),
        };
        format!("expected {what}{range}{unit}{auto}")
    }

    /// Reads a value given as text (`--set`, query parameter).
    pub fn read_text(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let value = match self.kind {
            _ if self.auto && text == "auto" => Value::Text(text.to_string()),
            Kind::Integer | Kind::Number => Value::Number(text.parse().ok()?),
            Kind::Boolean => Value::Boolean(text.parse().ok()?),
            Kind::Choice | Kind::Text => Value::Text(text.to_string()),
        };
        self.accepts(&value).then_some(value)
    }

    /// Whether `value` is of this type and in range.
    pub fn accepts(&self, value: &Value) -> bool {
        match (self.kind, value) {
            (_, Value::Text(t)) if self.auto && t == "auto" => true,
            (Kind::Integer, Value::Number(n)) => n.fract() == 0.0 && self.in_range(*n),
            (Kind::Number, Value::Number(n)) => n.is_finite() && self.in_range(*n),
            (Kind::Boolean, Value::Boolean(_)) => true,
            (Kind::Choice, Value::Text(t)) => self.choices.contains(t),
            (Kind::Text, Value::Text(t)) => !t.is_empty() && t.len() <= 100,
            _ => false,
        }
    }

    fn in_range(&self, n: f64) -> bool {
        self.range
            .is_none_or(|[low, high]| (low..=high).contains(&n))
    }
}

/// The checked values of one plugin in one pipeline: every declared parameter has one.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Values(pub(crate) BTreeMap<String, Value>);

impl Values {
    /// The network that the parameter `model` names, or [`AUTO`](crate::models::AUTO); `None` for a plugin without one.
    pub(crate) fn model(&self) -> Option<&str> {
        match self.0.get("model") {
            Some(Value::Text(name)) => Some(name),
            _ => None,
        }
    }
    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }
}

/// The error for a value that a parameter does not accept.
pub(crate) fn refused(plugin: &str, name: &str, value: &str, parameter: &Parameter) -> PluginError {
    PluginError::Parameter {
        plugin: plugin.to_string(),
        parameter: name.to_string(),
        value: value.to_string(),
        expected: parameter.expected(),
    }
}
