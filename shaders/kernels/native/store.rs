//! The epilogue: what happens to sums between the accumulators and the output.

use crate::epilogue::Act;

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
    pub fn row(self, sums: &[f32], bias: f32, accumulate: bool, residual: Option<&[f32]>, out: &mut [f32]) {
        let act = self.act;
        by_isa!(self.isa, row(act: Act, sums: &[f32], bias: f32, accumulate: bool, residual: Option<&[f32]>, out: &mut [f32]));
    }
}

#[inline(always)]
fn row(act: Act, sums: &[f32], bias: f32, accumulate: bool, residual: Option<&[f32]>, out: &mut [f32]) {
    if accumulate {
        out.iter_mut().zip(sums).for_each(|(o, s)| *o += s + bias);
    } else {
        out.iter_mut().zip(sums).for_each(|(o, s)| *o = s + bias);
    }
    match act {
        Act::None => {}
        Act::Relu => out.iter_mut().for_each(|o| *o = o.max(0.0)),
        Act::Sigmoid => out.iter_mut().for_each(|o| *o = Act::Sigmoid.apply(*o)),
    }
    if let Some(residual) = residual {
        out.iter_mut().zip(residual).for_each(|(o, r)| *o += r);
    }
}
