//! Fast CPU twin of [`super::Linear`]: a matrix product over blocks of tokens.

use super::Linear;
use crate::common::native::{Cached, Disjoint, Isa, PackedColumns, Store, TokenTile};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Weights of every group laid out for the processor, made at first use: as many bytes again as the operation's own.
pub(super) type Weights = Cached<Vec<PackedColumns>>;

fn pack(op: &Linear, isa: Isa) -> Vec<PackedColumns> {
    let (ic, oc) = (op.in_channels, op.out_channels);
    let group =
        |weight: &[f32]| PackedColumns::new(isa, ic, oc, |row, column| weight[column * ic + row]);
    op.weight.chunks_exact(oc * ic).map(group).collect()
}

/// Tokens of one product: all, or the one of each sample that a group has.
fn tokens(op: &Linear, elements: usize) -> usize {
    if op.groups == 1 {
        elements / op.in_channels
    } else {
        1
    }
}

pub(super) fn scratch(op: &Linear, inputs: &[TensorSpec]) -> usize {
    let elements = inputs.first().map_or(0, |x| x.shape.elements());
    PackedColumns::scratch(
        Isa::active(),
        op.in_channels,
        tokens(op, elements),
        op.out_channels,
    )
}

pub(super) fn run(
    op: &Linear,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let Some(x) = inputs.first().map(TensorRef::f32) else {
        return;
    };
    let (isa, ic, oc) = (Isa::active(), op.in_channels, op.out_channels);
    let weights = op.packed.get_or(isa, || pack(op, isa));
    let residual = if op.epilogue.residual {
        inputs.last().map(TensorRef::f32)
    } else {
        None
    };
    let store = Store {
        isa,
        act: op.epilogue.act,
    };
    let out = Disjoint::new(output.f32());
    let count = tokens(op, x.len());
    for (index, x) in x.chunks_exact(count * ic).enumerate() {
        let group = index % op.groups;
        let bias = &op.bias[group * oc..][..oc];
        weights[group].multiply(x, count, scratch, |tile: TokenTile<'_>| {
            for (token, sums) in tile.tokens() {
                let at = (index * count + token) * oc + tile.column;
                // SAFETY: every token and column belongs to one tile.
                let to = unsafe { out.slice(at, tile.len) };
                store.channels(
                    sums,
                    &bias[tile.column..][..tile.len],
                    residual.map(|r| &r[at..at + tile.len]),
                    to,
                );
            }
        });
    }
}
