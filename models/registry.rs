//! The network families that Cleanplate runs. Reading, importing, loading, golden checks, benchmarks and pipelines ask this
//! list; nothing else names a family.

use std::path::Path;

use cleanplate_engine::Backend;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::arch::ArchInfo;
use crate::error::{ImportError, ModelError};
use crate::golden::{GoldenFile, GoldenLine};
use crate::import::{Bytes, Limits, Names, Reader, Weights, write_safetensors};
use crate::{lama, migan, sam};

/// Every network family. Adding one is its folder and a line here.
pub static ARCHS: &[&ArchInfo] = &[&lama::INFO, &migan::INFO, &sam::INFO];

/// What readers of weight files know of the families.
static NAMES: Names = Names {
    known: under_root,
    bare: |stored| ARCHS.iter().find_map(|arch| (arch.bare)(stored)),
};

/// Reads a weight file.
pub fn read(path: &Path, limits: &Limits) -> Result<Weights, ImportError> {
    Reader::new(limits, &NAMES).read(path)
}

/// Reads a weight file that is in memory already (embedded in the program, or unpacked from an outer archive).
pub fn read_bytes(bytes: Bytes, limits: &Limits) -> Result<Weights, ImportError> {
    Reader::new(limits, &NAMES).read_bytes(bytes)
}

/// The weights that the answers in a golden file are of, as a published file holds them (safetensors): for tests that import one.
pub fn published_weights(golden: &Path) -> Result<Vec<u8>, ModelError> {
    let answers = read_golden(golden)?;
    let file = GoldenFile::new(golden, &answers);
    let weights = file.published()?;
    let weights = weights.ok_or_else(|| file.fail("no `weights` in its metadata"))?;
    let (tensors, mut bytes) = (weights.iter().collect::<Vec<_>>(), Vec::new());
    write_safetensors(&mut bytes, &tensors, weights.metadata(), &mut |_, _| ())
        .map_err(|e| file.fail(e.to_string()))?;
    Ok(bytes)
}

fn read_golden(path: &Path) -> Result<Weights, ModelError> {
    read(path, &Limits::default()).map_err(|source| ModelError::Import {
        file: path.to_path_buf(),
        source,
    })
}

/// Runs every case of a golden file on `backend`, one line per expected tensor.
pub fn check_golden(path: &Path, backend: &dyn Backend) -> Result<Vec<GoldenLine>, ModelError> {
    let weights = read_golden(path)?;
    let file = GoldenFile::new(path, &weights);
    let name = file.arch()?;
    let arch = named(name).ok_or_else(|| file.fail(format!("this build has no {name} network")))?;
    (arch.golden)(&file, backend)
}

/// The family of this name or alias.
pub fn named(name: &str) -> Option<&'static ArchInfo> {
    ARCHS
        .iter()
        .copied()
        .find(|arch| arch.name == name || arch.aliases.contains(&name))
}

/// The family whose names the tensors bear.
pub fn identify(weights: &Weights) -> Option<&'static ArchInfo> {
    ARCHS.iter().copied().find(|arch| (arch.identify)(weights))
}

/// Names of all families, for errors.
pub fn names() -> String {
    let names: Vec<&str> = ARCHS.iter().map(|arch| arch.name).collect();
    names.join(", ")
}

/// Whether a published name belongs to a network that Cleanplate runs.
pub fn under_root(name: &str) -> bool {
    let mut roots = ARCHS.iter().flat_map(|arch| arch.roots);
    roots.any(|root| name.starts_with(root))
}

/// Reads a family by name, for manifests.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<&'static ArchInfo, D::Error> {
    let name = String::deserialize(from)?;
    named(&name)
        .ok_or_else(|| D::Error::custom(format!("no architecture {name:?}; known are {}", names())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_dropped_and_foreign_names_kept() {
        for stored in [
            "generator.model.1.ffc.convl2l.weight",
            "model.generator.model.1.ffc.convl2l.weight",
            "weights.generator.model.1.ffc.convl2l.weight",
            "state_dict.generator.model.1.ffc.convl2l.weight",
            "module.model.generator.model.1.ffc.convl2l.weight",
            "model.1.ffc.convl2l.weight",
            "state_dict.model.1.ffc.convl2l.weight",
        ] {
            assert_eq!(
                NAMES.published(stored),
                "generator.model.1.ffc.convl2l.weight",
                "{stored}"
            );
        }
        assert_eq!(
            NAMES.published("model.image_encoder.pos_embed"),
            "image_encoder.pos_embed"
        );
        for foreign in [
            "loss_resnet_pl.impl.conv1.weight",
            "state_dict.discriminator.model0.0.weight",
            "case0.image",
            "model.x.y",
            "",
            "model.",
        ] {
            assert_eq!(NAMES.published(foreign), foreign);
            assert!(!NAMES.knows(foreign));
        }
    }
}
