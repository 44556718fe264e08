//! Every case of every kernel on both backends, compared with the kernel's reference.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use cleanplate_engine::{Backend, BackendChoice, EngineOptions, Graph, Tensor, TensorRef, TensorSpec, open};
use cleanplate_kernels::{Case, Data, KERNELS, Tolerance};

fn backend(choice: BackendChoice, checked_shaders: bool) -> Arc<dyn Backend> {
    let options = EngineOptions { backend: choice, checked_shaders, ..EngineOptions::default() };
    open(&options).unwrap_or_else(|e| panic!("{e}; these tests need a Vulkan adapter, mesa-vulkan-drivers has a software one"))
}

fn run(backend: &dyn Backend, case: &Case) -> Result<Vec<Tensor>, String> {
    let mut graph = Graph::new();
    let spec = |t: &Tensor| TensorSpec { dtype: t.dtype(), shape: t.shape.clone() };
    let inputs: Vec<_> = case.inputs.iter().map(|t| graph.input(spec(t))).collect();
    let outputs = graph.add_multi(&case.name, case.op.clone(), &inputs).map_err(|e| e.to_string())?;
    outputs.into_iter().for_each(|id| graph.output(id));
    let views: Vec<TensorRef<'_>> = case.inputs.iter().map(Tensor::view).collect();
    let executable = backend.compile(&graph).map_err(|e| e.to_string())?;
    executable.run(&views).map_err(|e| e.to_string())
}

/// The first element out of tolerance.
fn difference(got: &Tensor, want: &Tensor, tolerance: &Tolerance) -> Option<String> {
    if got.shape != want.shape || got.dtype() != want.dtype() {
        return Some(format!("{:?} {} instead of {:?} {}", got.dtype(), got.shape, want.dtype(), want.shape));
    }
    let numbers = |t: &Tensor| -> Vec<f64> {
        match &t.data {
            Data::F32(v) => v.iter().map(|x| f64::from(*x)).collect(),
            Data::U8(v) => v.iter().map(|x| f64::from(*x)).collect(),
            Data::U32(v) => v.iter().map(|x| f64::from(*x)).collect(),
        }
    };
    let within = |got: f64, want: f64| (got - want).abs() <= f64::from(tolerance.absolute) + f64::from(tolerance.relative) * want.abs();
    let (got, want) = (numbers(got), numbers(want));
    let bad = (0..got.len()).find(|i| !within(got[*i], want[*i]))?;
    let count = (0..got.len()).filter(|i| !within(got[*i], want[*i])).count();
    Some(format!("{count} of {} elements, first at {bad}: {} instead of {}", got.len(), got[bad], want[bad]))
}

fn all_cases(backend: &dyn Backend) {
    let (mut count, mut failures) = (0, Vec::new());
    for kernel in KERNELS {
        for case in (kernel.cases)() {
            count += 1;
            let views: Vec<TensorRef<'_>> = case.inputs.iter().map(Tensor::view).collect();
            let want = case.op.reference(&views);
            let name = format!("{} / {}", kernel.name, case.name);
            match run(backend, &case) {
                Err(error) => failures.push(format!("{name}: {error}")),
                Ok(got) if got.len() != want.len() => failures.push(format!("{name}: {} outputs instead of {}", got.len(), want.len())),
                Ok(got) => {
                    let wrong = got.iter().zip(&want).find_map(|(got, want)| difference(got, want, &case.tolerance));
                    failures.extend(wrong.map(|what| format!("{name}: {what}")));
                }
            }
        }
    }
    assert!(count > KERNELS.len(), "only {count} cases");
    assert!(failures.is_empty(), "{} of {count} cases fail on {:?}:\n{}", failures.len(), backend.device(), failures.join("\n"));
}

#[test]
fn cases_on_the_processor() {
    all_cases(&*backend(BackendChoice::Cpu, false));
}

#[test]
fn cases_on_wgpu() {
    all_cases(&*backend(BackendChoice::Wgpu, false));
}

#[test]
fn cases_on_wgpu_with_checked_shaders() {
    all_cases(&*backend(BackendChoice::Wgpu, true));
}
