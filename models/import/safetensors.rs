//! safetensors files: JSON header, then dense little-endian tensors.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::error::ImportError;
use crate::import::{Bytes, Format, Limits, Reader, WeightTensor, WeightType, Weights, limit};

/// Reads a whole file; tensors stay windows into `bytes`.
///
/// `I8` tensors are multiplied by their factor in the metadata entry `scales`, a JSON object from stored name to number; factors of
/// other tensors are not applied.
pub fn read(bytes: Bytes, reading: &Reader<'_>) -> Result<Weights, ImportError> {
    let limits = reading.limits;
    let (header, data_start) = header(&bytes, limits)?;
    let metadata: BTreeMap<String, String> = header
        .metadata()
        .clone()
        .unwrap_or_default()
        .into_iter()
        .collect();
    let scales = scales(&metadata)?;
    let infos = header.tensors();
    limit("tensors", infos.len() as u64, limits.tensors_max)?;
    let mut weights = Weights::new(Format::Safetensors, metadata);
    for (name, info) in infos {
        let fail = |why: String| ImportError::Tensor {
            name: name.clone(),
            why,
        };
        let dtype = weight_type(info.dtype)
            .ok_or_else(|| fail(format!("element type {:?} is not supported", info.dtype)))?;
        let offset = data_start
            .checked_add(info.data_offsets.0)
            .ok_or_else(|| fail("its offset overflows".into()))?;
        let mut tensor =
            WeightTensor::new(dtype, &info.shape, None, bytes.clone(), offset).map_err(fail)?;
        // Writers list factors for every tensor they rounded; those that stayed floating point hold the product already.
        if let (WeightType::I8, Some(&scale)) = (dtype, scales.get(&name)) {
            tensor = tensor.scaled(scale);
        }
        weights.insert(&name, tensor, reading)?;
    }
    Ok(weights)
}

/// The description of the tensors, whose data follow each other without a gap to the end of the file, and where they start. The
/// parser checks shapes against sizes, and that there is no gap.
fn header(bytes: &Bytes, limits: &Limits) -> Result<(Metadata, usize), ImportError> {
    let invalid = |why: String| ImportError::Safetensors(why);
    let read = |range| bytes.read(range).map_err(|e| invalid(e.to_string()));
    let length = read(0..8)?;
    let claimed = length.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    limit(
        "safetensors header in bytes",
        claimed,
        limits.header_bytes_max,
    )?;
    // The limit fits any address space.
    let data_start = 8 + claimed as usize;
    let header: Metadata =
        serde_json::from_slice(&read(8..data_start)?).map_err(|e| invalid(e.to_string()))?;
    if data_start.checked_add(header.data_len()) != Some(bytes.len()) {
        return Err(invalid(format!(
            "{} bytes, its header describes {data_start} + {}",
            bytes.len(),
            header.data_len()
        )));
    }
    Ok((header, data_start))
}

fn scales(metadata: &BTreeMap<String, String>) -> Result<BTreeMap<String, f32>, ImportError> {
    let Some(text) = metadata.get("scales") else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_str(text)
        .map_err(|e| ImportError::Safetensors(format!("metadata `scales`: {e}")))
}

fn weight_type(dtype: Dtype) -> Option<WeightType> {
    Some(match dtype {
        Dtype::F64 => WeightType::F64,
        Dtype::F32 => WeightType::F32,
        Dtype::F16 => WeightType::F16,
        Dtype::BF16 => WeightType::Bf16,
        Dtype::I64 => WeightType::I64,
        Dtype::I32 => WeightType::I32,
        Dtype::I8 => WeightType::I8,
        Dtype::U8 | Dtype::BOOL => WeightType::U8,
        _ => return None,
    })
}
