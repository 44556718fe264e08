//! Element-wise activation. In networks it is fused into the store of the operation before it.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::common::epilogue::Act;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "activation";

/// An activation function over one float tensor of any shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x / 2 * (1 + erf(x / sqrt 2))`
    Gelu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `clamp(x * sqrt 2, -256, 256)`, below 0 a fifth of it
    LreluAgc,
}

impl Activation {
    /// The function as an epilogue applies it.
    pub fn act(self) -> Act {
        match self {
            Activation::Relu => Act::Relu,
            Activation::Sigmoid => Act::Sigmoid,
            Activation::Gelu => Act::Gelu,
            Activation::Relu6 => Act::Relu6,
            Activation::LreluAgc => Act::LreluAgc,
        }
    }
}

impl Op for Activation {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        match inputs {
            [x] if x.dtype == DType::F32 => Ok(vec![x.clone()]),
            _ => Err(KernelError::Mismatch {
                op: NAME,
                expected: "one f32 tensor".into(),
                got: format!("{inputs:?}"),
            }),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.iter().map(|s| s.shape.elements() as u64).sum()
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(*self, inputs)
    }

    fn native(
        &self,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
        _scratch: &mut [f32],
    ) {
        outputs
            .iter_mut()
            .for_each(|output| native::run(*self, &inputs[0], output));
    }

    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn cases() -> Vec<Case> {
    let mut rng = Rng::new(4);
    let mut case = |op: Activation, dims: &[usize]| Case {
        name: format!("{op:?} {dims:?}"),
        op: Arc::new(op),
        inputs: vec![Tensor::f32(dims, rng.values(dims.iter().product(), 20.0))],
        tolerance: Tolerance {
            absolute: 2e-6,
            relative: 1e-5,
            why: "the device's exp",
        },
    };
    vec![
        case(Activation::Relu, &[1, 3, 15, 11]),
        case(Activation::Sigmoid, &[2, 3, 5, 7]),
        case(Activation::Sigmoid, &[1, 1, 1, 1]),
        case(Activation::Gelu, &[1, 3, 15, 11]),
        case(Activation::Relu6, &[1, 3, 15, 11]),
        case(Activation::LreluAgc, &[1, 3, 15, 11]),
    ]
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "element-wise ReLU, ReLU6, sigmoid, GELU or leaky ReLU with gain and clamp",
    cases,
    variants: gpu::variants,
};
