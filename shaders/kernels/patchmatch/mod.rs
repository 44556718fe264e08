//! What the kernels of the patch-based fill share: multi-scale PatchMatch with voting, exact in integers.
//!
//! Everything up to the last vote is integer arithmetic with a fixed meaning, so that the CPU twins and the shaders give the
//! same nearest-neighbour field bit for bit, on any number of threads. Two words describe a pixel:
//!
//! * the **site** (one `u32`, made by the host from the mask, see [`site`]): what the pixel is and how its patch is weighted;
//! * the **texel** (four `u32`, eight signed 16-bit channels, channel `2k` in the low half of word `k`): luma, blue and red
//!   difference, horizontal and vertical texture, and three channels of a blurred guide; all already scaled by the weight that
//!   they have in a patch distance, in units of 1/1024.
//!
//! A nearest-neighbour field (NNF) is `u32 [H, W]`: for each target pixel the index `y * W + x` of the centre of its source
//! patch, for others [`NONE`]. A distance is `u32 [H, W]`: the weighted sum of squared differences over the patch.
//!
//! Order of work: [`texels`] -> [`down`] (and [`texture`] on the finer levels of a large photo) to the coarsest level ->
//! [`rays`] -> per level ([`search`], [`vote`])* with [`upsample`] between levels -> [`pick`], [`compose`] ->
//! [`crate::poisson`].

pub mod compose;
pub mod down;
pub mod pick;
pub mod rays;
pub(crate) mod scene;
pub mod search;
pub mod site;
pub mod texels;
pub mod texture;
pub mod upsample;
pub mod vote;
pub(crate) mod votes;
mod weights;

use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread};
use crate::error::KernelError;
use crate::op::{TensorSpec, Tolerance};
use crate::program::{Binding, Dispatch, Program, Variant};

/// "No source": the NNF entry of a pixel that is no target.
pub const NONE: u32 = u32::MAX;
/// Channels of a texel.
pub const CHANNELS: usize = 8;
/// Channels that voting carries: luma, two colour differences, two textures. The rest is the guide, which is fixed.
pub const VOTED: usize = 5;
/// Words of a texel.
pub const WORDS: usize = 4;
/// Greatest magnitude of a texel channel: bounds every patch sum below 2^32.
pub const TEXEL_MAX: i32 = 2047;
/// Greatest patch radius.
pub const RADIUS_MAX: usize = 3;

/// The twins and shaders of integer kernels agree bit for bit.
pub(crate) const EXACT: Tolerance = Tolerance {
    absolute: 0.0,
    relative: 0.0,
    why: "integers only",
};

/// One pixel's channels.
pub(crate) type Texel = [i16; CHANNELS];

/// Views packed words as texels. The low half of a word comes first in memory on every supported (little-endian) machine.
pub(crate) fn texels_of(words: &[u32]) -> &[Texel] {
    bytemuck::cast_slice(words)
}

/// See [`texels_of`].
pub(crate) fn texels_of_mut(words: &mut [u32]) -> &mut [Texel] {
    bytemuck::cast_slice_mut(words)
}

#[cfg(target_endian = "big")]
compile_error!("texels are packed little-endian");

/// A well-mixed 32-bit number for three keys: the only source of randomness (seed, pixel, round).
pub fn hash(a: u32, b: u32, c: u32) -> u32 {
    let mut x =
        a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca77) ^ c.wrapping_mul(0xc2b2_ae3d);
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// `[H, W]` of a site, NNF or distance plane.
pub(crate) fn plane(
    op: &'static str,
    what: &str,
    spec: &TensorSpec,
) -> Result<[usize; 2], KernelError> {
    match spec.shape.dims() {
        [h, w] if *spec == TensorSpec::u32(&[*h, *w]) && h * w > 0 && h * w < NONE as usize => {
            Ok([*h, *w])
        }
        _ => Err(mismatch(op, format!("{what} u32 [H, W]"), spec)),
    }
}

/// Checks that `spec` is exactly `want`.
pub(crate) fn exact(
    op: &'static str,
    what: &str,
    spec: &TensorSpec,
    want: &TensorSpec,
) -> Result<(), KernelError> {
    if spec == want {
        Ok(())
    } else {
        Err(mismatch(op, format!("{what} {want:?}"), spec))
    }
}

pub(crate) fn mismatch(op: &'static str, expected: String, got: &TensorSpec) -> KernelError {
    KernelError::Mismatch {
        op,
        expected,
        got: format!("{got:?}"),
    }
}

pub(crate) fn arity(op: &'static str, expected: &str, inputs: &[TensorSpec]) -> KernelError {
    KernelError::Mismatch {
        op,
        expected: expected.into(),
        got: format!("{} inputs", inputs.len()),
    }
}

pub(crate) fn radius(op: &'static str, radius: usize) -> Result<(), KernelError> {
    if (1..=RADIUS_MAX).contains(&radius) {
        return Ok(());
    }
    Err(KernelError::Parameters {
        op,
        why: format!("patch radius {radius} is outside 1..={RADIUS_MAX}"),
    })
}

/// Invocations per workgroup of the shaders here: one pixel each.
const PIXELS_PER_GROUP: usize = 64;

/// A program of one dispatch with one invocation per pixel, which binds the inputs `bound`, then all outputs.
pub(crate) fn per_pixel(
    variant: Variant,
    inputs: &[TensorSpec],
    bound: &[usize],
    outputs: &[TensorSpec],
    params: Vec<u32>,
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(variant.kernel, inputs, &[], caps)?;
    check_bindings(variant.kernel, outputs, &[], caps)?;
    let pixels = outputs
        .first()
        .map_or(0, |o| o.shape.dims().iter().take(2).product::<usize>());
    let groups = spread(
        variant.kernel,
        pixels.div_ceil(PIXELS_PER_GROUP) as u64,
        caps,
    )?;
    let bindings = bound
        .iter()
        .copied()
        .map(Binding::Input)
        .chain((0..outputs.len()).map(Binding::Output))
        .collect();
    Ok(Program {
        dispatches: vec![Dispatch {
            variant,
            bindings,
            params,
            groups,
        }],
        scratch_bytes: Vec::new(),
    })
}
