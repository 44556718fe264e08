//! Writes tensors as a safetensors file, one at a time.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::tensor::{WeightTensor, WeightType};

/// How a tensor is stored: types that kernels read directly stay as they are, all others become `f32`.
fn stored_type(tensor: &WeightTensor) -> (WeightType, &'static str) {
    let scaled = tensor.scale() != 1.0;
    match tensor.dtype() {
        WeightType::F16 if !scaled => (WeightType::F16, "F16"),
        WeightType::I64 if !scaled => (WeightType::I64, "I64"),
        WeightType::I32 if !scaled => (WeightType::I32, "I32"),
        WeightType::U8 if !scaled => (WeightType::U8, "U8"),
        _ => (WeightType::F32, "F32"),
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum HeaderEntry<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor {
        dtype: &'static str,
        shape: &'a [usize],
        data_offsets: [u64; 2],
    },
}

/// Writes a safetensors file and returns its length in bytes. `written` is called with the bytes written so far and in all.
pub fn write_safetensors(
    out: &mut dyn Write,
    tensors: &[(&str, &WeightTensor)],
    metadata: &BTreeMap<String, String>,
    written: &mut dyn FnMut(u64, u64),
) -> io::Result<u64> {
    // Wide types first: every tensor is then aligned to its element.
    let mut ordered: Vec<_> = tensors
        .iter()
        .map(|&(name, tensor)| (name, tensor, stored_type(tensor)))
        .collect();
    ordered.sort_by_key(|(name, _, (dtype, _))| (std::cmp::Reverse(dtype.bytes()), *name));

    let mut header = BTreeMap::from([("__metadata__", HeaderEntry::Metadata(metadata))]);
    let mut end = 0u64;
    for (name, tensor, (dtype, dtype_name)) in &ordered {
        let start = end;
        end += (tensor.elements() * dtype.bytes()) as u64;
        header.insert(
            name,
            HeaderEntry::Tensor {
                dtype: dtype_name,
                shape: tensor.shape(),
                data_offsets: [start, end],
            },
        );
    }
    let mut text = serde_json::to_vec(&header)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let data_start = 8 + text.len() as u64;
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(&text)?;

    let mut done = data_start;
    for (_, tensor, (dtype, _)) in &ordered {
        let bytes = if *dtype == tensor.dtype() && tensor.scale() == 1.0 {
            tensor.to_bytes().map_err(io::Error::other)?
        } else {
            let values = tensor.to_f32().map_err(io::Error::other)?;
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        };
        out.write_all(&bytes)?;
        done += bytes.len() as u64;
        written(done, data_start + end);
    }
    Ok(done)
}
