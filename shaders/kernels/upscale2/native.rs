//! Fast CPU twin of [`super::Upscale2`]: one matrix product whose columns are the four output pixels' channels.

use super::Upscale2;
use crate::common::native::{Cached, Disjoint, Isa, PackedColumns, Store, TokenTile};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Weights laid out for the processor, made at first use, columns in the order kernel row, kernel column, channel; and
/// the bias of two neighbouring output pixels.
pub(super) type Weights = Cached<(PackedColumns, Vec<f32>)>;

fn pack(op: &Upscale2, isa: Isa) -> (PackedColumns, Vec<f32>) {
    let oc = op.bias.len();
    let at = |i: usize, column: usize| op.weight[(i * oc + column % oc) * 4 + column / oc];
    (
        PackedColumns::new(isa, op.in_channels, 4 * oc, at),
        op.bias.repeat(2),
    )
}

pub(super) fn scratch(op: &Upscale2, inputs: &[TensorSpec]) -> usize {
    let tokens = inputs
        .first()
        .map_or(0, |x| x.shape.elements() / op.in_channels);
    PackedColumns::scratch(Isa::active(), op.in_channels, tokens, 4 * op.bias.len())
}

pub(super) fn run(
    op: &Upscale2,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let Some((x, [_, _, w, ic])) = inputs
        .first()
        .and_then(|t| Some((t.f32(), t.shape().dims4()?)))
    else {
        return;
    };
    let isa = Isa::active();
    let (weights, bias) = op.packed.get_or(isa, || pack(op, isa));
    let store = Store { isa, act: op.act };
    let (pair, out) = (bias.len(), Disjoint::new(output.f32()));
    weights.multiply(x, x.len() / ic, scratch, |tile: TokenTile<'_>| {
        for (token, sums) in tile.tokens() {
            // Of each kernel row the columns are two neighbouring pixels; a tile may reach into the next row.
            let mut done = 0;
            while done < tile.len {
                let (ky, from) = ((tile.column + done) / pair, (tile.column + done) % pair);
                let len = (pair - from).min(tile.len - done);
                let row = 2 * (token / w) + ky;
                // SAFETY: every token and column belongs to one tile, and each is one output value.
                let to = unsafe { out.slice((row * w + token % w) * pair + from, len) };
                store.channels(&sums[done..done + len], &bias[from..from + len], None, to);
                done += len;
            }
        }
    });
}
