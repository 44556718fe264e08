//! Weight files that tests write.

use std::collections::{BTreeMap, HashMap};

use cleanplate_models::import::Weights;
use safetensors::{Dtype, tensor::TensorView};

/// The network's weights as a safetensors file in f32, with this metadata.
pub fn safetensors(weights: &Weights, metadata: &[(&str, &str)]) -> Vec<u8> {
    of_tensors(&tensors(weights), metadata)
}

/// A weight by name: shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The network's weights.
pub fn tensors(weights: &Weights) -> Tensors {
    let ours = weights
        .iter()
        .filter(|(name, _)| cleanplate_models::registry::under_root(name));
    ours.map(|(name, tensor)| {
        let values = tensor.to_f32().expect("reads");
        (name.to_string(), (tensor.shape().to_vec(), values))
    })
    .collect()
}

/// These weights as a safetensors file in f32, with this metadata.
pub fn of_tensors(tensors: &Tensors, metadata: &[(&str, &str)]) -> Vec<u8> {
    let bytes: Vec<(&str, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name.as_str(), shape, bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("fits");
        (*name, view)
    });
    let metadata: HashMap<String, String> = metadata
        .iter()
        .map(|(name, text)| (name.to_string(), text.to_string()))
        .collect();
    safetensors::serialize(views, Some(metadata)).expect("in memory")
}
