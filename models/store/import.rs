//! From a foreign weight file to a stored model.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::PoisonError;

use super::files::{self, Hashing, Pending};
use super::progress::{OnProgress, Phase, Report};
use super::record::{self, Record};
use super::{ModelInfo, ModelStore, check_fit, check_name, embedded};
use crate::error::ModelError;
use crate::import::{self, WeightTensor, Weights, under_root, write_safetensors};
use crate::lama::LamaConfig;
use crate::manifest::{Arch, KnownModel, Manifest, known, sam_config};
use crate::sam::SamConfig;

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
        if embedded(name)?.is_some() {
            return Err(ModelError::Reserved {
                name: name.to_string(),
            });
        }
        let manifest = known(name).map(KnownModel::parse).transpose()?;
        let (source_sha256, source_bytes) = hash_source(file, progress)?;
        let weights = import::read(file, &self.limits).map_err(|source| ModelError::Import {
            file: file.to_path_buf(),
            source,
        })?;
        let arch = check_fit(name, &weights)?;
        let config = match arch {
            Arch::Lama => Config::Lama(LamaConfig::infer(&weights)?),
            Arch::MobileSam | Arch::SamVit | Arch::SamSmall => {
                Config::Sam(SamConfig::infer(&weights)?)
            }
        };
        check_identity(name, manifest.as_ref(), arch, &config)?;
        let written = self.write(
            name,
            &weights,
            &metadata(arch, &config, &source_sha256)?,
            progress,
        )?;
        let record = Record {
            name: name.to_string(),
            arch: arch.name().to_string(),
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
            .filter(|(name, _)| under_root(name) && !DERIVED.iter().any(|end| name.ends_with(end)))
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

/// Tensors of published checkpoints that follow from the others, or count training steps.
const DERIVED: &[&str] = &[".num_batches_tracked", ".attention_bias_idxs", ".ab"];

/// A network's sizes, as its weights tell them.
enum Config {
    Lama(LamaConfig),
    Sam(SamConfig),
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

/// A name that stands for a published network only takes weights of that network.
fn check_identity(
    name: &str,
    manifest: Option<&Manifest>,
    arch: Arch,
    config: &Config,
) -> Result<(), ModelError> {
    let Some(manifest) = manifest else {
        return Ok(());
    };
    if manifest.arch != arch {
        return Err(ModelError::Arch {
            name: name.to_string(),
            found: arch.name().to_string(),
            wanted: manifest.arch.name(),
        });
    }
    let differ = |arch, want: &dyn std::fmt::Debug, got: &dyn std::fmt::Debug| {
        let why = format!(
            "the file holds {got:?}, {name} is {want:?}; import it under a name of its own (`--as NAME`)"
        );
        Err(ModelError::Config { arch, why })
    };
    match config {
        Config::Lama(got) => match &manifest.config {
            Some(want) if want != got => differ("lama", want, got),
            _ => Ok(()),
        },
        Config::Sam(got) => match sam_config(name) {
            Ok(want) if want != *got => differ("sam", &want, got),
            _ => Ok(()),
        },
    }
}

fn metadata(
    arch: Arch,
    config: &Config,
    source_sha256: &str,
) -> Result<BTreeMap<String, String>, ModelError> {
    let text = match config {
        Config::Lama(config) => serde_json::to_string(config),
        Config::Sam(config) => serde_json::to_string(config),
    };
    let text = text.map_err(|e| ModelError::Config {
        arch: arch.name(),
        why: e.to_string(),
    })?;
    Ok(BTreeMap::from([
        ("arch".to_string(), arch.name().to_string()),
        ("source_sha256".to_string(), source_sha256.to_string()),
        ("config".to_string(), text),
    ]))
}
