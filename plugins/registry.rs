//! The list of plugins.

use std::sync::OnceLock;

use crate::manifest::{Entry, Manifest, StageKind};
use crate::parameter::Values;
use crate::pipeline::Stage;
use crate::{
    PluginError, feather, fill_holes, grain, grow, lama, patchmatch, patchmatch_refine, sam, seam,
};

/// Every built-in plugin. Listing, validation and tests follow from this slice.
pub static PLUGINS: &[&PluginInfo] = &[
    &sam::INFO,
    &grow::INFO,
    &fill_holes::INFO,
    &feather::INFO,
    &lama::INFO,
    &patchmatch::INFO,
    &patchmatch_refine::INFO,
    &seam::INFO,
    &grain::INFO,
];

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
    pub(crate) const fn builtin(text: &'static str, build: Build) -> Self {
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

/// The plugin `name`, or an error with the nearest one.
pub fn plugin(name: &str) -> Result<&'static PluginInfo, PluginError> {
    let names = PLUGINS.iter().map(|p| p.manifest().name.as_str());
    PLUGINS
        .iter()
        .copied()
        .find(|p| p.manifest().name == name)
        .ok_or_else(|| PluginError::unknown("plugin", name, names))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_is_valid_and_named_after_its_folder() {
        let mut names = std::collections::BTreeSet::new();
        for info in PLUGINS {
            let manifest = Manifest::parse("plugin.toml", info.text).unwrap();
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(manifest.name.replace('-', "_"));
            assert_eq!(
                std::fs::read_to_string(folder.join("plugin.toml")).unwrap(),
                info.text
            );
            assert!(info.build(&manifest.defaults()).is_ok());
            assert_eq!(
                manifest.defaults().iter().count(),
                manifest.parameters.len()
            );
            assert!(names.insert(manifest.name));
        }
    }

    #[test]
    fn an_unknown_plugin_names_the_nearest() {
        assert!(
            plugin("fethaer")
                .unwrap_err()
                .to_string()
                .contains("did you mean \"feather\"")
        );
    }
}
