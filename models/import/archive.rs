//! Zip archives: what `torch.save` and TorchScript write, and archives with one such file inside.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read, Seek};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::checkpoint;
use super::directory::{self, Metered};
use super::pickle::{self, Pickled, TensorView};
use crate::error::ImportError;
use crate::import::{Bytes, Reader, Stored, WeightTensor, Weights, limit};

/// Whether an archive may hold the weight file as a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// An outer archive: it may.
    Allowed,
    /// Already inside another archive: it may not.
    Refused,
}

/// What is known of an archive beside its bytes.
pub struct Origin {
    /// Size in bytes.
    pub length: u64,
    /// The same bytes in a file: entries that are not compressed stay there.
    pub stored: Option<Stored>,
}

/// Unpacked bytes that are accepted whatever the size of the archive.
pub const EXPANSION_FREE_BYTES: u64 = 64 << 20;

/// Reads an archive.
pub fn read<R: Read + Seek>(
    reader: R,
    source: Origin,
    reading: &Reader<'_>,
    nesting: Nesting,
) -> Result<Weights, ImportError> {
    let limits = reading.limits;
    let zip = directory::open(reader, source.length, limits)?;
    let budget = source
        .length
        .saturating_mul(limits.expansion_max)
        .saturating_add(EXPANSION_FREE_BYTES);
    let mut archive = Archive {
        zip,
        budget,
        stored: source.stored,
    };
    let pickles: Vec<String> = archive.names(is_root_pickle);
    match pickles.as_slice() {
        [name] => archive.weights(name, reading),
        [] if nesting == Nesting::Allowed => archive.inner(reading),
        [] => Err(refuse(
            "data.pkl",
            "not in the archive; this is not a file of torch.save or torch.jit.save",
        )),
        several => Err(refuse(
            "data.pkl",
            &format!("{} of them, one is wanted", several.len()),
        )),
    }
}

/// `data.pkl` at the top or inside the one folder that PyTorch wraps everything in.
fn is_root_pickle(name: &str) -> bool {
    name.strip_suffix("data.pkl")
        .is_some_and(|folder| folder.is_empty() || folder.find('/') == Some(folder.len() - 1))
}

fn is_weight_file(name: &str) -> bool {
    [".ckpt", ".pt", ".pth", ".safetensors"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

fn refuse(entry: &str, why: &str) -> ImportError {
    ImportError::Archive {
        entry: entry.chars().take(200).collect(),
        why: why.to_string(),
    }
}

fn entry_error(entry: &str, error: &ZipError) -> ImportError {
    refuse(entry, &error.to_string())
}

struct Archive<R> {
    zip: ZipArchive<Metered<R>>,
    /// Bytes that may still be unpacked.
    budget: u64,
    stored: Option<Stored>,
}

impl<R: Read + Seek> Archive<R> {
    fn names(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.zip
            .file_names()
            .filter(|name| wanted(name))
            .map(str::to_string)
            .collect()
    }

    /// Unpacks one entry of at most `bytes_max` bytes. Memory grows with the data that really comes, never with what the header claims.
    fn unpack(&mut self, name: &str, bytes_max: u64) -> Result<Vec<u8>, ImportError> {
        let entry = self.zip.by_name(name).map_err(|e| entry_error(name, &e))?;
        let claimed = entry.size();
        limit(
            &format!("bytes of archive entry {name}"),
            claimed,
            bytes_max,
        )?;
        limit(
            &format!("bytes to unpack from the archive up to {name}"),
            claimed,
            self.budget,
        )?;
        let mut data = Vec::new();
        entry
            .take(claimed + 1)
            .read_to_end(&mut data)
            .map_err(|e| refuse(name, &e.to_string()))?;
        if data.len() as u64 != claimed {
            return Err(refuse(
                name,
                &format!(
                    "unpacks to {} bytes or more, its header claims {claimed}",
                    data.len()
                ),
            ));
        }
        self.budget -= claimed;
        Ok(data)
    }

    /// One entry as [`Archive::unpack`] gives it; one that is not compressed is checked and left in the file.
    fn storage(&mut self, name: &str, bytes_max: u64) -> Result<Bytes, ImportError> {
        let Some(stored) = self.stored.clone() else {
            return Ok(Bytes::from(self.unpack(name, bytes_max)?));
        };
        let mut entry = self.zip.by_name(name).map_err(|e| entry_error(name, &e))?;
        let (claimed, start) = (entry.size(), entry.data_start());
        let part = usize::try_from(claimed)
            .ok()
            .and_then(|len| stored.part(start?, len));
        let (CompressionMethod::Stored, Some(part)) = (entry.compression(), part) else {
            drop(entry);
            return Ok(Bytes::from(self.unpack(name, bytes_max)?));
        };
        limit(
            &format!("bytes of archive entry {name}"),
            claimed,
            bytes_max,
        )?;
        // Reading to the end compares the checksum.
        let count =
            io::copy(&mut entry, &mut io::sink()).map_err(|e| refuse(name, &e.to_string()))?;
        if count != claimed {
            return Err(refuse(
                name,
                &format!("holds {count} bytes, its header claims {claimed}"),
            ));
        }
        Ok(Bytes::Stored(part))
    }

    /// The weight file inside an outer archive (`big-lama.zip` holds `big-lama/models/best.ckpt`).
    fn inner(&mut self, reading: &Reader<'_>) -> Result<Weights, ImportError> {
        match self.names(is_weight_file).as_slice() {
            [name] => {
                let data = self.unpack(name, reading.limits.file_bytes_max)?;
                reading.read_nested(Bytes::from(data), Nesting::Refused)
            }
            [] => Err(refuse(
                "data.pkl",
                "not in the archive, nor any .ckpt, .pt, .pth or .safetensors file",
            )),
            several => Err(refuse(
                "weight file",
                &format!(
                    "{} in the archive, one is wanted: {}",
                    several.len(),
                    several[..2].join(", ")
                ),
            )),
        }
    }

    fn weights(&mut self, pickle_name: &str, reading: &Reader<'_>) -> Result<Weights, ImportError> {
        let limits = reading.limits;
        let folder = pickle_name.trim_end_matches("data.pkl").to_string();
        self.check_byte_order(&folder)?;
        let stream = self.unpack(pickle_name, limits.header_bytes_max)?;
        let pickled = pickle::load(&stream, limits)?;
        let (format, found) = checkpoint::tensors(&pickled, limits)?;
        if found.is_empty() {
            return Err(refuse(
                pickle_name,
                "no named tensor in it; a frozen TorchScript module has lost its names, export it without freezing",
            ));
        }
        // Training checkpoints carry losses and discriminators beside the network: their data is never unpacked.
        let selective = found.iter().any(|(name, _)| reading.names.knows(name));
        let mut weights = Weights::new(format, BTreeMap::new());
        let mut storages = BTreeMap::new();
        for (name, view) in found {
            if selective && !reading.names.knows(&name) {
                weights.skip(&name);
                continue;
            }
            let tensor = self.tensor(&folder, &name, view, &pickled, &mut storages)?;
            weights.insert(&name, tensor, reading)?;
        }
        Ok(weights)
    }

    fn check_byte_order(&mut self, folder: &str) -> Result<(), ImportError> {
        let name = format!("{folder}byteorder");
        if self.zip.index_for_name(&name).is_none() || self.unpack(&name, 16)? == b"little" {
            return Ok(());
        }
        Err(refuse(
            &name,
            "the file was written on a big-endian machine, which is not supported",
        ))
    }

    fn tensor(
        &mut self,
        folder: &str,
        name: &str,
        view: &TensorView,
        pickled: &Pickled,
        storages: &mut BTreeMap<String, Bytes>,
    ) -> Result<WeightTensor, ImportError> {
        let fail = |why: String| ImportError::Tensor {
            name: name.to_string(),
            why,
        };
        let key = pickled.text(view.key).unwrap_or_default();
        if key.is_empty() || key.len() > 20 || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(fail("its storage's key is no plain number".into()));
        }
        let size = view.dtype.bytes() as u64;
        let storage_bytes = view
            .storage_elements
            .checked_mul(size)
            .ok_or_else(|| fail("its storage's size overflows".into()))?;
        let storage = match storages.entry(key.to_string()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => new
                .insert(self.storage(&format!("{folder}data/{key}"), storage_bytes)?)
                .clone(),
        };
        if (storage.len() as u64) < storage_bytes {
            return Err(fail(format!(
                "its storage has {} bytes, {storage_bytes} are described",
                storage.len()
            )));
        }
        let offset = view
            .offset
            .checked_mul(size)
            .and_then(|bytes| usize::try_from(bytes).ok());
        let offset = offset.ok_or_else(|| fail("its offset overflows".into()))?;
        WeightTensor::new(
            view.dtype,
            &view.shape,
            Some(&view.strides),
            storage,
            offset,
        )
        .map_err(fail)
    }
}
