//! The models of one data folder: embedded ones, imported ones, and those that could be pulled.
//!
//! Folder `models/` of the data folder: `NAME.safetensors` with the weights under published names, `NAME.toml` with
//! their [`Record`]. A model is present when both are there; both appear by rename, the record last.

mod download;
mod files;
mod import;
mod memory;
mod progress;
mod record;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;
use serde_json::Value;

use crate::arch::{ArchInfo, Network};
use crate::error::ModelError;
use crate::import::{Bytes, Limits, Weights};
use crate::manifest::{Manifest, PinnedFile, Training};
use crate::registry::{self, read_bytes};
use crate::weights::{KnownModel, MODELS, known, unknown};
use download::Download;

pub use progress::{OnProgress, Phase, Progress};
pub use record::{Record, rfc3339};

/// Held while a file is downloaded: two downloads at once would write into one another.
const DOWNLOAD_LOCK: &str = ".download-lock";

/// A model as listings, `/v1/models` and job records show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// Name in commands and pipelines.
    pub name: String,
    /// Network family.
    pub arch: String,
    /// SHA-256 of the published file, or of the file it was imported from.
    pub sha256: String,
    /// Size of that file in bytes.
    pub bytes: u64,
    /// Publisher, URL or file name.
    pub origin: String,
    /// Licence of the weights.
    pub licence: String,
    /// What this project trained them on, and on what terms those sets are offered: a licence of the weights says nothing of these.
    pub trained_on: Option<String>,
    /// Whether the weights are inside the program.
    pub embedded: bool,
    /// Whether the weights are there.
    pub present: bool,
}

/// The models of one data folder. Networks are loaded on first use and shared.
#[derive(Debug)]
pub struct ModelStore {
    folder: PathBuf,
    limits: Limits,
    /// Whether the weights inside the program count: not where a test stands for a program that has none.
    use_embedded: bool,
    /// Held while a network loads: two requests for one model load it once.
    loaded: Mutex<HashMap<String, Network>>,
}

impl ModelStore {
    /// Opens (and creates) the folder `models` inside the data folder `dir`.
    pub fn open(dir: &Path) -> Result<Self, ModelError> {
        let folder = dir.join("models");
        let fail = |source| ModelError::Store {
            during: "opening the model folder",
            path: folder.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(fail)?;
        files::sweep(&folder).map_err(fail)?;
        Ok(ModelStore {
            folder,
            limits: Limits::default(),
            use_embedded: true,
            loaded: Mutex::default(),
        })
    }

    /// Models known by name first, then imported ones; each with whether it is there.
    pub fn list(&self) -> Result<Vec<ModelInfo>, ModelError> {
        let mut names: Vec<String> = MODELS.iter().map(|model| model.name.to_string()).collect();
        let mut imported: Vec<String> = self
            .recorded()?
            .into_iter()
            .filter(|name| known(name).is_none())
            .collect();
        imported.sort();
        names.append(&mut imported);
        let infos = names
            .iter()
            .map(|name| self.describe(name))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(infos.into_iter().flatten().collect())
    }

    /// One model; an unknown name is an error.
    pub fn info(&self, name: &str) -> Result<ModelInfo, ModelError> {
        self.describe(name)?.ok_or_else(|| absent(name))
    }

    /// What to do about a model that is not there.
    pub fn absent(&self, name: &str) -> ModelError {
        absent(name)
    }

    /// Imports a weight file of any accepted format under `name` and stores it as safetensors.
    pub fn import(
        &self,
        file: &Path,
        name: &str,
        progress: OnProgress<'_>,
    ) -> Result<ModelInfo, ModelError> {
        let origin = file
            .file_name()
            .unwrap_or(file.as_os_str())
            .to_string_lossy()
            .into_owned();
        self.import_from(file, name, &origin, progress)
    }

    /// Checks a model's stored bytes against their recorded hash, and that they fit their network.
    pub fn verify(&self, name: &str) -> Result<ModelInfo, ModelError> {
        let info = self.info(name)?;
        let weights = self.weights(name)?;
        check_fit(name, &weights)?;
        Ok(info)
    }

    /// Downloads a published model, verifies it against its pinned hash and imports it. Goes on after an interruption.
    /// A model that is there already is left as it is.
    pub fn pull(&self, name: &str, progress: OnProgress<'_>) -> Result<ModelInfo, ModelError> {
        let manifest = known(name).ok_or_else(|| unknown(name))?.parse()?;
        let url = manifest.file.as_ref().and_then(|file| file.url.clone());
        match url {
            Some(url) => self.pull_from(name, &url, progress),
            None if self.info(name).is_ok_and(|info| info.present) => self.info(name),
            None => Err(ModelError::NotPublished {
                name: name.to_string(),
            }),
        }
    }

    /// [`ModelStore::pull`] from another address (a mirror); the pinned size and hash still hold.
    pub fn pull_from(
        &self,
        name: &str,
        url: &str,
        progress: OnProgress<'_>,
    ) -> Result<ModelInfo, ModelError> {
        let manifest = known(name).ok_or_else(|| unknown(name))?.parse()?;
        let Some(file) = manifest.file.filter(|file| file.embedded.is_none()) else {
            return Err(ModelError::NotPublished {
                name: name.to_string(),
            });
        };
        if let Some(record) = self.record(name)?
            && record.source_sha256 == file.sha256
            && self.weights_path(name).exists()
        {
            return self.info(name);
        }
        self.fetch_and_import(
            name,
            &Download {
                url,
                bytes: file.bytes,
                sha256: &file.sha256,
            },
            progress,
        )
    }

    fn fetch_and_import(
        &self,
        name: &str,
        download: &Download<'_>,
        progress: OnProgress<'_>,
    ) -> Result<ModelInfo, ModelError> {
        check_name(name)?;
        // The hash in the name keeps the beginnings of two different files apart.
        let part = self.folder.join(format!(
            "{name}-{}.part",
            &download.sha256[..download.sha256.len().min(12)]
        ));
        let fail = |during, source| ModelError::Store {
            during,
            path: part.clone(),
            source,
        };
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.folder.join(DOWNLOAD_LOCK));
        let locked = lock.and_then(|file| file.try_lock().map(|()| file).map_err(Into::into));
        let _lock = locked
            .map_err(|source| fail("starting a download (another one may be running)", source))?;
        download.fetch(&part, progress)?;
        let info = self.import_from(&part, name, download.url, progress)?;
        files::remove_if_present(&part).map_err(|source| fail("removing the download", source))?;
        Ok(info)
    }

    /// A model's weights, verified against their hash.
    pub fn weights(&self, name: &str) -> Result<Weights, ModelError> {
        if let Some((bytes, manifest)) = self.embedded(name)? {
            let pinned = manifest.file.map(|file| file.sha256).unwrap_or_default();
            return self.verified(
                name,
                Path::new("embedded weights"),
                Bytes::Static(bytes),
                &pinned,
            );
        }
        let path = self.weights_path(name);
        let (length, sha256) = match (self.record(name)?, self.laid_in(name)?) {
            (Some(record), _) => (record.bytes, record.sha256),
            (None, Some(file)) => (file.bytes, file.sha256),
            (None, None) => return Err(absent(name)),
        };
        let fail = |source| ModelError::Store {
            during: "reading weights",
            path: path.clone(),
            source,
        };
        let mut bytes = Vec::new();
        // One byte more than recorded is enough to see that the file is not the recorded one.
        File::open(&path)
            .and_then(|file| file.take(length.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(fail)?;
        self.verified(name, &path, Bytes::from(bytes), &sha256)
    }

    /// Bytes and manifest of a model whose weights are inside the program.
    fn embedded(&self, name: &str) -> Result<Option<(&'static [u8], Manifest)>, ModelError> {
        let found = known(name).filter(|_| self.use_embedded);
        match found.and_then(|model| model.embedded.map(|bytes| (bytes, model))) {
            Some((bytes, model)) => Ok(Some((bytes, model.parse()?))),
            None => Ok(None),
        }
    }

    /// The pinned file of a model whose weights ship beside the program, not inside it, when it lies in the folder.
    fn laid_in(&self, name: &str) -> Result<Option<PinnedFile>, ModelError> {
        let manifest = known(name).map(KnownModel::parse).transpose()?;
        let file = manifest.and_then(|manifest| manifest.file);
        Ok(file.filter(|file| file.embedded.is_some() && self.weights_path(name).exists()))
    }

    fn verified(
        &self,
        name: &str,
        path: &Path,
        bytes: Bytes,
        sha256: &str,
    ) -> Result<Weights, ModelError> {
        let fail = |source| ModelError::Store {
            during: "hashing weights",
            path: path.to_path_buf(),
            source,
        };
        let all = bytes.read(0..bytes.len()).map_err(fail)?;
        let (got, _) = files::hash(&all[..], |_| {}).map_err(fail)?;
        drop(all);
        if got != sha256 {
            return Err(ModelError::Hash {
                name: name.to_string(),
                file: path.to_path_buf(),
                want: sha256.to_string(),
                got,
            });
        }
        read_bytes(bytes, &self.limits).map_err(|source| ModelError::Import {
            file: path.to_path_buf(),
            source,
        })
    }

    fn weights_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.safetensors"))
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.toml"))
    }

    /// The record of an imported model, `None` if there is none.
    fn record(&self, name: &str) -> Result<Option<Record>, ModelError> {
        check_name(name)?;
        Record::read(&self.record_path(name))
    }

    /// Names of all records in the folder.
    fn recorded(&self) -> Result<Vec<String>, ModelError> {
        let fail = |source| ModelError::Store {
            during: "listing the model folder",
            path: self.folder.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(fail)? {
            let file = entry.map_err(fail)?.file_name();
            if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".toml"))
                && check_name(name).is_ok()
            {
                names.push(name.to_string());
            }
        }
        Ok(names)
    }

    /// What is known about a model; `None` for one that has neither a record nor a pinned file.
    fn describe(&self, name: &str) -> Result<Option<ModelInfo>, ModelError> {
        let embedded = self.embedded(name)?.is_some();
        let manifest = known(name).map(KnownModel::parse).transpose()?;
        if let Some(Manifest {
            file: Some(file),
            arch,
            origin,
            licence,
            training,
            ..
        }) = &manifest
            && (embedded || !self.record_path(name).exists())
        {
            return Ok(Some(ModelInfo {
                name: name.to_string(),
                arch: arch.name.to_string(),
                sha256: file.sha256.clone(),
                bytes: file.bytes,
                origin: origin.clone(),
                licence: licence.clone(),
                trained_on: training.as_ref().map(Training::terms),
                embedded,
                present: embedded || self.laid_in(name)?.is_some(),
            }));
        }
        let present = self.weights_path(name).exists();
        Ok(self.record(name)?.map(|record| ModelInfo {
            name: record.name,
            arch: record.arch,
            sha256: record.source_sha256,
            bytes: record.source_bytes,
            origin: record.origin,
            licence: record.licence,
            trained_on: None,
            embedded: false,
            present,
        }))
    }
}

/// The family of weights and their network's sizes; refuses what a network could not be built from.
fn check_fit(name: &str, weights: &Weights) -> Result<(&'static ArchInfo, Value), ModelError> {
    let arch = registry::identify(weights).ok_or_else(|| ModelError::Arch {
        name: name.to_string(),
        found: "no network that this program knows".into(),
        wanted: format!("one of {}", registry::names()),
    })?;
    Ok((arch, (arch.check)(weights)?))
}

/// What to do about a model that is not there.
fn absent(name: &str) -> ModelError {
    let manifest = known(name).map(KnownModel::parse);
    let Some(manifest) = manifest else {
        return unknown(name);
    };
    let import = format!("`cleanplate models import FILE --as {name}`");
    let remedy = match manifest.ok().and_then(|manifest| manifest.file) {
        Some(PinnedFile {
            embedded: Some(file),
            ..
        }) => format!(
            "this program was built without embedded weights: put {file} from models/weights/{name} into the models folder, or {import}"
        ),
        Some(_) => format!("`cleanplate models pull {name}` or {import}"),
        None => import,
    };
    ModelError::Absent {
        name: name.to_string(),
        remedy,
    }
}

/// Names become file names: lower-case letters, digits, `-`, `_` and inner dots.
fn check_name(name: &str) -> Result<(), ModelError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = name.len() <= 64
        && name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|b| plain(b) || matches!(b, b'-' | b'_' | b'.'))
        && !name.contains("..");
    if fits {
        Ok(())
    } else {
        Err(ModelError::Name {
            name: name.chars().take(80).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
