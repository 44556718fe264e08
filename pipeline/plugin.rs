//! A plugin of this program: its manifest and how to make a stage of it.

use std::sync::OnceLock;

use crate::manifest::{Entry, Manifest, StageKind};
use crate::parameter::Values;
use crate::{PluginError, Stage};

/// Makes a stage from checked values.
type Build = fn(&Values) -> Result<Box<dyn Stage>, PluginError>;

/// A plugin: its manifest and how to make a stage of it.
pub struct PluginInfo {
    text: &'static str,
    parsed: OnceLock<Manifest>,
    build: Build,
}

impl PluginInfo {
    /// A plugin in this program, from the text of its `plugin.toml`.
    pub const fn builtin(text: &'static str, build: Build) -> Self {
        PluginInfo {
            text,
            parsed: OnceLock::new(),
            build,
        }
    }

    /// The parsed manifest.
    pub fn manifest(&self) -> &Manifest {
        // Embedded manifests are proved valid by a test; a damaged one shows as a plugin without parameters, never as a panic.
        self.parsed.get_or_init(|| {
            Manifest::parse("plugin.toml", self.text).unwrap_or_else(|e| broken(&e))
        })
    }

    /// The text of its `plugin.toml`.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// A stage with `values`.
    pub fn build(&self, values: &Values) -> Result<Box<dyn Stage>, PluginError> {
        (self.build)(values)
    }
}

impl std::fmt::Debug for PluginInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginInfo")
            .field("name", &self.manifest().name)
            .finish_non_exhaustive()
    }
}

fn broken(error: &PluginError) -> Manifest {
    let description = error.to_string();
    let (name, version) = ("broken-manifest".to_string(), "0.0.0".to_string());
    Manifest {
        name,
        version,
        stage: StageKind::Mask,
        entry: Entry::Builtin,
        description,
        parameters: Default::default(),
        process: None,
        wgsl: None,
    }
}
