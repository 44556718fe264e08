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
    use cleanplate_pipeline::Pipeline;
    use cleanplate_pipeline::manifest::{Manifest, StageKind};

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
            assert!(names.insert(manifest.name));
        }
    }

    /// A stage's fields are the manifest's parameters, or building it fails: see [`PluginInfo::builtin`].
    #[test]
    fn every_plugin_takes_all_that_its_manifest_allows() {
        let all = Plugins::load::<&str>(PLUGINS, &[]).unwrap();
        let mut built = 0;
        for info in PLUGINS {
            let manifest = info.manifest();
            let with = |parameter: &str, value: &str| {
                let alone = format!("{}.{parameter}", manifest.name);
                let text = format!("name = \"x\"\ndescription = \"x\"\n{}", steps(manifest));
                let pipeline = Pipeline::parse(&all, "x.toml", &text).unwrap();
                let set = [(alone, value.to_string())];
                let pipeline = pipeline.with_overrides(&set).unwrap();
                let step = pipeline.steps.iter().find(|s| s.plugin == manifest.name);
                info.build(&step.unwrap().values)
                    .map(|_| ())
                    .unwrap_or_else(|e| panic!("{}.{parameter} = {value}: {e}", manifest.name));
            };
            info.build(&manifest.defaults()).map(|_| ()).unwrap();
            for (name, parameter) in &manifest.parameters {
                let numbers = parameter.range.iter().flatten().map(f64::to_string);
                let words = parameter.choices.iter().cloned();
                let auto = parameter.auto.then(|| "auto".to_string());
                for value in numbers.chain(words).chain(auto) {
                    with(name, &value);
                    built += 1;
                }
            }
        }
        assert!(built > 60, "only {built} values tried");
    }

    /// The shortest pipeline with this plugin.
    fn steps(manifest: &Manifest) -> String {
        let step = |name: &str| format!("[[step]]\nplugin = \"{name}\"\n");
        match manifest.stage {
            StageKind::Segment | StageKind::Mask => step(&manifest.name) + &step("lama"),
            StageKind::Inpaint => step(&manifest.name),
            _ => step("lama") + &step(&manifest.name),
        }
    }
}
