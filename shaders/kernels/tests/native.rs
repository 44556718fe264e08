//! Every case of every kernel: the fast CPU twin against the plain reference, for each instruction set of this
//! processor, on one and on two threads.

#![allow(clippy::expect_used)]

use cleanplate_kernels::native::Isa;
use cleanplate_kernels::{Case, DType, Data, KERNELS, Tensor, TensorMut, TensorSpec};

/// Runs the twin with outputs and scratch full of NaN (or 0xAA), so that anything not written shows.
fn native(case: &Case) -> Vec<Tensor> {
    let specs: Vec<TensorSpec> = case.inputs.iter().map(|t| TensorSpec { dtype: t.dtype(), shape: t.shape.clone() }).collect();
    let outputs = case.op.infer(&specs).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let mut scratch = vec![f32::NAN; case.op.native_scratch(&specs)];
    let inputs: Vec<_> = case.inputs.iter().map(Tensor::view).collect();
    let blank = |spec: &TensorSpec| match spec.dtype {
        DType::F32 => Tensor::f32(spec.shape.dims(), vec![f32::NAN; spec.shape.elements()]),
        DType::U8 => Tensor::u8(spec.shape.dims(), vec![0xAA; spec.shape.elements()]),
        DType::U32 => Tensor::u32(spec.shape.dims(), vec![0xAAAA_AAAA; spec.shape.elements()]),
    };
    let mut outputs: Vec<Tensor> = outputs.iter().map(blank).collect();
    let mut views: Vec<_> = outputs.iter_mut().map(view_mut).collect();
    case.op.native(&inputs, &mut views, &mut scratch);
    outputs
}

fn view_mut(tensor: &mut Tensor) -> TensorMut<'_> {
    match &mut tensor.data {
        Data::F32(v) => TensorMut::F32(&tensor.shape, v),
        Data::U8(v) => TensorMut::U8(&tensor.shape, v),
        Data::U32(v) => TensorMut::U32(&tensor.shape, v),
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    match &tensor.data {
        Data::F32(v) => v.iter().map(|v| f64::from(*v)).collect(),
        Data::U8(v) => v.iter().map(|v| f64::from(*v)).collect(),
        Data::U32(v) => v.iter().map(|v| f64::from(*v)).collect(),
    }
}

/// The worst element that breaks the tolerance, as text.
fn difference(case: &Case, got: &Tensor, want: &Tensor) -> Option<String> {
    if got.shape != want.shape {
        return Some(format!("shape {} instead of {}", got.shape, want.shape));
    }
    let excess = |g: f64, w: f64| {
        let excess = (g - w).abs() - f64::from(case.tolerance.absolute) - f64::from(case.tolerance.relative) * w.abs();
        if excess.is_nan() { f64::INFINITY } else { excess }
    };
    let (got, want) = (values(got), values(want));
    let worst = (0..got.len()).max_by(|a, b| excess(got[*a], want[*a]).total_cmp(&excess(got[*b], want[*b])))?;
    (excess(got[worst], want[worst]) > 0.0).then(|| format!("element {worst} is {} instead of {}", got[worst], want[worst]))
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool")
}

#[test]
fn twins_agree_with_references() {
    let pools = [pool(1), pool(2)];
    let mut failures = Vec::new();
    for kernel in KERNELS {
        let want: Vec<_> =
            (kernel.cases)().iter().map(|c| c.op.reference(&c.inputs.iter().map(Tensor::view).collect::<Vec<_>>())).collect();
        for (isa, pool) in Isa::ALL.iter().filter(|isa| isa.is_supported()).flat_map(|isa| pools.iter().map(move |p| (*isa, p))) {
            Isa::set_limit(isa);
            // Fresh cases: weights stay packed for the instruction set of their first use.
            for (case, want) in (kernel.cases)().iter().zip(&want) {
                let got = pool.install(|| native(case));
                for text in got.iter().zip(want).filter_map(|(got, want)| difference(case, got, want)) {
                    let threads = pool.current_num_threads();
                    failures.push(format!("{} / {} / {isa:?} / {threads} threads: {text}", kernel.name, case.name));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
