//! How kernels spread work over workgroups and check it against device limits.

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::TensorSpec;

/// Workgroups for `count` units of work, one workgroup each, over x and (past the device's limit) y.
/// Shaders recover the unit as `wg.y * groups.x + wg.x` and skip units past the end.
pub(crate) fn spread(op: &'static str, count: u64, caps: &Caps) -> Result<[u32; 3], KernelError> {
    let max = u64::from(caps.workgroups_per_dimension_max);
    let x = count.clamp(1, max);
    let y = count.div_ceil(x).max(1);
    if y > max {
        return Err(KernelError::Limit {
            op,
            need: format!("{count} workgroups"),
            have: format!("{max} per dimension"),
            remedy: "use a smaller working size".into(),
        });
    }
    Ok([x as u32, y as u32, 1])
}

/// Refuses tensors and scratch buffers that one binding of the device cannot show.
pub(crate) fn check_bindings<'a>(
    op: &'static str,
    tensors: impl IntoIterator<Item = &'a TensorSpec>,
    scratch_bytes: &[u64],
    caps: &Caps,
) -> Result<(), KernelError> {
    let largest = tensors
        .into_iter()
        .map(TensorSpec::bytes)
        .chain(scratch_bytes.iter().copied())
        .max()
        .unwrap_or(0);
    // Shaders index elements with 32 bits.
    let have = caps.binding_bytes_max.min(u64::from(u32::MAX));
    if largest > have {
        return Err(KernelError::Limit {
            op,
            need: format!("a buffer of {largest} bytes"),
            have: format!("bindings of {have} bytes"),
            remedy: "use a smaller working size or batch".into(),
        });
    }
    Ok(())
}

/// A word of a `params` block. Axis lengths fit: [`check_bindings`] bounds every tensor below 2^32 elements.
pub(crate) fn word(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
