//! A plugin of this program: its manifest and how to make a stage of it.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;

use crate::manifest::{Entry, Manifest, StageKind};
use crate::parameter::Values;
use crate::typed::typed;
use crate::{PluginError, Stage};

/// Makes a stage of checked values of the manifest's parameters.
type Build = fn(&Manifest, &Values) -> Result<Box<dyn Stage>, PluginError>;

/// A plugin: its manifest and how to make a stage of it.
pub struct PluginInfo {
    text: &'static str,
    parsed: OnceLock<Manifest>,
    build: Build,
    planes: Option<Build>,
}

impl PluginInfo {
    /// A plugin in this program, from the text of its `plugin.toml`. The fields of `S` are exactly the parameters in there;
    /// one that may be `auto` is an `Option`. Defaults stand in the manifest alone.
    pub const fn builtin<S: Stage + DeserializeOwned + 'static>(text: &'static str) -> Self {
        PluginInfo {
            text,
            parsed: OnceLock::new(),
            build: |manifest, values| Ok(Box::new(typed::<S>(manifest, values)?)),
            planes: None,
        }
    }

    /// The plugin, whose fills serve for alpha alone too: `S`, of the same parameters, fills a gray photo in which black and white
    /// are to stay so.
    pub const fn filling_planes<S: Stage + DeserializeOwned + 'static>(mut self) -> Self {
        self.planes = Some(|manifest, values| Ok(Box::new(typed::<S>(manifest, values)?)));
        self
    }

    /// Whether it fills alpha alone.
    pub fn fills_planes(&self) -> bool {
        self.planes.is_some()
    }

    /// The stage that fills alpha alone, with the manifest's values; `None` if the plugin has none.
    pub fn build_plane(&self) -> Option<Result<Box<dyn Stage>, PluginError>> {
        let manifest = self.manifest();
        self.planes
            .map(|build| build(manifest, &manifest.defaults()))
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
        (self.build)(self.manifest(), values)
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
