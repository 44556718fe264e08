//! GPU strategies: which one serves which convolution.

mod cpu_simd;
mod simt;

use std::sync::Arc;

use super::{Conv2d, NAME, Padding, Segment};
use crate::caps::{Caps, Family};
use crate::common::cache::words;
use crate::common::launch::{check_bindings, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Program, Variant};

pub(super) fn program(
    op: &Conv2d,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let output = op.infer(inputs)?.swap_remove(0);
    let program = match caps.family {
        Family::CpuSimd => cpu_simd::program(op, inputs, &output, caps)?,
        Family::Simt => None,
    };
    let program = match program {
        Some(program) => program,
        None => simt::program(op, inputs, &output, caps)?,
    };
    check_bindings(
        NAME,
        inputs.iter().chain([&output]),
        &program.scratch_bytes,
        caps,
    )?;
    Ok(program)
}

pub(super) fn variants() -> Vec<Variant> {
    let mut all = simt::variants();
    all.extend(cpu_simd::variants());
    all
}

/// Bindings after the weights, bias, output and segments: the residual's number, if any, and the params block's.
fn tail(segments: usize, residual: bool) -> (Option<usize>, usize) {
    let next = 3 + segments;
    (residual.then_some(next), next + usize::from(residual))
}

fn binding_defines(segments: usize, residual: bool) -> Vec<(&'static str, String)> {
    let (residual, params) = tail(segments, residual);
    let mut defines = vec![("PARAMS", params.to_string())];
    defines.extend(residual.map(|at| ("RESIDUAL", at.to_string())));
    defines.extend((segments > 1).then(|| ("SEGMENT1", String::new())));
    defines
}

/// Channels, height, width, kernel side, padding and whether it reflects: one segment's part of a params block.
fn segment_words(segment: &Segment, input: &TensorSpec) -> [u32; 6] {
    let d = input.shape.dims();
    let reflect = usize::from(matches!(segment.padding, Padding::Reflect(_)));
    [
        segment.in_channels,
        d[2],
        d[3],
        segment.kernel,
        segment.padding.amount(),
        reflect,
    ]
    .map(word)
}

/// Weights, bias, output, segments, residual: the bindings of strategies that read inputs where they are.
fn base_bindings(op: &Conv2d, weights: Arc<Vec<u32>>) -> Vec<Binding> {
    let mut bindings = weight_bindings(op, weights);
    bindings.extend((0..op.segments.len() + usize::from(op.epilogue.residual)).map(Binding::Input));
    bindings
}

/// Weights, bias, output: the first bindings of every strategy.
fn weight_bindings(op: &Conv2d, weights: Arc<Vec<u32>>) -> Vec<Binding> {
    let bias = op
        .shader_words
        .get("bias", || words(op.bias.iter().copied()));
    vec![
        Binding::Constant(weights),
        Binding::Constant(bias),
        Binding::Output(0),
    ]
}

/// Pixels of the batch, output channels, height, width, stride, activation: the head of every params block.
fn head_words(op: &Conv2d, output: &TensorSpec) -> [u32; 6] {
    let d = output.shape.dims();
    let [pixels, oc, oh, ow, stride] = [d[0] * d[2] * d[3], d[1], d[2], d[3], op.stride].map(word);
    [pixels, oc, oh, ow, stride, op.epilogue.act.code()]
}
