//! GPU strategies: `simt`, 64 queries per workgroup, and `few`, one query per workgroup where that leaves most of a device idle.

use super::{Attention, NAME, tokens};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

/// Head sizes that shaders are made for, in vec4s; a head uses the next larger one.
pub(crate) const DIMS: [usize; 5] = [4, 8, 16, 20, 32];
/// Vec4s of a tile of keys, and of one of values: both fit 16 KiB.
const TILE_MAX: usize = 512;
/// Keys of a tile at most.
const KEYS_MAX: usize = 64;
/// Queries of a workgroup.
pub(crate) const QUERIES: usize = 64;
/// `few` runs where `simt` would have fewer workgroups and where there are at least as many keys.
const GROUPS_WANTED: usize = 64;

/// The shaders' head size for heads of `head` channels, in vec4s.
pub(crate) fn padded_dim(op: &'static str, head: usize) -> Result<usize, KernelError> {
    let fits = DIMS
        .into_iter()
        .find(|dim| head <= 4 * dim && head.is_multiple_of(4));
    fits.ok_or_else(|| KernelError::Limit {
        op,
        need: format!("heads of {head} channels"),
        have: format!(
            "shaders for multiples of 4 up to {}",
            4 * DIMS[DIMS.len() - 1]
        ),
        remedy: "use the cpu backend for this network".into(),
    })
}

/// Defines of the snippet `attention_tile`, sorted.
pub(crate) fn tile_defines(dim: usize) -> Vec<(&'static str, String)> {
    let keys = (TILE_MAX / dim).min(KEYS_MAX);
    vec![
        ("DIM4", format!("{dim}u")),
        ("KEYS", format!("{keys}u")),
        ("TILE", format!("{}u", keys * dim)),
    ]
}

fn simt_variant(dim: usize) -> Variant {
    Variant {
        kernel: NAME,
        strategy: "simt",
        template: include_str!("simt.wgsl"),
        defines: tile_defines(dim),
        subgroups: false,
    }
}

fn few_variant(dim: usize) -> Variant {
    let defines = vec![("DIM4", format!("{dim}u"))];
    Variant {
        kernel: NAME,
        strategy: "few",
        template: include_str!("few.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Attention,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(NAME, inputs, &[], caps)?;
    let d = inputs[0].shape.dims();
    let (samples, queries, keys) = (d[0], tokens(d), tokens(inputs[1].shape.dims()));
    let head = d[d.len() - 1] / op.heads;
    let dim = padded_dim(NAME, head)?;
    let blocks = queries.div_ceil(QUERIES);
    let few = samples * op.heads * blocks < GROUPS_WANTED && keys >= GROUPS_WANTED;
    let (variant, units) = match few {
        true => (few_variant(dim), samples * op.heads * queries),
        false => (simt_variant(dim), samples * op.heads * blocks),
    };
    let mut params = [units, queries, keys, op.heads, head / 4, blocks]
        .map(word)
        .to_vec();
    params.push((1.0 / (head as f32).sqrt()).to_bits());
    let bindings = vec![
        Binding::Input(0),
        Binding::Input(1),
        Binding::Input(2),
        Binding::Output(0),
    ];
    let dispatch = Dispatch {
        variant,
        bindings,
        params,
        groups: spread(NAME, units as u64, caps)?,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    DIMS.into_iter()
        .flat_map(|dim| [simt_variant(dim), few_variant(dim)])
        .collect()
}
