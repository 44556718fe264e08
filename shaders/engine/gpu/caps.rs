//! What kernels need to know of an adapter.

use cleanplate_kernels::caps::{Caps, Family};

/// Lanes that the processor-rasteriser shaders are written for.
const CPU_SIMD_LANES: u32 = 8;

/// Capabilities of a device opened with `features` and `limits` on an adapter.
pub(super) fn caps(
    info: &wgpu::AdapterInfo,
    features: wgpu::Features,
    limits: &wgpu::Limits,
) -> Caps {
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    let subgroup_size = if fixed && features.contains(wgpu::Features::SUBGROUP) {
        info.subgroup_max_size
    } else {
        0
    };
    let software = info.device_type == wgpu::DeviceType::Cpu;
    Caps {
        family: if software && subgroup_size == CPU_SIMD_LANES {
            Family::CpuSimd
        } else {
            Family::Simt
        },
        subgroup_size,
        workgroup_bytes_max: limits.max_compute_workgroup_storage_size,
        workgroup_invocations_max: limits.max_compute_invocations_per_workgroup,
        workgroups_per_dimension_max: limits.max_compute_workgroups_per_dimension,
        binding_bytes_max: limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(device_type: wgpu::DeviceType, lanes: [u32; 2]) -> wgpu::AdapterInfo {
        let mut info = wgpu::AdapterInfo::new(device_type, wgpu::Backend::Vulkan);
        [info.subgroup_min_size, info.subgroup_max_size] = lanes;
        info
    }

    #[test]
    fn only_software_with_eight_fixed_lanes_is_cpu_simd() {
        let family = |kind, lanes, features| {
            caps(&info(kind, lanes), features, &wgpu::Limits::default()).family
        };
        let (cpu, gpu, subgroup) = (
            wgpu::DeviceType::Cpu,
            wgpu::DeviceType::DiscreteGpu,
            wgpu::Features::SUBGROUP,
        );
        assert_eq!(family(cpu, [8, 8], subgroup), Family::CpuSimd);
        assert_eq!(family(cpu, [8, 8], wgpu::Features::empty()), Family::Simt);
        assert_eq!(family(cpu, [4, 8], subgroup), Family::Simt);
        assert_eq!(family(cpu, [16, 16], subgroup), Family::Simt);
        assert_eq!(family(gpu, [8, 8], subgroup), Family::Simt);
    }

    #[test]
    fn varying_subgroups_have_no_size() {
        let size = |lanes| {
            caps(
                &info(wgpu::DeviceType::IntegratedGpu, lanes),
                wgpu::Features::SUBGROUP,
                &wgpu::Limits::default(),
            )
            .subgroup_size
        };
        assert_eq!((size([8, 32]), size([32, 32])), (0, 32));
    }
}
