//! GPU strategy: one tile of 16 by 16 per workgroup.

use super::{NAME, Permute};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

/// Side of a tile.
const SIDE: usize = 16;

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "permute",
        template: include_str!("permute.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Permute,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(NAME, inputs, &[], caps)?;
    let d = inputs[0].shape.dims();
    let (rows, columns) = match op {
        Permute::ChannelsLast => (d[1], d[2] * d[3]),
        Permute::ChannelsFirst => (d[1] * d[2], d[3]),
    };
    let (row_tiles, column_tiles) = (rows.div_ceil(SIDE), columns.div_ceil(SIDE));
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![Binding::Input(0), Binding::Output(0)],
        params: [d[0], rows, columns, row_tiles, column_tiles]
            .map(word)
            .to_vec(),
        groups: spread(NAME, (d[0] * row_tiles * column_tiles) as u64, caps)?,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
