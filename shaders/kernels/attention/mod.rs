//! Multi-head attention between two token lists, streamed: the score matrix is never stored.
//!
//! `out[t] = sum_s softmax_s(scale * q[t].k[s]) v[s]` per head. Heads are consecutive blocks of the channels.

mod cases;
pub(crate) mod gpu;
mod native;
pub(crate) mod reference;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{KernelInfo, Op, TensorSpec};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const NAME: &str = "attention";

/// Inputs: q `[N, Tq, D]`, k and v `[N, Tk, D]`, with D = heads * head dimension; either may be a map `[N, H, W, D]`, whose
/// pixels are the tokens. Output like q.
/// The scale is `1 / sqrt(head dimension)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// Number of heads.
    pub heads: usize,
}

impl Attention {
    /// Attention with this many heads.
    pub fn new(heads: usize) -> Result<Self, KernelError> {
        if heads == 0 {
            return Err(KernelError::Parameters {
                op: NAME,
                why: "0 heads, wanted at least one".into(),
            });
        }
        Ok(Attention { heads })
    }
}

/// Tokens of a sample: the product of the axes between the first and the last.
pub(crate) fn tokens(dims: &[usize]) -> usize {
    dims[1..dims.len() - 1].iter().product()
}

impl Op for Attention {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: format!(
                "f32 q [N, Tq, D], k [N, Tk, D], v [N, Tk, D] with D a multiple of {}",
                self.heads
            ),
            got: format!("{inputs:?}"),
        };
        let [q, k, v] = inputs else {
            return Err(wrong());
        };
        let ([n, _, .., d], [kn, _, .., kd]) = (q.shape.dims(), k.shape.dims()) else {
            return Err(wrong());
        };
        let floats = inputs
            .iter()
            .all(|x| x.dtype == DType::F32 && x.shape.elements() > 0);
        if floats && k == v && n == kn && d == kd && d % self.heads == 0 {
            Ok(vec![q.clone()])
        } else {
            Err(wrong())
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let [q, k, _] = inputs else { return 0 };
        4 * (q.shape.elements() * tokens(k.shape.dims())) as u64
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(*self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        if let [output] = outputs {
            native::run(*self, inputs, output, scratch);
        }
    }
    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        native::scratch(*self, inputs)
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "multi-head attention between two token lists, streamed",
    cases: cases::cases,
    variants: gpu::variants,
};
