//! GPU strategies: products of token rows, see `token_gemm`.

use super::{Linear, NAME};
use crate::caps::Caps;
use crate::common::launch::check_bindings;
use crate::common::token_gemm::{self, Layer};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Program, Variant};

pub(super) fn program(
    op: &Linear,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs.iter().chain(&outputs), &[], caps)?;
    let layer = Layer {
        kernel: NAME,
        tokens: inputs[0].shape.elements() / op.in_channels,
        groups: op.groups,
        in_channels: op.in_channels,
        out_channels: op.out_channels,
        act: op.epilogue.act,
        residual: op.epilogue.residual,
        blocks: None,
        packed: &op.shader_words,
        weight: &|group, oc, ic| op.weight[(group * op.out_channels + oc) * op.in_channels + ic],
        bias: &|group, oc| op.bias[group * op.out_channels + oc],
    };
    Ok(Program {
        dispatches: vec![layer.dispatch(caps)?],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    token_gemm::plain_variants(NAME)
}
