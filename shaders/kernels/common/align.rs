//! Copies of feature maps whose rows begin on whole vec4s: what the `cpu_*` strategies need when a width is no multiple of
//! four. The copy costs a few per cent of the convolution that reads it.

use crate::caps::Caps;
use crate::common::launch::{spread, word};
use crate::error::KernelError;
use crate::program::{Binding, Dispatch, Program, Variant};

/// The copying shader, listed by every kernel that uses it.
pub(crate) fn variant(kernel: &'static str) -> Variant {
    let template = include_str!("align_rows.wgsl");
    Variant {
        kernel,
        strategy: "align_rows",
        template,
        defines: Vec::new(),
        subgroups: false,
    }
}

/// Rows to copy.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// How many.
    pub count: usize,
    /// Elements of one.
    pub width: usize,
    /// Vec4s of one in the copy.
    pub cols: usize,
    /// Whether elements behind the end mirror the row (edge not repeated) instead of being zero.
    pub reflect: bool,
}

impl Rows {
    /// Bytes of the copy.
    fn bytes(self) -> u64 {
        (self.count * self.cols * 16) as u64
    }
}

/// Input `input` with rows as whole vec4s: where it is when its rows are such, else a copy in a new scratch buffer, which a
/// dispatch added to `program` makes.
pub(crate) fn bind(
    kernel: &'static str,
    program: &mut Program,
    input: usize,
    rows: Rows,
    caps: &Caps,
) -> Result<Binding, KernelError> {
    if rows.cols * 4 == rows.width {
        return Ok(Binding::Input(input));
    }
    let (count, scratch) = (rows.count * rows.cols, program.scratch_bytes.len());
    program.scratch_bytes.push(rows.bytes());
    program.dispatches.push(Dispatch {
        variant: variant(kernel),
        bindings: vec![Binding::Input(input), Binding::Scratch(scratch)],
        params: vec![
            word(count),
            word(rows.width),
            word(rows.cols),
            u32::from(rows.reflect),
        ],
        groups: spread(kernel, count.div_ceil(64) as u64, caps)?,
    });
    Ok(Binding::ScratchRead(scratch))
}
