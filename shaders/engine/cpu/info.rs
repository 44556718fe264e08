//! Names of the processor and its vector extension.

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

#[cfg(target_arch = "x86_64")]
fn simd_level() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx512f") {
        "avx512"
    } else if std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma")
    {
        "avx2+fma"
    } else if std::arch::is_x86_feature_detected!("avx") {
        "avx"
    } else {
        "sse2"
    }
}

#[cfg(target_arch = "aarch64")]
fn simd_level() -> &'static str {
    "neon"
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn simd_level() -> &'static str {
    "scalar"
}
