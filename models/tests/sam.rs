//! The published networks' stored answers, on every backend.

use std::path::Path;

use cleanplate_engine::{BackendChoice, EngineOptions};

fn check(file: &str, backend: BackendChoice) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sam/golden").join(file);
    let options = EngineOptions { backend, ..EngineOptions::default() };
    let backend = cleanplate_engine::open(&options).unwrap_or_else(|e| panic!("{e}; on Debian: apt-get install mesa-vulkan-drivers libvulkan1"));
    let lines = cleanplate_models::golden::check(&path, backend.as_ref()).unwrap_or_else(|e| panic!("{e}"));
    for line in &lines {
        println!("{} {} {:.2e} of {:.2e} {}", line.case, line.tensor, line.max_abs_error, line.tolerance, line.detail);
    }
    assert_eq!(lines.len(), 1 + 3 * 3, "an embedding, and logits, quality and mask of three prompts");
    let missed: Vec<_> = lines.iter().filter(|l| !l.pass).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn mobile_sam_cpu() {
    check("mobile_sam_tiny.safetensors", BackendChoice::Cpu);
}

#[test]
fn vit_cpu() {
    check("sam_vit_tiny.safetensors", BackendChoice::Cpu);
}

#[test]
fn mobile_sam_wgpu() {
    check("mobile_sam_tiny.safetensors", BackendChoice::Wgpu);
}

#[test]
fn vit_wgpu() {
    check("sam_vit_tiny.safetensors", BackendChoice::Wgpu);
}
