//! Every kernel's cases on every backend, against the plain reference; in checked and unchecked shader mode.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use cleanplate_engine::{Backend, BackendChoice, EngineError, EngineOptions, Graph};
use cleanplate_kernels::{Case, KERNELS, Tensor};

fn open(backend: BackendChoice, checked_shaders: bool) -> Arc<dyn Backend> {
    let options = EngineOptions {
        backend,
        checked_shaders,
        // Software adapters compile in the first run, on a loaded machine for minutes.
        wait_s_max: 600,
        ..EngineOptions::default()
    };
    cleanplate_engine::open(&options).unwrap_or_else(|e| {
        panic!("{e}; on Debian: apt-get install mesa-vulkan-drivers libvulkan1")
    })
}

fn run(case: &Case, backend: &dyn Backend) -> Result<Vec<Tensor>, EngineError> {
    let graph = Graph::single(&case.name, Arc::clone(&case.op), &case.specs())?;
    backend.compile(&graph)?.run(&case.views())
}

fn check(backend: &dyn Backend) {
    let mut failures = Vec::new();
    let mut count = 0;
    for kernel in KERNELS {
        let cases = (kernel.cases)();
        assert!(!cases.is_empty(), "{} has no cases", kernel.name);
        for case in cases {
            count += 1;
            let miss = match run(&case, backend) {
                Ok(got) => case.check(&got, &case.want()).miss,
                Err(error) => Some(error.to_string()),
            };
            failures.extend(miss.map(|text| format!("{} [{}]: {text}", kernel.name, case.name)));
        }
    }
    assert!(count > 40, "only {count} cases");
    assert!(
        failures.is_empty(),
        "{} of {count} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn cpu() {
    check(open(BackendChoice::Cpu, false).as_ref());
}

#[test]
fn wgpu_unchecked() {
    check(open(BackendChoice::Wgpu, false).as_ref());
}

#[test]
fn wgpu_checked() {
    check(open(BackendChoice::Wgpu, true).as_ref());
}
