//! From a foreign weight file to a stored model.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::PoisonError;

use serde_json::Value;

use super::files::{self, Hashing, Pending};
use super::progress::{OnProgress, Phase, Report};
use super::record::{self, Record};
use super::{ModelInfo, ModelStore, check_fit, check_name};
use crate::arch::{ArchInfo, differences};
use crate::error::ModelError;
use crate::import::{WeightTensor, Weights, write_safetensors};
use crate::manifest::Manifest;
use crate::registry;
use crate::weights::{KnownModel, MODELS, known};

impl ModelStore {
    /// Reads, checks and stores `file` under `name`, noting where it came from.
    pub(super) fn import_from(
        &self,
        file: &Path,
        name: &str,
        origin: &str,
        progress: OnProgress<'_>,
    ) -> Result<ModelInfo, ModelError> {
        check_name(name)?;
        if self.embedded(name)?.is_some() {
            return Err(ModelError::Reserved {
                name: name.to_string(),
            });
        }
        let manifest = known(name).map(KnownModel::parse).transpose()?;
        let (source_sha256, source_bytes) = hash_source(file, progress)?;
        let weights = registry::read(file, &self.limits).map_err(|source| ModelError::Import {
            file: file.to_path_buf(),
            source,
        })?;
        let (arch, config) = check_fit(name, &weights)?;
        if let Some(manifest) = &manifest {
            check_identity(name, manifest, arch, &config)?;
        }
        let metadata = metadata(arch, &config, &source_sha256);
        let written = self.write(name, arch, &weights, &metadata, progress)?;
        let record = Record {
            name: name.to_string(),
            arch: arch.name.to_string(),
            origin: origin.to_string(),
            licence: manifest.map_or_else(|| "unknown".to_string(), |manifest| manifest.licence),
            source_sha256,
            source_bytes,
            sha256: written.sha256,
            bytes: written.bytes,
            imported: record::now(),
        };
        self.publish(name, written.file, &record)?;
        tracing::info!(
            model = name,
            origin,
            skipped = weights.skipped().len(),
            bytes = record.bytes,
            "model imported"
        );
        self.info(name)
    }

    /// Writes the network's tensors to a temporary file.
    fn write(
        &self,
        name: &str,
        arch: &ArchInfo,
        weights: &Weights,
        metadata: &BTreeMap<String, String>,
        progress: OnProgress<'_>,
    ) -> Result<Written, ModelError> {
        let path = self.weights_path(name);
        let fail = |source| ModelError::Store {
            during: "writing weights",
            path: path.clone(),
            source,
        };
        let tensors: Vec<(&str, &WeightTensor)> = weights
            .iter()
            .filter(|(name, _)| {
                arch.roots.iter().any(|root| name.starts_with(root))
                    && !arch.derived.iter().any(|end| name.ends_with(end))
            })
            .collect();
        let mut out = Hashing::new(BufWriter::with_capacity(
            1 << 20,
            Pending::create(&path).map_err(fail)?,
        ));
        let bytes = write_safetensors(&mut out, &tensors, metadata, &mut |done, total| {
            progress.report(Phase::Write, done, total)
        })
        .map_err(fail)?;
        out.flush().map_err(fail)?;
        let (buffer, sha256) = out.finish();
        let mut file = buffer.into_inner().map_err(|e| fail(e.into_error()))?;
        file.sync().map_err(fail)?;
        Ok(Written {
            file,
            sha256,
            bytes,
        })
    }

    /// Replaces weights and record. In between the model has no record and counts as absent: never weights beside a foreign record.
    fn publish(&self, name: &str, weights: Pending, record: &Record) -> Result<(), ModelError> {
        let path = self.record_path(name);
        let replace = || {
            let mut pending = Pending::create(&path)?;
            pending.write_all(record.to_toml().as_bytes())?;
            files::remove_if_present(&path)?;
            files::sync_folder(&self.folder)?;
            weights.commit()?;
            pending.commit()
        };
        replace().map_err(|source| ModelError::Store {
            during: "storing the model",
            path: path.clone(),
            source,
        })?;
        self.loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        Ok(())
    }
}

struct Written {
    file: Pending,
    sha256: String,
    bytes: u64,
}

fn hash_source(file: &Path, progress: OnProgress<'_>) -> Result<(String, u64), ModelError> {
    let mut hash = || {
        let source = File::open(file)?;
        let total = source.metadata()?.len();
        files::hash(source, |done| progress.report(Phase::Verify, done, total))
    };
    hash().map_err(|source| ModelError::Store {
        during: "reading the file to import",
        path: file.to_path_buf(),
        source,
    })
}

/// A name that stands for a network only takes weights of that network; others are told by what they are.
fn check_identity(
    name: &str,
    manifest: &Manifest,
    arch: &ArchInfo,
    config: &Value,
) -> Result<(), ModelError> {
    let want = manifest.sizes()?;
    if manifest.arch == arch && want == *config {
        return Ok(());
    }
    let same = |known: &&KnownModel| {
        let manifest = known.parse().ok();
        manifest.is_some_and(|m| m.arch == arch && m.sizes().is_ok_and(|sizes| sizes == *config))
    };
    let twin = MODELS.iter().find(same);
    let found = match twin {
        Some(twin) => format!("{} ({})", twin.name, arch.name),
        None if manifest.arch == arch => {
            format!("{}: {}", arch.name, differences(config, &want).join(", "))
        }
        None => format!("another network, {} with {config}", arch.name),
    };
    let own = match twin.filter(|twin| twin.embedded.is_none()) {
        Some(twin) => format!("`--as {}`", twin.name),
        None => "a name of its own (`--as NAME`)".to_string(),
    };
    Err(ModelError::Arch {
        name: name.to_string(),
        found,
        wanted: format!(
            "{} weights of that name's sizes; import it under {own}",
            manifest.arch.name
        ),
    })
}

fn metadata(arch: &ArchInfo, config: &Value, source_sha256: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("arch".to_string(), arch.name.to_string()),
        ("source_sha256".to_string(), source_sha256.to_string()),
        ("config".to_string(), config.to_string()),
    ])
}
