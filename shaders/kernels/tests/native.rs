//! Every case of every kernel: the fast CPU twin against the plain reference, for each instruction set of this
//! processor, on one and on two threads.

use cleanplate_kernels::native::Isa;
use cleanplate_kernels::{Case, DType, KERNELS, Tensor, TensorMut, TensorSpec};

/// Runs the twin with outputs and scratch full of NaN (or 0xAA), so that anything not written shows.
fn native(case: &Case) -> Vec<Tensor> {
    let specs: Vec<TensorSpec> = case.inputs.iter().map(|t| TensorSpec { dtype: t.dtype(), shape: t.shape.clone() }).collect();
    let outputs = case.op.infer(&specs).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let mut scratch = vec![f32::NAN; case.op.native_scratch(&specs)];
    let inputs: Vec<_> = case.inputs.iter().map(Tensor::view).collect();
    let run_one = |spec: &TensorSpec| {
        let n = spec.shape.elements();
        match spec.dtype {
            DType::F32 => {
                let mut data = vec![f32::NAN; n];
                case.op.native(&inputs, &mut [TensorMut::F32(&spec.shape, &mut data)], &mut scratch);
                Tensor::f32(spec.shape.dims(), data)
            }
            DType::U8 => {
                let mut data = vec![0xAA; n];
                case.op.native(&inputs, &mut [TensorMut::U8(&spec.shape, &mut data)], &mut scratch);
                Tensor::u8(spec.shape.dims(), data)
            }
        }
    };
    outputs.iter().map(run_one).collect()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.as_f32().map_or_else(|| tensor.as_u8().unwrap_or(&[]).iter().map(|v| f32::from(*v)).collect(), <[f32]>::to_vec)
}

/// The worst element that breaks the tolerance, as text.
fn difference(case: &Case, got: &Tensor, want: &Tensor) -> Option<String> {
    if got.shape != want.shape {
        return Some(format!("shape {} instead of {}", got.shape, want.shape));
    }
    let excess = |g: f32, w: f32| {
        let excess = (g - w).abs() - case.tolerance.absolute - case.tolerance.relative * w.abs();
        if excess.is_nan() { f32::INFINITY } else { excess }
    };
    let (got, want) = (values(got), values(want));
    let worst = (0..got.len()).max_by(|a, b| excess(got[*a], want[*a]).total_cmp(&excess(got[*b], want[*b])))?;
    (excess(got[worst], want[worst]) > 0.0).then(|| format!("element {worst} is {} instead of {}", got[worst], want[worst]))
}

#[test]
fn twins_agree_with_references() {
    let mut failures = Vec::new();
    for kernel in KERNELS {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_supported()) {
            Isa::set_limit(isa);
            // Fresh cases: weights stay packed for the instruction set of their first use.
            for (threads, case) in [1, 2].into_iter().flat_map(|threads| (kernel.cases)().into_iter().map(move |c| (threads, c))) {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
                let inputs: Vec<_> = case.inputs.iter().map(Tensor::view).collect();
                let want = case.op.reference(&inputs);
                let got = pool.install(|| native(&case));
                for (got, want) in got.iter().zip(&want) {
                    if let Some(text) = difference(&case, got, want) {
                        failures.push(format!("{} / {} / {isa:?} / {threads} threads: {text}", kernel.name, case.name));
                    }
                }
            }
        }
    }
    Isa::set_limit(Isa::Avx512);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
