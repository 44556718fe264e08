//! GPU strategy: one dispatch per axis, one word of output bytes per invocation.

use std::sync::Arc;

use super::weights::windows;
use super::{NAME, ResizeU8};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "resize_u8",
        template: include_str!("resize_u8.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

/// `[to][1 + taps]`: the first position of a window and its weights, zeros behind them. Also gives `taps`.
fn packed_windows(from: usize, to: usize) -> (Vec<u32>, usize) {
    let windows = windows(from, to);
    let taps = windows.iter().map(|w| w.weights.len()).max().unwrap_or(0);
    let of = |w: super::weights::Window| {
        let weights = w.weights.into_iter().chain(std::iter::repeat(0)).take(taps);
        std::iter::once(word(w.first)).chain(weights.map(i32::cast_unsigned))
    };
    (windows.into_iter().flat_map(of).collect(), taps)
}

/// The middle axis of `[outer, from, inner]` bytes.
#[derive(Clone, Copy)]
struct Axis {
    outer: usize,
    from: usize,
    to: usize,
    inner: usize,
}

fn dispatch(
    axis: Axis,
    source: Binding,
    target: Binding,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let (windows, taps) = packed_windows(axis.from, axis.to);
    let bytes = axis.outer * axis.to * axis.inner;
    Ok(Dispatch {
        variant: variant(),
        bindings: vec![source, Binding::Constant(Arc::new(windows)), target],
        params: [bytes, axis.from, axis.to, axis.inner, taps]
            .map(word)
            .to_vec(),
        groups: spread(NAME, bytes.div_ceil(4 * 256) as u64, caps)?,
    })
}

pub(super) fn program(
    op: &ResizeU8,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let d = inputs[0].shape.dims();
    let (n, h, w, c) = (d[0], d[1], d[2], d[3]);
    let along_x = Axis {
        outer: n * h,
        from: w,
        to: op.width,
        inner: c,
    };
    let along_y = Axis {
        outer: n,
        from: h,
        to: op.height,
        inner: op.width * c,
    };
    // The window of an axis that keeps its size is its pixel alone, so one pass serves also where no axis changes.
    let (dispatches, scratch_bytes) = match (w == op.width, h == op.height) {
        (true, _) => (
            vec![dispatch(
                along_y,
                Binding::Input(0),
                Binding::Output(0),
                caps,
            )?],
            Vec::new(),
        ),
        (false, true) => (
            vec![dispatch(
                along_x,
                Binding::Input(0),
                Binding::Output(0),
                caps,
            )?],
            Vec::new(),
        ),
        (false, false) => {
            let x = dispatch(along_x, Binding::Input(0), Binding::Scratch(0), caps)?;
            let y = dispatch(along_y, Binding::ScratchRead(0), Binding::Output(0), caps)?;
            (
                vec![x, y],
                vec![(n * h * op.width * c).next_multiple_of(4) as u64],
            )
        }
    };
    check_bindings(NAME, inputs.iter().chain(&outputs), &scratch_bytes, caps)?;
    Ok(Program {
        dispatches,
        scratch_bytes,
    })
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
