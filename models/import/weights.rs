//! Named tensors of a weight file.

use std::collections::BTreeMap;

use super::tensor::WeightTensor;
use crate::error::ImportError;
use crate::import::{Format, Reader, limit};

/// The tensors of a weight file under their published names, with the file's metadata.
#[derive(Debug, Clone)]
pub struct Weights {
    format: Format,
    tensors: BTreeMap<String, WeightTensor>,
    metadata: BTreeMap<String, String>,
    skipped: Vec<String>,
}

impl Weights {
    /// No tensors yet.
    pub(crate) fn new(format: Format, metadata: BTreeMap<String, String>) -> Self {
        Weights {
            format,
            tensors: BTreeMap::new(),
            metadata,
            skipped: Vec::new(),
        }
    }

    /// Tensors that were made here, by their published names.
    pub(crate) fn made(tensors: BTreeMap<String, WeightTensor>) -> Self {
        Weights {
            tensors,
            ..Weights::new(Format::Safetensors, BTreeMap::new())
        }
    }

    /// Adds a tensor under its published name; two tensors that become the same name are an error.
    pub(crate) fn insert(
        &mut self,
        stored_name: &str,
        tensor: WeightTensor,
        reading: &Reader<'_>,
    ) -> Result<(), ImportError> {
        let count = self.tensors.len() as u64 + 1;
        limit("tensors", count, reading.limits.tensors_max)?;
        let name = reading.names.published(stored_name).into_owned();
        if self.tensors.contains_key(&name) {
            return Err(ImportError::Tensor {
                name,
                why: format!("stored twice, the second time as {stored_name}"),
            });
        }
        self.tensors.insert(name, tensor);
        Ok(())
    }

    /// Notes a tensor of the file that belongs to no known network and was left out.
    pub(crate) fn skip(&mut self, stored_name: &str) {
        self.skipped.push(stored_name.to_string());
    }

    /// Kind of file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// A tensor by its published name (`generator.model.1.ffc.convl2l.weight`).
    pub fn get(&self, name: &str) -> Option<&WeightTensor> {
        self.tensors.get(name)
    }

    /// All tensors, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightTensor)> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether the file held no tensor.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The file's metadata (safetensors only; empty for other formats).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Stored names of tensors that belong to no known network (losses, discriminators) and were not read.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }
}
