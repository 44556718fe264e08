//! Plugins that are not part of this program: folders of the user, run as programs or as shaders.

pub(crate) mod catalogue;
pub mod process;
mod sheet;
pub mod wgsl;

use std::path::Path;
use std::sync::Arc;

pub use catalogue::Plugins;
pub(crate) use sheet::{Sheet, for_each_crop};

use crate::Stage;
use crate::manifest::{Entry, Manifest};
use crate::parameter::Values;
use crate::{PluginError, PluginInfo};
use process::{ProcessStage, Program};
use wgsl::{Shader, WgslStage};

/// A plugin found in a folder of the user, checked.
#[derive(Debug)]
pub struct UserPlugin {
    manifest: Manifest,
    runs: Runs,
}

#[derive(Debug)]
enum Runs {
    Process(Arc<Program>),
    Wgsl(Arc<Shader>),
}

impl UserPlugin {
    /// Reads and checks the plugin in `folder`: manifest, program path or shader.
    pub fn load(folder: &Path) -> Result<UserPlugin, PluginError> {
        let file = folder.join("plugin.toml");
        let shown = file.display().to_string();
        let manifest = Manifest::parse(&shown, &catalogue::read_text(&file)?)?;
        let fail = |detail: &str| PluginError::File {
            file: shown.clone(),
            detail: detail.to_string(),
        };
        if folder
            .file_name()
            .is_some_and(|name| name != manifest.name.as_str())
        {
            return Err(fail(&format!(
                "the plugin is named {:?}; name its folder the same",
                manifest.name
            )));
        }
        let runs = match (manifest.entry, &manifest.process, &manifest.wgsl) {
            (Entry::Process, Some(table), _) => {
                Runs::Process(Arc::new(Program::new(&manifest.name, folder, table)?))
            }
            (Entry::Wgsl, _, Some(table)) => {
                Runs::Wgsl(Arc::new(Shader::load(&manifest, folder, table)?))
            }
            _ => {
                return Err(fail(
                    "entry = \"builtin\" is for plugins of the program itself; use \"process\" or \"wgsl\"",
                ));
            }
        };
        Ok(UserPlugin { manifest, runs })
    }

    /// The parsed manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn build(&self, values: &Values) -> Box<dyn Stage> {
        match &self.runs {
            Runs::Process(program) => Box::new(ProcessStage::new(
                program.clone(),
                self.manifest.stage,
                values.clone(),
            )),
            Runs::Wgsl(shader) => {
                let choices = |name: &str| {
                    self.manifest
                        .parameters
                        .get(name)
                        .map(|p| p.choices.clone())
                        .unwrap_or_default()
                };
                Box::new(WgslStage::new(
                    shader.clone(),
                    self.manifest.stage,
                    values,
                    choices,
                ))
            }
        }
    }
}

/// A plugin that a pipeline names.
#[derive(Debug, Clone)]
pub enum PluginRef {
    /// Part of this program.
    Builtin(&'static PluginInfo),
    /// A folder of the user.
    User(Arc<UserPlugin>),
}

impl PluginRef {
    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        match self {
            PluginRef::Builtin(info) => info.manifest(),
            PluginRef::User(plugin) => plugin.manifest(),
        }
    }

    /// A stage with `values`, ready to run.
    pub fn build(&self, values: &Values) -> Result<Box<dyn Stage>, PluginError> {
        match self {
            PluginRef::Builtin(info) => info.build(values),
            PluginRef::User(plugin) => Ok(plugin.build(values)),
        }
    }
}
