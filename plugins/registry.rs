//! The lists of plugins and of pipelines in this program.

use std::path::Path;

use cleanplate_pipeline::{PipelineSet, PluginError, PluginInfo, Plugins};

use crate::{
    chroma, curate, feather, fill_holes, grain, grow, lama, network, patchmatch, patchmatch_refine,
    sam, seam,
};

/// Every built-in plugin. Listing, validation and tests follow from this slice.
pub static PLUGINS: &[&PluginInfo] = &[
    &sam::INFO,
    &grow::INFO,
    &fill_holes::INFO,
    &feather::INFO,
    &network::INFO,
    &lama::INFO,
    &patchmatch::INFO,
    &chroma::INFO,
    &curate::INFO,
    &patchmatch_refine::INFO,
    &seam::INFO,
    &grain::INFO,
];

/// The pipelines in the program, `(file name, text)`.
pub const PIPELINES: &[(&str, &str)] = &[
    (
        "default.toml",
        include_str!("../config/pipelines/default.toml"),
    ),
    ("fast.toml", include_str!("../config/pipelines/fast.toml")),
    (
        "thorough.toml",
        include_str!("../config/pipelines/thorough.toml"),
    ),
    (
        "lama-small.toml",
        include_str!("../config/pipelines/lama-small.toml"),
    ),
    (
        "big-lama.toml",
        include_str!("../config/pipelines/big-lama.toml"),
    ),
    ("lama.toml", include_str!("../config/pipelines/lama.toml")),
    ("migan.toml", include_str!("../config/pipelines/migan.toml")),
    (
        "patchmatch.toml",
        include_str!("../config/pipelines/patchmatch.toml"),
    ),
    (
        "lama-refined.toml",
        include_str!("../config/pipelines/lama-refined.toml"),
    ),
];

/// The plugins of this program and those in the user's folders `dirs`.
pub fn plugins<P: AsRef<Path>>(dirs: &[P]) -> Result<Plugins, PluginError> {
    Plugins::load(PLUGINS, dirs)
}

/// The pipelines of this program and those in the user's folders `dirs`, made of `plugins`.
pub fn pipelines<P: AsRef<Path>>(
    plugins: &Plugins,
    dirs: &[P],
) -> Result<PipelineSet, PluginError> {
    PipelineSet::load(plugins, PIPELINES, dirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_pipeline::manifest::Manifest;

    #[test]
    fn every_embedded_manifest_is_valid_and_named_after_its_folder() {
        let mut names = std::collections::BTreeSet::new();
        for info in PLUGINS {
            let manifest = Manifest::parse("plugin.toml", info.text()).unwrap();
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(manifest.name.replace('-', "_"));
            assert_eq!(
                std::fs::read_to_string(folder.join("plugin.toml")).unwrap(),
                info.text()
            );
            assert!(info.build(&manifest.defaults()).is_ok());
            assert_eq!(
                manifest.defaults().iter().count(),
                manifest.parameters.len()
            );
            assert!(names.insert(manifest.name));
        }
    }
}
