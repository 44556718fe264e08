//! What a device can do, as far as kernel variants depend on it. Facts only, no policy.

/// A family of shader strategies. A kernel implements `Simt`; the others where they pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Any GPU: workgroup-memory tiles, barriers.
    Simt,
    /// Software rasterisers (lavapipe): no shared memory, weights spread over lanes and broadcast by
    /// `subgroupShuffle` with a constant lane. Needs subgroups of exactly [`Caps::subgroup_size`] lanes.
    CpuSimd,
}

/// Device facts that decide between kernel variants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caps {
    /// The strategy family to use.
    pub family: Family,
    /// Lanes per subgroup when fixed, 0 when subgroup functions are not available or the size varies.
    pub subgroup_size: u32,
    /// Workgroup memory in bytes.
    pub workgroup_bytes_max: u32,
    /// Invocations per workgroup.
    pub workgroup_invocations_max: u32,
    /// Workgroups per dispatch dimension.
    pub workgroups_per_dimension_max: u32,
    /// Largest storage binding in bytes.
    pub binding_bytes_max: u64,
}

impl Caps {
    /// WebGPU's guaranteed minimum: what every adapter has.
    pub fn baseline() -> Self {
        Caps {
            family: Family::Simt,
            subgroup_size: 0,
            workgroup_bytes_max: 16 << 10,
            workgroup_invocations_max: 256,
            workgroups_per_dimension_max: 65_535,
            binding_bytes_max: 128 << 20,
        }
    }
    /// Mesa lavapipe with 256-bit vectors.
    pub fn lavapipe() -> Self {
        Caps {
            family: Family::CpuSimd,
            subgroup_size: 8,
            workgroup_bytes_max: 32 << 10,
            workgroup_invocations_max: 1024,
            workgroups_per_dimension_max: 65_535,
            binding_bytes_max: 128 << 20,
        }
    }
}
