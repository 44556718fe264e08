//! Every kernel's cases on every backend, against the plain reference; in checked and unchecked shader mode.

use std::sync::Arc;

use cleanplate_engine::{Backend, BackendChoice, EngineOptions, Graph};
use cleanplate_kernels::{Case, Data, KERNELS, Tensor};

fn open(backend: BackendChoice, checked_shaders: bool) -> Arc<dyn Backend> {
    let options = EngineOptions {
        backend,
        checked_shaders,
        ..EngineOptions::default()
    };
    cleanplate_engine::open(&options).unwrap_or_else(|e| {
        panic!("{e}; on Debian: apt-get install mesa-vulkan-drivers libvulkan1")
    })
}

/// Largest excess over the tolerance, `None` when all values are within.
fn worst(got: &Tensor, want: &Tensor, case: &Case) -> Option<String> {
    assert_eq!(got.shape, want.shape, "{}", case.name);
    let floats = |t: &Tensor| match &t.data {
        Data::F32(v) => v.clone(),
        Data::U8(v) => v.iter().map(|b| f32::from(*b)).collect(),
        Data::U32(v) => v.iter().map(|word| *word as f32).collect(),
    };
    let (got, want) = (floats(got), floats(want));
    let bound = |w: f32| case.tolerance.absolute + case.tolerance.relative * w.abs();
    // A NaN is off, too.
    let off = got
        .iter()
        .zip(&want)
        .enumerate()
        .filter(|(_, (g, w))| (*g - *w).abs() > bound(**w) || !(*g - *w).is_finite());
    let all: Vec<_> = off.collect();
    let (at, (g, w)) = all.first()?;
    Some(format!(
        "{} of {} values off, first at {at}: got {g}, want {w} (tolerance: {})",
        all.len(),
        want.len(),
        case.tolerance.why
    ))
}

fn check(backend: &dyn Backend) {
    let mut failures = Vec::new();
    let mut count = 0;
    for kernel in KERNELS {
        let cases = (kernel.cases)();
        assert!(!cases.is_empty(), "{} has no cases", kernel.name);
        for case in cases {
            count += 1;
            let mut graph = Graph::new();
            let inputs: Vec<_> = case
                .inputs
                .iter()
                .map(|t| {
                    graph.input(cleanplate_kernels::TensorSpec {
                        dtype: t.dtype(),
                        shape: t.shape.clone(),
                    })
                })
                .collect();
            let outputs = graph
                .add_multi(&case.name, Arc::clone(&case.op), &inputs)
                .unwrap();
            outputs.into_iter().for_each(|o| graph.output(o));
            let views: Vec<_> = case.inputs.iter().map(Tensor::view).collect();
            let result = backend.compile(&graph).and_then(|e| e.run(&views));
            let label = format!("{} [{}]", kernel.name, case.name);
            match result {
                Err(error) => failures.push(format!("{label}: {error}")),
                Ok(got) => {
                    let want = case.op.reference(&views);
                    failures.extend(
                        got.iter()
                            .zip(&want)
                            .filter_map(|(g, w)| worst(g, w, &case))
                            .map(|w| format!("{label}: {w}")),
                    );
                }
            }
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
