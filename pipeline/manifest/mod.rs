//! `plugin.toml`: what a plugin is and which parameters it takes.

mod process_table;
mod wgsl_table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::PluginError;
use crate::parameter::{Kind, Parameter, Value, Values, refused};

pub use process_table::ProcessTable;
pub use wgsl_table::{Image, WgslTable};

/// Where in a pipeline a plugin stands. Stages run in this order; within a stage, plugins run as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// Prompts to mask.
    Segment,
    /// Mask to mask.
    Mask,
    /// Photo and mask to a fill per crop.
    Inpaint,
    /// Of several candidates' fills, the best for each region.
    Curate,
    /// Better detail for the fills, at full resolution.
    Refine,
    /// Last touch on the fills: grain, colour.
    Finish,
}

/// How a plugin is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// Code in this program.
    Builtin,
    /// A compute shader of the user.
    Wgsl,
    /// A program of the user.
    Process,
}

/// A parsed and validated `plugin.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name in pipelines: lower-case letters, digits, hyphens.
    pub name: String,
    /// Version of the plugin, `major.minor.patch`.
    pub version: String,
    /// Its place in a pipeline.
    pub stage: StageKind,
    /// How it is run.
    pub entry: Entry,
    /// One sentence.
    pub description: String,
    /// Parameters by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// How to start it, for `entry = "process"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessTable>,
    /// What its shader sees, for `entry = "wgsl"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wgsl: Option<WgslTable>,
}

impl Manifest {
    /// Parses and validates `text`; `file` names it in errors.
    pub fn parse(file: &str, text: &str) -> Result<Manifest, PluginError> {
        let fail = |detail: String| PluginError::File {
            file: file.to_string(),
            detail,
        };
        let manifest: Manifest =
            toml::from_str(text).map_err(|e| fail(e.to_string().trim_end().to_string()))?;
        manifest.validate().map_err(fail)?;
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), String> {
        if !is_name(&self.name, '-') {
            return Err(format!(
                "name {:?}: use 1 to 40 lower-case letters, digits and hyphens, starting with a letter",
                self.name
            ));
        }
        let numbers = self
            .version
            .split('.')
            .filter(|p| p.parse::<u32>().is_ok())
            .count();
        if numbers != 3 || self.version.split('.').count() != 3 {
            return Err(format!("version {:?}: use major.minor.patch", self.version));
        }
        for (name, parameter) in &self.parameters {
            if !is_name(name, '_') {
                return Err(format!(
                    "parameter {name:?}: use 1 to 40 lower-case letters, digits and underscores, starting with a letter"
                ));
            }
            check_parameter(name, parameter)?;
        }
        self.check_entry()
    }

    /// Each entry comes with its own table and no other.
    fn check_entry(&self) -> Result<(), String> {
        let wants = (self.entry == Entry::Process, self.entry == Entry::Wgsl);
        if wants != (self.process.is_some(), self.wgsl.is_some()) {
            return Err(
                "entry = \"process\" comes with a table [process], entry = \"wgsl\" with a table [wgsl], and neither with the other's"
                    .into(),
            );
        }
        if let Some(table) = &self.process {
            table.check(self.stage)?;
        }
        if let Some(table) = &self.wgsl {
            table.check(self)?;
        }
        Ok(())
    }

    /// Every parameter's default, as set by the manifest.
    pub fn defaults(&self) -> Values {
        Values(
            self.parameters
                .iter()
                .map(|(name, p)| (name.clone(), p.default.clone()))
                .collect(),
        )
    }

    /// The parameter `name`, or an error with the nearest one.
    pub(crate) fn parameter(&self, name: &str) -> Result<&Parameter, PluginError> {
        let known = self.parameters.keys().map(String::as_str);
        self.parameters
            .get(name)
            .ok_or_else(|| PluginError::unknown(format!("parameter of {}", self.name), name, known))
    }

    /// Sets one value of a pipeline file.
    pub(crate) fn set(
        &self,
        values: &mut Values,
        name: &str,
        value: &Value,
    ) -> Result<(), PluginError> {
        let parameter = self.parameter(name)?;
        if !parameter.accepts(value) {
            return Err(refused(&self.name, name, &value.to_string(), parameter));
        }
        values.0.insert(name.to_string(), value.clone());
        Ok(())
    }

    /// Sets one value given as text.
    pub(crate) fn set_text(
        &self,
        values: &mut Values,
        name: &str,
        text: &str,
    ) -> Result<(), PluginError> {
        let parameter = self.parameter(name)?;
        let read = parameter
            .read_text(text)
            .ok_or_else(|| refused(&self.name, name, text, parameter))?;
        values.0.insert(name.to_string(), read);
        Ok(())
    }
}

fn is_name(name: &str, joiner: char) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joiner;
    name.len() <= 40 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits)
}

fn check_parameter(name: &str, p: &Parameter) -> Result<(), String> {
    let numeric = matches!(p.kind, Kind::Integer | Kind::Number);
    match p.range {
        None if numeric => {
            return Err(format!(
                "parameter {name:?}: a number needs range = [low, high]"
            ));
        }
        Some(_) if !numeric => {
            return Err(format!("parameter {name:?}: only numbers have a range"));
        }
        Some([low, high]) if low.is_nan() || high.is_nan() || low > high => {
            return Err(format!(
                "parameter {name:?}: range {low} to {high} is empty"
            ));
        }
        _ => {}
    }
    if (p.kind == Kind::Choice) == p.choices.is_empty() {
        return Err(format!(
            "parameter {name:?}: choices belong to type \"choice\", and that needs some"
        ));
    }
    if p.doc.trim().is_empty() {
        return Err(format!("parameter {name:?}: doc is empty"));
    }
    if !p.accepts(&p.default) {
        return Err(format!(
            "parameter {name:?}: default {} does not fit, {}",
            p.default,
            p.expected()
        ));
    }
    Ok(())
}
