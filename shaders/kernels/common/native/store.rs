//! The epilogue: what happens to sums between the accumulators and the output.

use super::{Isa, by_isa};
use crate::common::epilogue::Act;

/// `out = act(sum + bias) + residual` for one run of values.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// Instruction set of the loops.
    pub isa: Isa,
    /// Applied after the bias.
    pub act: Act,
}

impl Store {
    /// Fills `out`, values of one channel, from `sums`, both of one length; `residual` has the same length or is absent.
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
        let (act, bias) = (self.act, bias);
        by_isa!(self.isa, row::<COLUMNS>(act: Act, sums: &[f32], bias: f32, accumulate: bool, residual: Option<&[f32]>, out: &mut [f32]));
    }

    /// Fills `out`, values of neighbouring channels, from `sums` and `bias`; all have one length, as has `residual`.
    #[inline]
    pub fn channels(self, sums: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [f32]) {
        let act = self.act;
        by_isa!(self.isa, channels::<COLUMNS>(act: Act, sums: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [f32]));
    }

    /// `out = act(in)`.
    pub fn activate(self, values: &[f32], out: &mut [f32]) {
        self.row(values, 0.0, false, None, out);
    }
}

/// Calls a function with each activation as a constant: loops over one function, without a choice inside.
macro_rules! by_act {
    ($act:expr, $function:ident($($arg:expr),*)) => {
        match $act {
            Act::None => $function(Act::None, $($arg),*),
            Act::Relu => $function(Act::Relu, $($arg),*),
            Act::Sigmoid => $function(Act::Sigmoid, $($arg),*),
            Act::Gelu => $function(Act::Gelu, $($arg),*),
            Act::Relu6 => $function(Act::Relu6, $($arg),*),
            Act::LreluAgc => $function(Act::LreluAgc, $($arg),*),
        }
    };
}

/// A whole row of a tile has its length known to the compiler: a few vectors, no loop.
#[inline(always)]
fn channels<const WHOLE: usize>(
    act: Act,
    sums: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    if out.len() == WHOLE {
        by_act!(
            act,
            add(
                &sums[..WHOLE],
                &bias[..WHOLE],
                residual.map(|r| &r[..WHOLE]),
                &mut out[..WHOLE]
            )
        );
    } else {
        by_act!(act, add(sums, bias, residual, out));
    }
}

#[inline(always)]
fn add(act: Act, sums: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [f32]) {
    let values = out.iter_mut().zip(sums).zip(bias);
    match residual {
        None => {
            for ((o, s), b) in values {
                *o = act.apply(s + b);
            }
        }
        Some(residual) => {
            for (((o, s), b), r) in values.zip(residual) {
                *o = act.apply(s + b) + r;
            }
        }
    }
}

#[inline(always)]
fn row<const WHOLE: usize>(
    act: Act,
    sums: &[f32],
    bias: f32,
    accumulate: bool,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    if out.len() == WHOLE {
        by_act!(
            act,
            shift(
                &sums[..WHOLE],
                bias,
                accumulate,
                residual.map(|r| &r[..WHOLE]),
                &mut out[..WHOLE]
            )
        );
    } else {
        by_act!(act, shift(sums, bias, accumulate, residual, out));
    }
}

#[inline(always)]
fn shift(
    act: Act,
    sums: &[f32],
    bias: f32,
    accumulate: bool,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    let values = out.iter_mut().zip(sums);
    match (accumulate, residual) {
        (false, None) => {
            for (o, s) in values {
                *o = act.apply(s + bias);
            }
        }
        (true, None) => {
            for (o, s) in values {
                *o = act.apply(*o + s + bias);
            }
        }
        (false, Some(residual)) => {
            for ((o, s), r) in values.zip(residual) {
                *o = act.apply(s + bias) + r;
            }
        }
        (true, Some(residual)) => {
            for ((o, s), r) in values.zip(residual) {
                *o = act.apply(*o + s + bias) + r;
            }
        }
    }
}
