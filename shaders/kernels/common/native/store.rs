//! The epilogue: what happens to sums between the accumulators and the output.

use crate::common::epilogue::Act;

use super::{Isa, by_isa};

/// `out = act(sum + bias) + residual` for one run of values of one output channel.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// Instruction set of the loops.
    pub isa: Isa,
    /// Applied after the bias.
    pub act: Act,
}

impl Store {
    /// Fills `out` from `sums`, both of one length; `residual` has the same length or is absent.
    /// With `accumulate`, the old content of `out` is part of the sum.
    #[inline]
    pub fn row(
        self,
        sums: &[f32],
        bias: f32,
        accumulate: bool,
        residual: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let act = self.act;
        by_isa!(self.isa, row(act: Act, sums: &[f32], bias: f32, accumulate: bool, residual: Option<&[f32]>, out: &mut [f32]));
    }

    /// Fills `out`, values of neighbouring channels, from `sums` and `bias`; all have one length, as has `residual`.
    #[inline]
    pub fn channels(self, sums: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [f32]) {
        let act = self.act;
        by_isa!(self.isa, channels(act: Act, sums: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [f32]));
    }

    /// `out = act(in)`.
    pub fn activate(self, values: &[f32], out: &mut [f32]) {
        self.row(values, 0.0, false, None, out);
    }
}

#[inline(always)]
fn channels(act: Act, sums: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [f32]) {
    match act {
        Act::None => add_channels(|x| x, sums, bias, residual, out),
        Act::Relu => add_channels(|x| x.max(0.0), sums, bias, residual, out),
        Act::Sigmoid => add_channels(|x| Act::Sigmoid.apply(x), sums, bias, residual, out),
        Act::Gelu => add_channels(|x| Act::Gelu.apply(x), sums, bias, residual, out),
        Act::Relu6 => add_channels(|x| Act::Relu6.apply(x), sums, bias, residual, out),
        Act::LreluAgc => add_channels(|x| Act::LreluAgc.apply(x), sums, bias, residual, out),
    }
}

#[inline(always)]
fn add_channels(
    act: impl Fn(f32) -> f32,
    sums: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    let values = out.iter_mut().zip(sums).zip(bias);
    match residual {
        None => values.for_each(|((o, s), b)| *o = act(s + b)),
        Some(residual) => values
            .zip(residual)
            .for_each(|(((o, s), b), r)| *o = act(s + b) + r),
    }
}

#[inline(always)]
fn row(
    act: Act,
    sums: &[f32],
    bias: f32,
    accumulate: bool,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    match act {
        Act::None => one_pass(|x| x, sums, bias, accumulate, residual, out),
        Act::Relu => one_pass(|x| x.max(0.0), sums, bias, accumulate, residual, out),
        Act::Sigmoid => one_pass(
            |x| Act::Sigmoid.apply(x),
            sums,
            bias,
            accumulate,
            residual,
            out,
        ),
        Act::Gelu => one_pass(
            |x| Act::Gelu.apply(x),
            sums,
            bias,
            accumulate,
            residual,
            out,
        ),
        Act::Relu6 => one_pass(
            |x| Act::Relu6.apply(x),
            sums,
            bias,
            accumulate,
            residual,
            out,
        ),
        Act::LreluAgc => one_pass(
            |x| Act::LreluAgc.apply(x),
            sums,
            bias,
            accumulate,
            residual,
            out,
        ),
    }
}

#[inline(always)]
fn one_pass(
    act: impl Fn(f32) -> f32,
    sums: &[f32],
    bias: f32,
    accumulate: bool,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    let values = out.iter_mut().zip(sums);
    match (accumulate, residual) {
        (false, None) => values.for_each(|(o, s)| *o = act(s + bias)),
        (true, None) => values.for_each(|(o, s)| *o = act(*o + s + bias)),
        (false, Some(residual)) => values
            .zip(residual)
            .for_each(|((o, s), r)| *o = act(s + bias) + r),
        (true, Some(residual)) => values
            .zip(residual)
            .for_each(|((o, s), r)| *o = act(*o + s + bias) + r),
    }
}
