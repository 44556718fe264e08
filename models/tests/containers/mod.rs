//! Weight files that tests write.

use std::collections::HashMap;

use cleanplate_models::import::Weights;
use safetensors::{Dtype, tensor::TensorView};

/// The network's weights as a safetensors file in f32, with this metadata.
pub fn safetensors(weights: &Weights, metadata: &[(&str, &str)]) -> Vec<u8> {
    let ours = weights
        .iter()
        .filter(|(name, _)| cleanplate_models::registry::under_root(name));
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = ours
        .map(|(name, tensor)| {
            let values = tensor.to_f32().expect("reads");
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name.to_string(), tensor.shape().to_vec(), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("fits");
        (name.as_str(), view)
    });
    let metadata: HashMap<String, String> = metadata
        .iter()
        .map(|(name, text)| (name.to_string(), text.to_string()))
        .collect();
    safetensors::serialize(views, Some(metadata)).expect("in memory")
}
