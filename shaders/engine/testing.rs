//! Helpers of this crate's tests.

use std::collections::HashMap;

use cleanplate_kernels::testing::Rng;
use cleanplate_kernels::{DType, Data, Tensor, TensorRef};

use crate::graph::{Graph, TensorId};

/// Random tensors for a graph's inputs.
pub fn random_inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut rng = Rng::new(seed);
    let one = |id: &TensorId| {
        let spec = graph.spec(*id);
        let (dims, n) = (spec.shape.dims(), spec.shape.elements());
        match spec.dtype {
            DType::F32 => Tensor::f32(dims, rng.values(n, 1.0)),
            DType::U8 => Tensor::u8(dims, rng.bytes(n)),
            DType::U32 => Tensor::u32(dims, (0..n).map(|_| rng.bits() as u32).collect()),
        }
    };
    graph.inputs.iter().map(one).collect()
}

/// Borrowed views, as runs take them.
pub fn views(tensors: &[Tensor]) -> Vec<TensorRef<'_>> {
    tensors.iter().map(Tensor::view).collect()
}

/// Runs a graph by the reference of each operation, as it is.
pub fn reference_run(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut made: HashMap<TensorId, Tensor> = graph
        .inputs
        .iter()
        .copied()
        .zip(inputs.iter().cloned())
        .collect();
    for node in &graph.nodes {
        let args: Vec<TensorRef<'_>> = node.inputs.iter().map(|id| made[id].view()).collect();
        let results = node.op.reference(&args);
        made.extend(node.outputs.iter().copied().zip(results));
    }
    graph.outputs.iter().map(|id| made[id].clone()).collect()
}

/// Greatest absolute difference; infinite when shapes, types or finiteness differ.
pub fn max_difference(a: &Tensor, b: &Tensor) -> f64 {
    let pairs: Vec<(f64, f64)> = match (&a.data, &b.data) {
        _ if a.shape != b.shape => return f64::INFINITY,
        (Data::F32(a), Data::F32(b)) => a
            .iter()
            .zip(b)
            .map(|(a, b)| (f64::from(*a), f64::from(*b)))
            .collect(),
        (Data::U8(a), Data::U8(b)) => a
            .iter()
            .zip(b)
            .map(|(a, b)| (f64::from(*a), f64::from(*b)))
            .collect(),
        _ => return f64::INFINITY,
    };
    pairs
        .iter()
        .map(|(a, b)| {
            if (a - b).is_nan() {
                f64::INFINITY
            } else {
                (a - b).abs()
            }
        })
        .fold(0.0, f64::max)
}
