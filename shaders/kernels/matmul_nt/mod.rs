//! Products of the rows of two token lists: `out[n,i,j] = sum_c a[n,i,c] * b[n,j,c]` (SAM's masks: hypernetwork rows
//! times pixels).

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "matmul_nt";

/// Inputs: a `[N, M, C]`, b `[N, P, C]` or `[N, H, W, C]`. Output `[N, M, P]` or `[N, M, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MatmulNt;

impl Op for MatmulNt {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: "f32 [N, M, C] and [N, P, C] or [N, H, W, C]".into(),
            got: format!("{inputs:?}"),
        };
        let [a, b] = inputs else { return Err(wrong()) };
        let ([n, m, c], [bn, rest @ .., bc]) = (a.shape.dims(), b.shape.dims()) else {
            return Err(wrong());
        };
        let floats = inputs
            .iter()
            .all(|x| x.dtype == DType::F32 && x.shape.elements() > 0);
        if !floats || n != bn || c != bc || !(1..=2).contains(&rest.len()) {
            return Err(wrong());
        }
        Ok(vec![TensorSpec::f32(&[&[*n, *m], rest].concat())])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let [a, b] = inputs else { return 0 };
        2 * (a.shape.dims().get(1).copied().unwrap_or(0) * b.shape.elements()) as u64
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        let _ = scratch;
        if let [output] = outputs {
            native::run(inputs, output);
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn cases() -> Vec<Case> {
    let mut rng = Rng::new(27);
    let rows: [([usize; 3], &[usize]); 4] = [
        ([1, 4, 32], &[1, 37, 32]),
        ([2, 3, 9], &[2, 15, 11, 9]),
        ([1, 1, 1], &[1, 1, 1]),
        ([1, 4, 8], &[1, 64, 64, 8]),
    ];
    rows.iter()
        .map(|(a, b)| {
            let mut random = |d: &[usize]| Tensor::f32(d, rng.values(d.iter().product(), 1.0));
            let tolerance = Tolerance {
                absolute: 1e-5,
                relative: 1e-5,
                why: "f32 sums of up to 32 products",
            };
            Case {
                name: format!("{a:?} x {b:?}"),
                op: Arc::new(MatmulNt),
                inputs: vec![random(a), random(b)],
                tolerance,
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "products of the rows of two token lists",
    cases,
    variants: gpu::variants,
};
