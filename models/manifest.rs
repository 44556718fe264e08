//! The models that Cleanplate knows by name: one folder each, with a `model.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::ModelError;
use crate::import::Weights;
use crate::lama::LamaConfig;
use crate::sam::SamConfig;

/// A network family: which code builds the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// LaMa generator.
    Lama,
    /// Segment Anything with the TinyViT encoder of MobileSAM.
    MobileSam,
    /// Segment Anything with its ViT encoder.
    SamVit,
    /// MobileSAM made smaller, by this project.
    SamSmall,
}

impl Arch {
    /// The families that [`crate::sam`] builds.
    pub const SAM: &[Arch] = &[Arch::MobileSam, Arch::SamVit, Arch::SamSmall];

    /// The name in `model.toml` files, records and listings.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Lama => "lama",
            Arch::MobileSam => "mobile-sam",
            Arch::SamVit => "sam-vit",
            Arch::SamSmall => "sam-small",
        }
    }

    /// The family whose names the tensors bear, `None` for none.
    pub fn identify(weights: &Weights) -> Option<Self> {
        let starts = |prefix: &str| weights.iter().any(|(name, _)| name.starts_with(prefix));
        if starts("generator.model.") {
            return Some(Arch::Lama);
        }
        let decodes = starts("prompt_encoder.") && starts("mask_decoder.");
        if decodes && starts("image_encoder.neck.2.0.") {
            return Some(Arch::SamSmall);
        }
        if decodes && starts("image_encoder.patch_embed.seq.") {
            return Some(Arch::MobileSam);
        }
        (decodes && starts("image_encoder.patch_embed.proj.")).then_some(Arch::SamVit)
    }
}

/// A model's `model.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name in commands and pipelines.
    pub name: String,
    /// Network family.
    pub arch: Arch,
    /// One sentence.
    pub summary: String,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// Who published them.
    pub origin: String,
    /// What the network wants to see.
    pub input: String,
    /// Sizes, for LaMa.
    pub config: Option<LamaConfig>,
    /// The pinned weight file; without one the model can only be imported.
    pub file: Option<PinnedFile>,
    /// How weights trained by this project were made.
    pub training: Option<Training>,
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

/// A row of [`MODELS`].
pub struct KnownModel {
    /// Folder name and model name.
    pub name: &'static str,
    /// Text of its `model.toml`.
    pub manifest: &'static str,
    /// Weights, where they are embedded.
    pub embedded: Option<&'static [u8]>,
}

impl KnownModel {
    /// The parsed `model.toml`.
    pub fn parse(&self) -> Result<Manifest, ModelError> {
        toml::from_str(self.manifest).map_err(|e| ModelError::Record {
            file: format!("models/{}/model.toml", self.name).into(),
            why: e.to_string(),
        })
    }
}

/// Every model known by name. Listing, pulling and checks on import follow from this slice.
pub static MODELS: &[KnownModel] = &[
    KnownModel {
        name: "lama-small",
        manifest: include_str!("lama-small/model.toml"),
        embedded: Some(include_bytes!("lama-small/lama-small.safetensors")),
    },
    KnownModel {
        name: "big-lama",
        manifest: include_str!("big-lama/model.toml"),
        embedded: None,
    },
    KnownModel {
        name: "lama-fourier",
        manifest: include_str!("lama-fourier/model.toml"),
        embedded: None,
    },
    KnownModel {
        name: "sam-small",
        manifest: include_str!("sam-small/model.toml"),
        embedded: Some(include_bytes!("sam-small/sam-small.safetensors")),
    },
    KnownModel {
        name: "mobile-sam",
        manifest: include_str!("mobile-sam/model.toml"),
        embedded: None,
    },
    KnownModel {
        name: "sam-vit-b",
        manifest: include_str!("sam-vit-b/model.toml"),
        embedded: None,
    },
];

/// The row of a name.
pub fn known(name: &str) -> Option<&'static KnownModel> {
    MODELS.iter().find(|model| model.name == name)
}

/// The sizes of a LaMa model known by name, for benchmarks with random weights.
pub fn lama_config(name: &str) -> Result<LamaConfig, ModelError> {
    let model = known(name).ok_or_else(|| ModelError::unknown(name))?;
    model.parse()?.config.ok_or_else(|| ModelError::Arch {
        name: name.to_string(),
        found: model.name.to_string(),
        wanted: Arch::Lama.name(),
    })
}

/// The sizes of a SAM model known by name: for benchmarks with random weights, and to refuse other weights under its name.
pub fn sam_config(name: &str) -> Result<SamConfig, ModelError> {
    match known(name).ok_or_else(|| ModelError::unknown(name))?.name {
        "mobile-sam" => Ok(SamConfig::mobile_sam()),
        "sam-vit-b" => Ok(SamConfig::vit_b()),
        "sam-small" => Ok(SamConfig::small()),
        other => Err(ModelError::Arch {
            name: name.to_string(),
            found: other.to_string(),
            wanted: "mobile-sam, sam-vit or sam-small",
        }),
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::import::{Bytes, Limits, read_bytes};
    use crate::lama::Lama;
    use crate::sam::Sam;

    #[test]
    fn every_manifest_parses_and_pins_its_file() {
        for model in MODELS {
            let manifest = model.parse().expect(model.name);
            assert_eq!(manifest.name, model.name);
            assert_eq!(
                manifest.config.is_some(),
                manifest.arch == Arch::Lama,
                "{}",
                model.name
            );
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
            assert_eq!(file.embedded.is_some(), model.embedded.is_some());
        }
    }

    #[test]
    fn embedded_weights_are_the_pinned_ones_and_fit_their_network() {
        for model in MODELS {
            let Some(bytes) = model.embedded else {
                continue;
            };
            let manifest = model.parse().expect(model.name);
            let file = manifest.file.expect("pinned");
            assert_eq!(bytes.len() as u64, file.bytes);
            assert_eq!(format!("{:x}", Sha256::digest(bytes)), file.sha256);
            assert!(
                bytes.len() <= 8 << 20,
                "the budget of embedded weights is 8 MiB"
            );
            let weights = read_bytes(Bytes::Static(bytes), &Limits::default()).expect("reads");
            assert_eq!(Arch::identify(&weights), Some(manifest.arch));
            match manifest.arch {
                Arch::Lama => assert_eq!(
                    Some(Lama::from_weights(&weights).expect("fits").config()),
                    manifest.config.as_ref()
                ),
                _ => assert_eq!(
                    Sam::from_weights(&weights).expect("fits").config(),
                    &sam_config(model.name).expect("known")
                ),
            }
        }
    }

    #[test]
    fn presets_are_the_manifests_sizes() {
        assert_eq!(
            lama_config("big-lama").expect("known"),
            LamaConfig::big_lama()
        );
        assert_eq!(
            lama_config("lama-fourier").expect("known"),
            LamaConfig::lama_fourier()
        );
        assert!(lama_config("mobile-sam").is_err() && sam_config("big-lama").is_err());
        for model in MODELS
            .iter()
            .filter(|model| model.parse().is_ok_and(|m| m.arch != Arch::Lama))
        {
            sam_config(model.name)
                .and_then(|config| config.validate())
                .expect(model.name);
        }
        assert!(
            lama_config("big-llama")
                .expect_err("unknown")
                .to_string()
                .contains("big-lama")
        );
    }
}
