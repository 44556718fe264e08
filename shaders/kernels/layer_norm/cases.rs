//! Rows shorter and longer than a workgroup, odd counts, a constant row, both axes.

use std::sync::Arc;

use super::{Axis, LayerNorm};
use crate::op::{Case, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

pub(super) fn cases() -> Vec<Case> {
    let mut rng = Rng::new(22);
    let sizes: [(&[usize], Axis); 7] = [
        (&[1, 7, 256], Axis::Last),
        (&[2, 15, 11, 33], Axis::Last),
        (&[1, 1, 5], Axis::Last),
        (&[1, 130, 768], Axis::Last),
        (&[1, 64, 15, 11], Axis::Channels),
        (&[2, 7, 1, 3], Axis::Channels),
        (&[1, 256, 9, 9], Axis::Channels),
    ];
    let mut cases: Vec<Case> = sizes
        .iter()
        .map(|(dims, axis)| {
            let c = if *axis == Axis::Last {
                dims[dims.len() - 1]
            } else {
                dims[1]
            };
            let op = LayerNorm::new(&rng.values(c, 2.0), &rng.values(c, 1.0), 1e-6, *axis)
                .expect("case parameters are valid");
            // An offset far from zero: a one-pass variance would lose it.
            let data = rng
                .values(dims.iter().product(), 1.0)
                .iter()
                .map(|v| v + 10.0)
                .collect();
            case(format!("{dims:?} {axis:?}"), op, Tensor::f32(dims, data))
        })
        .collect();
    let op = LayerNorm::new(&[1.0; 12], &[0.25; 12], 1e-5, Axis::Last)
        .expect("case parameters are valid");
    cases.push(case(
        "constant rows".into(),
        op,
        Tensor::f32(&[1, 3, 12], vec![3.5; 36]),
    ));
    cases
}

fn case(name: String, op: LayerNorm, input: Tensor) -> Case {
    let tolerance = Tolerance {
        absolute: 1e-4,
        relative: 1e-4,
        why: "f32 mean of values near 10: 1e-6 relative, times the inverse deviation",
    };
    Case {
        name,
        op: Arc::new(op),
        inputs: vec![input],
        tolerance,
    }
}
