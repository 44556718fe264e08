//! A second opinion on what a weight file holds: `training/goldens/containers.py` reads PyTorch's files without PyTorch and
//! without this program, and prints the same digest.

use cleanplate_models::import::Weights;
use cleanplate_models::registry;
use sha2::{Digest, Sha256};

/// Count and SHA-256 of a network's weights: names, shapes and values in the order of the names; what follows from others is left out.
pub fn digest(weights: &Weights) -> (usize, String) {
    let mut hash = Sha256::new();
    let ours = weights.iter().filter(|(name, _)| {
        let derived = name.ends_with("num_batches_tracked") || name.contains(".filter");
        registry::under_root(name) && !derived
    });
    let count = ours
        .map(|(name, tensor)| {
            hash.update(format!("{name} {:?}\n", tensor.shape()));
            let values = tensor.to_f32().expect("reads");
            hash.update(
                values
                    .iter()
                    .flat_map(|v| v.to_le_bytes())
                    .collect::<Vec<u8>>(),
            );
        })
        .count();
    (count, format!("{:x}", hash.finalize()))
}
