//! Fast CPU twin of [`super::Conv2d`].
//!
//! 3x3 segments with stride 1 and enough channels go through Winograd's transform (a quarter of the multiplications),
//! a single wide kernel with very few output channels through products per kernel column, everything else through a
//! matrix product over packed columns. A mixed operation (3x3 + 1x1) does the product first; the inverse transform adds
//! to it.

mod gemm;
mod narrow;
mod transform;
mod winograd;

use super::{Conv2d, Segment};
use crate::common::native::{Cached, Isa, Packed};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Weights laid out for the processor, made at first use: as many bytes again as the operation's own weights.
/// Winograd's transformed weights would be four times as many; they are recomputed in every run (a few percent of its
/// time) instead of kept.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// Of all segments.
    all: Cached<Packed>,
    /// Of the segments beside Winograd's.
    rest: Cached<Packed>,
    /// Taps of Winograd's segments.
    winograd: Cached<Vec<f32>>,
    /// Of the only segment, by kernel column.
    narrow: Cached<Packed>,
}

/// How one run is done.
enum Plans {
    Narrow(narrow::Plan),
    /// At least one of the two.
    Sum {
        gemm: Option<gemm::Plan>,
        winograd: Option<winograd::Plan>,
    },
}

impl Plans {
    /// `dims` are the inputs' axis lengths. `None` if they do not fit the operation.
    fn new(op: &Conv2d, dims: &[[usize; 4]]) -> Option<Plans> {
        let isa = Isa::active();
        if let Some(plan) = narrow::Plan::new(op, isa, dims) {
            return Some(Plans::Narrow(plan));
        }
        let winograd = winograd::Plan::new(op, isa, dims);
        let rest = |s: &Segment| winograd.is_none() || !winograd::takes(op, s);
        let gemm = if op.segments.iter().any(rest) {
            Some(gemm::Plan::new(op, rest, isa, dims)?)
        } else {
            None
        };
        Some(Plans::Sum { gemm, winograd })
    }
}

pub(super) fn scratch(op: &Conv2d, inputs: &[TensorSpec]) -> usize {
    let dims: Vec<_> = inputs.iter().filter_map(|s| s.shape.dims4()).collect();
    match Plans::new(op, &dims) {
        Some(Plans::Narrow(plan)) => plan.scratch(),
        Some(Plans::Sum { gemm, winograd }) => gemm
            .map_or(0, |p| p.scratch())
            .max(winograd.map_or(0, |p| p.scratch())),
        None => 0,
    }
}

pub(super) fn run(
    op: &Conv2d,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let dims: Vec<_> = inputs.iter().filter_map(|t| t.shape().dims4()).collect();
    let data: Vec<&[f32]> = inputs.iter().map(TensorRef::f32).collect();
    match Plans::new(op, &dims) {
        Some(Plans::Narrow(plan)) => {
            let weights = op.packed.narrow.get_or(plan.isa(), || plan.pack(op));
            plan.run(op, weights, &data, output.f32(), scratch);
        }
        Some(Plans::Sum { gemm, winograd }) => {
            if let Some(plan) = &gemm {
                let last = winograd.is_none();
                let cache = if last {
                    &op.packed.all
                } else {
                    &op.packed.rest
                };
                plan.run(
                    op,
                    cache.get_or(plan.isa(), || plan.pack(op)),
                    &data,
                    last,
                    output.f32(),
                    scratch,
                );
            }
            if let Some(plan) = &winograd {
                let taps = op.packed.winograd.get_or(plan.isa(), || plan.pack(op));
                plan.run(op, taps, &data, gemm.is_some(), output.f32(), scratch);
            }
        }
        None => {}
    }
}
