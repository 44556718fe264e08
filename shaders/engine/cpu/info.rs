//! Names of the processor and its vector extension.

use cleanplate_kernels::common::native::Isa;

use crate::DeviceInfo;

pub(super) fn device() -> DeviceInfo {
    let cores = rayon::current_num_threads();
    DeviceInfo {
        backend: "cpu",
        name: format!("{} ({cores} threads)", processor()),
        driver: simd_level().into(),
        kind: "cpu",
    }
}

/// The processor's own name where the system tells it, otherwise its architecture.
fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").ok();
    let line = told.as_deref().and_then(|text| {
        text.lines()
            .find_map(|line| line.strip_prefix("model name"))
    });
    line.map(|rest| rest.trim_start_matches([':', ' ', '\t']).trim().to_string())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// The instructions that the twins use here.
fn simd_level() -> &'static str {
    match Isa::active() {
        Isa::Avx512 => "avx512",
        Isa::Avx2 => "avx2+fma",
        Isa::Portable if cfg!(target_arch = "x86_64") => "sse2",
        Isa::Portable if cfg!(target_arch = "aarch64") => "neon",
        Isa::Portable => "scalar",
    }
}
