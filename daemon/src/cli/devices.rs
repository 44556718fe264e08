//! `devices`: what pipelines could run on here.

use std::process::ExitCode;

use cleanplate_engine::{Backend, EngineOptions};
use cleanplate_engine::{BackendChoice, CpuBackend};
use serde_json::json;

use super::args::ListDevices;
use super::print_json;
use crate::jobs::adapters;

/// Lists them.
pub fn run(args: &ListDevices) -> anyhow::Result<ExitCode> {
    let (any, real) = (adapters(BackendChoice::Wgpu), adapters(BackendChoice::Auto));
    let processor = CpuBackend::new(&EngineOptions::default()).device();
    if args.output.json {
        let adapters = any
            .iter()
            .map(|name| json!({ "name": name, "hardware": real.contains(name) }));
        let adapters: Vec<_> = adapters.collect();
        print_json(&json!({ "adapters": adapters, "cpu": processor }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for name in &any {
        let kind = match real.contains(name) {
            true => "GPU",
            false => "software, only with backend \"wgpu\"",
        };
        println!("{name} ({kind})");
    }
    println!("{} (CPU, {})", processor.name, processor.driver);
    if real.is_empty() {
        println!("no GPU was found: with backend \"auto\" the CPU is used");
    }
    Ok(ExitCode::SUCCESS)
}
