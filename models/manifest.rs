//! What a `model.toml` says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::arch::ArchInfo;
use crate::error::ModelError;
use crate::registry;

/// A model's `model.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name in commands and pipelines.
    pub name: String,
    /// Network family.
    #[serde(deserialize_with = "registry::deserialize")]
    pub arch: &'static ArchInfo,
    /// One sentence.
    pub summary: String,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// Who published them.
    pub origin: String,
    /// What the network wants to see.
    pub input: String,
    /// Place among the models that the name `auto` may mean, the smallest that is there first; `None` for those that have
    /// to be named.
    pub auto: Option<u32>,
    /// How a single click is answered, by a network that finds objects.
    pub click: Option<Click>,
    /// The network's sizes.
    pub config: Value,
    /// The pinned weight file; without one the model can only be imported.
    pub file: Option<PinnedFile>,
    /// How weights trained by this project were made.
    pub training: Option<Training>,
}

/// How a network answers a single click, which may mean a thing or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Click {
    /// Place among the networks that `auto` may mean for a single click, the smallest that is there first; `None` for those that
    /// have to be named.
    pub rank: Option<u32>,
    /// Of the masks whose predicted quality is this near to the best, the largest is taken. 0 for a network whose predictions tell wholes
    /// from parts.
    pub margin: f32,
}

/// A weight file with its exact size and hash.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedFile {
    /// Where to download it.
    pub url: Option<String>,
    /// Its name in the model's folder, when it is embedded in the program.
    pub embedded: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// Origin of weights that this project trained.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// What it was trained on.
    pub data: String,
    /// How.
    pub recipe: String,
    /// The command that made them.
    pub command: Option<String>,
    /// Day of the last training step, YYYY-MM-DD.
    pub date: Option<String>,
    /// Licence of every set of photos, by its name, as its publisher states it.
    #[serde(default)]
    pub sets: BTreeMap<String, String>,
    /// What was measured on held-out photos.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

impl Training {
    /// What it was trained on and on what terms these sets are offered: the data, then how many sets of each class, the first word
    /// of their licences.
    pub fn terms(&self) -> String {
        let mut classes = BTreeMap::<&str, usize>::new();
        for licence in self.sets.values() {
            let class = licence.split_whitespace().next().unwrap_or("unstated");
            *classes.entry(class).or_default() += 1;
        }
        let counts: Vec<String> = classes.iter().map(|(c, n)| format!("{n} {c}")).collect();
        format!("{} (sets by terms: {})", self.data, counts.join(", "))
    }
}

impl Manifest {
    /// The network's sizes, checked and in full.
    pub fn sizes(&self) -> Result<Value, ModelError> {
        (self.arch.config)(&self.config)
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::arch::Role;
    use crate::import::{Bytes, Limits};
    use crate::registry::{ARCHS, read_bytes};
    use crate::weights::MODELS;

    #[test]
    fn every_manifest_parses_and_pins_its_file() {
        for model in MODELS {
            let manifest = model.parse().expect(model.name);
            assert_eq!(manifest.name, model.name);
            let sizes = manifest.sizes().expect(model.name);
            assert_eq!((manifest.arch.config)(&sizes).expect("in full"), sizes);
            assert!(
                !manifest.licence.is_empty()
                    && !manifest.origin.is_empty()
                    && !manifest.input.is_empty()
            );
            let Some(file) = manifest.file else { continue };
            assert!(
                file.sha256.len() == 64
                    && file
                        .sha256
                        .bytes()
                        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            );
            assert!(file.url.is_none_or(|url| url.starts_with("https://")));
            assert_eq!(
                file.embedded.is_some() && cfg!(feature = "embedded-weights"),
                model.embedded.is_some()
            );
        }
    }

    #[test]
    fn every_folder_is_listed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
        let mut folders: Vec<String> = std::fs::read_dir(folder)
            .expect("folder")
            .map(|entry| entry.expect("entry"))
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let mut listed: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        folders.sort();
        listed.sort();
        assert_eq!(folders, listed);
    }

    #[test]
    fn auto_is_never_a_tie() {
        for role in ARCHS.iter().map(|arch| arch.role) {
            let manifests = MODELS.iter().map(|model| model.parse().expect(model.name));
            let mut ranks: Vec<u32> = manifests
                .filter(|manifest| manifest.arch.role == role)
                .filter_map(|manifest| manifest.auto)
                .collect();
            let all = ranks.len();
            ranks.sort();
            ranks.dedup();
            assert!(all > 0 && ranks.len() == all, "{role:?}: {ranks:?}");
        }
    }

    #[test]
    fn networks_that_find_objects_say_how_they_answer_clicks() {
        let manifests = MODELS.iter().map(|model| model.parse().expect(model.name));
        let mut ranks = Vec::new();
        for manifest in manifests {
            let finds = manifest.arch.role == Role::Segment;
            assert_eq!(manifest.click.is_some(), finds, "{}", manifest.name);
            let rank = manifest.click.and_then(|click| click.rank);
            assert_eq!(rank.is_some(), finds && manifest.auto.is_some());
            ranks.extend(rank);
        }
        let all = ranks.len();
        ranks.sort();
        ranks.dedup();
        assert!(all > 0 && ranks.len() == all, "{ranks:?}");
    }

    #[test]
    fn embedded_weights_are_the_pinned_ones_and_fit_their_network() {
        for model in MODELS {
            let Some(bytes) = model.embedded else {
                continue;
            };
            let manifest = model.parse().expect(model.name);
            let file = manifest.file.as_ref().expect("pinned");
            assert_eq!(bytes.len() as u64, file.bytes);
            assert_eq!(format!("{:x}", Sha256::digest(bytes)), file.sha256);
            let weights = read_bytes(Bytes::Static(bytes), &Limits::default()).expect("reads");
            assert_eq!(registry::identify(&weights), Some(manifest.arch));
            assert_eq!(
                (manifest.arch.check)(&weights).expect("fits"),
                manifest.sizes().expect("valid"),
                "{}",
                model.name
            );
            let network = (manifest.arch.load)(&weights).expect("fits");
            assert_eq!(network.role(), manifest.arch.role);
        }
    }

    #[test]
    fn unknown_architectures_and_sizes_are_refused_by_name() {
        let manifest = |arch: &str, config: &str| {
            let text = format!(
                "name = 'a'\narch = '{arch}'\nsummary = ''\nlicence = ''\norigin = ''\ninput = ''\n[config]\n{config}"
            );
            toml::from_str::<Manifest>(&text)
        };
        let message = manifest("stable-diffusion", "")
            .expect_err("unknown")
            .to_string();
        assert!(message.contains("known are lama"), "{message}");
        let lacking = manifest("lama", "ngf = 8").expect("parses");
        let message = lacking.sizes().expect_err("incomplete").to_string();
        assert!(message.contains("input_nc"), "{message}");
    }
}
