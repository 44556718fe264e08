//! Every case of every kernel: the fast CPU twin against the plain reference, for each instruction set of this
//! processor, on one and on two threads.

#![allow(clippy::expect_used)]

use std::sync::Arc;

use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::common::native::Isa;
use cleanplate_kernels::conv2d::{Conv2d, Padding};
use cleanplate_kernels::testing::Rng;
use cleanplate_kernels::{
    Case, DType, Data, KERNELS, Op, Tensor, TensorMut, TensorSpec, Tolerance,
};

/// Runs the twin with outputs and scratch full of NaN (or 0xAA), so that anything not written shows.
fn native(case: &Case) -> Vec<Tensor> {
    let specs = case.specs();
    let outputs = case
        .op
        .infer(&specs)
        .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let mut scratch = vec![f32::NAN; case.op.native_scratch(&specs)];
    let blank = |spec: &TensorSpec| match spec.dtype {
        DType::F32 => Tensor::f32(spec.shape.dims(), vec![f32::NAN; spec.shape.elements()]),
        DType::U8 => Tensor::u8(spec.shape.dims(), vec![0xAA; spec.shape.elements()]),
        DType::U32 => Tensor::u32(spec.shape.dims(), vec![0xAAAA_AAAA; spec.shape.elements()]),
    };
    let mut outputs: Vec<Tensor> = outputs.iter().map(blank).collect();
    let mut views: Vec<_> = outputs.iter_mut().map(view_mut).collect();
    case.op.native(&case.views(), &mut views, &mut scratch);
    outputs
}

fn view_mut(tensor: &mut Tensor) -> TensorMut<'_> {
    match &mut tensor.data {
        Data::F32(v) => TensorMut::F32(&tensor.shape, v),
        Data::U8(v) => TensorMut::U8(&tensor.shape, v),
        Data::U32(v) => TensorMut::U32(&tensor.shape, v),
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a small pool")
}

/// Runs the cases (made anew for every run) for each instruction set, on one and on two threads.
fn failures(kernel: &str, cases: impl Fn() -> Vec<Case>) -> Vec<String> {
    let want: Vec<_> = cases().iter().map(Case::want).collect();
    let pools = [pool(1), pool(2)];
    let mut failures = Vec::new();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_supported()) {
        Isa::set_limit(isa);
        for pool in &pools {
            for (case, want) in cases().iter().zip(&want) {
                let got = pool.install(|| native(case));
                if let Some(text) = case.check(&got, want).miss {
                    let threads = pool.current_num_threads();
                    failures.push(format!(
                        "{kernel} / {} / {isa:?} / {threads} threads: {text}",
                        case.name
                    ));
                }
            }
        }
    }
    failures
}

/// Name, segments as (input channels, kernel), output channels, height and width, batch, reflect padding.
type Large = (
    &'static str,
    &'static [(usize, usize)],
    usize,
    [usize; 2],
    usize,
    bool,
);

/// Convolutions large enough for strategies that small cases do not reach: kernel sizes and channels of the segments,
/// output channels, height and width, images, padding.
#[rustfmt::skip]
const LARGE: &[Large] = &[
    ("winograd, two segments, batch 2, partial tiles", &[(3, 33), (3, 20)], 45, [23, 37], 2, true),
    ("winograd, zero padding, partial tiles", &[(3, 40)], 34, [18, 50], 1, false),
    ("winograd beside a 1x1 segment", &[(3, 32), (1, 21)], 36, [40, 32], 1, true),
    ("winograd in several blocks of rows", &[(3, 32)], 32, [140, 150], 1, true),
    ("winograd, as many channels as big-lama", &[(3, 128), (3, 384)], 40, [20, 28], 1, true),
    ("winograd, narrow map", &[(3, 32)], 32, [67, 3], 1, true),
    ("narrow output, several panels, batch 2", &[(7, 9)], 3, [9, 75], 2, true),
    ("narrow output, zero padding", &[(3, 9)], 5, [10, 40], 1, false),
    ("many channels, several blocks of pixels", &[(1, 300), (1, 200)], 70, [30, 31], 1, false),
];

fn large() -> Vec<Case> {
    let mut rng = Rng::new(77);
    let mut convolution = |ic: usize, oc: usize, k: usize, total: usize, reflect: bool| {
        let weight = Tensor::f32(
            &[oc, ic, k, k],
            rng.values(oc * ic * k * k, 1.0 / (total as f32).sqrt()),
        );
        let padding = if reflect && k > 1 {
            Padding::Reflect(k / 2)
        } else {
            Padding::Zero(k / 2)
        };
        Conv2d::new(&weight, Some(&rng.values(oc, 0.5)), 1, padding).expect("valid parameters")
    };
    let case = |(name, segments, oc, [h, w], n, reflect): &Large| {
        let total = segments.iter().map(|(k, ic)| k * k * ic).sum();
        let mut parts = segments
            .iter()
            .map(|(k, ic)| convolution(*ic, *oc, *k, total, *reflect));
        let first: Arc<dyn Op> = Arc::new(parts.next().expect("a segment"));
        let sum = parts.fold(first, |sum, part| sum.merge_add(&part).expect("mergeable"));
        let op = sum
            .absorb(&Activation::Relu)
            .and_then(|op| op.absorb_add())
            .expect("an epilogue");
        let channels = segments.iter().map(|(_, ic)| *ic).chain([*oc]);
        let mut values = Rng::new(78);
        let inputs = channels
            .map(|c| Tensor::f32(&[*n, c, *h, *w], values.values(n * c * h * w, 1.0)))
            .collect();
        let tolerance = Tolerance {
            absolute: 2e-5,
            relative: 2e-5,
            why: "as the kernel's own cases",
        };
        Case {
            name: (*name).to_string(),
            op,
            inputs,
            tolerance,
        }
    };
    LARGE.iter().map(case).collect()
}

// One test: the limit on the instruction set belongs to the process.
#[test]
fn twins_agree_with_references() {
    let mut all: Vec<String> = KERNELS
        .iter()
        .flat_map(|kernel| failures(kernel.name, kernel.cases))
        .collect();
    all.extend(failures("conv2d", large));
    assert!(
        all.is_empty(),
        "{} failures:\n{}",
        all.len(),
        all.join("\n")
    );
}
