//! Every plugin that a pipeline may name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{PluginRef, UserPlugin};
use crate::{PluginError, PluginInfo};

/// Largest text file read from a plugin's folder.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Most plugins taken from one folder.
const PLUGINS_MAX: usize = 100;

/// The built-in plugins and those of the user.
#[derive(Debug, Clone)]
pub struct Plugins {
    builtin: &'static [&'static PluginInfo],
    user: BTreeMap<String, Arc<UserPlugin>>,
}

impl Plugins {
    /// The `builtin` plugins and those in each folder: one subfolder with a `plugin.toml` each. A folder that does not exist is empty; any
    /// malformed plugin, or one with the name of another, is an error.
    pub fn load<P: AsRef<Path>>(
        builtin: &'static [&'static PluginInfo],
        dirs: &[P],
    ) -> Result<Plugins, PluginError> {
        let user = BTreeMap::new();
        let mut plugins = Plugins { builtin, user };
        for dir in dirs {
            for folder in folders(dir.as_ref())? {
                plugins.add(&folder)?;
            }
        }
        Ok(plugins)
    }

    /// Adds the plugin in `folder`.
    pub fn add(&mut self, folder: &Path) -> Result<(), PluginError> {
        let plugin = UserPlugin::load(folder)?;
        let name = plugin.manifest().name.clone();
        if self.list().any(|known| known.manifest().name == name) {
            let file = folder.join("plugin.toml").display().to_string();
            return Err(PluginError::File {
                file,
                detail: format!("there is already a plugin {name:?}; choose another name"),
            });
        }
        self.user.insert(name, Arc::new(plugin));
        Ok(())
    }

    /// All of them, built-in ones first.
    pub fn list(&self) -> impl Iterator<Item = PluginRef> {
        self.builtin
            .iter()
            .map(|info| PluginRef::Builtin(info))
            .chain(self.user.values().cloned().map(PluginRef::User))
    }

    /// The plugin that fills alpha for the fills of those which know colours only.
    pub fn planes(&self) -> Option<&'static PluginInfo> {
        self.builtin
            .iter()
            .copied()
            .find(|info| info.fills_planes())
    }

    /// The plugin `name`, or an error with the nearest one.
    pub fn get(&self, name: &str) -> Result<PluginRef, PluginError> {
        self.list()
            .find(|plugin| plugin.manifest().name == name)
            .ok_or_else(|| {
                let all: Vec<PluginRef> = self.list().collect();
                PluginError::unknown(
                    "plugin",
                    name,
                    all.iter().map(|plugin| plugin.manifest().name.as_str()),
                )
            })
    }
}

/// The subfolders of `dir` that hold a `plugin.toml`, by name.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, PluginError> {
    let fail = |detail: String| PluginError::File {
        file: dir.display().to_string(),
        detail,
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fail(e.to_string())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| fail(e.to_string()))?.path();
        if path.join("plugin.toml").is_file() {
            found.push(path);
        }
    }
    if found.len() > PLUGINS_MAX {
        return Err(fail(format!(
            "{} plugins, at most {PLUGINS_MAX} are read",
            found.len()
        )));
    }
    found.sort();
    Ok(found)
}

/// A text file of bounded size.
pub(crate) fn read_text(path: &Path) -> Result<String, PluginError> {
    let fail = |detail: String| PluginError::File {
        file: path.display().to_string(),
        detail,
    };
    let bytes = std::fs::metadata(path)
        .map_err(|e| fail(e.to_string()))?
        .len();
    if bytes > FILE_BYTES_MAX {
        return Err(fail(format!(
            "{bytes} bytes, at most {FILE_BYTES_MAX} are read"
        )));
    }
    std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))
}
