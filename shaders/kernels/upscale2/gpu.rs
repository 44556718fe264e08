//! GPU strategies: products of token rows whose results become 2x2 blocks, see `token_gemm`.

use super::{NAME, Upscale2};
use crate::caps::Caps;
use crate::common::launch::check_bindings;
use crate::common::token_gemm::{self, Layer};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Program, Variant};

pub(super) fn program(
    op: &Upscale2,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs.iter().chain(&outputs), &[], caps)?;
    let (d, channels) = (inputs[0].shape.dims(), op.bias.len());
    let layer = Layer {
        kernel: NAME,
        tokens: d[0] * d[1] * d[2],
        groups: 1,
        in_channels: op.in_channels,
        out_channels: 4 * channels,
        act: op.act,
        residual: false,
        blocks: Some([d[1], d[2]]),
        packed: &op.shader_words,
        weight: &|_, row, ic| op.weight[(ic * channels + row % channels) * 4 + row / channels],
        bias: &|_, row| op.bias[row % channels],
    };
    Ok(Program {
        dispatches: vec![layer.dispatch(caps)?],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    token_gemm::block_variants(NAME)
}
