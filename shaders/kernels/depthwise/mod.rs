//! Depthwise 3x3 convolution in channels-last layout, zero padding 1, stride 1 or 2:
//! `out[n,y,x,c] = act(bias[c] + sum w[c,ky,kx] * in[n, y*stride+ky-1, x*stride+kx-1, c])`

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::activation::Activation;
use crate::affine::Affine;
use crate::caps::Caps;
use crate::common::cache::PackCache;
use crate::common::epilogue::Epilogue;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "depthwise";

/// The convolution. Input `[N, H, W, C]`, output `[N, ceil(H/stride), ceil(W/stride), C]`, then the residual like the
/// output if the epilogue has one.
#[derive(Debug, Clone)]
pub struct Depthwise {
    /// `[C, 3, 3]`
    pub weight: Arc<Vec<f32>>,
    /// `[C]`
    pub bias: Arc<Vec<f32>>,
    /// 1 or 2 pixels.
    pub stride: usize,
    /// Activation and residual.
    pub epilogue: Epilogue,
    packed: native::Weights,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl Depthwise {
    /// A depthwise convolution. `weight` is `[C, 1, 3, 3]`, `bias` `[C]`.
    pub fn new(weight: &Tensor, bias: Option<&[f32]>, stride: usize) -> Result<Self, KernelError> {
        let bad = |why: String| KernelError::Parameters { op: NAME, why };
        let (Some([c, 1, 3, 3]), Some(data)) = (weight.shape.dims4(), weight.as_f32()) else {
            return Err(bad(format!(
                "weight is {:?} {}, wanted f32 [C, 1, 3, 3]",
                weight.dtype(),
                weight.shape
            )));
        };
        if c == 0 || !(1..=2).contains(&stride) || bias.is_some_and(|b| b.len() != c) {
            return Err(bad(format!(
                "{c} channels, stride {stride}, {:?} biases",
                bias.map(<[f32]>::len)
            )));
        }
        let bias = bias.map_or_else(|| vec![0.0; c], <[f32]>::to_vec);
        let (weight, bias) = (Arc::new(data.to_vec()), Arc::new(bias));
        Ok(Depthwise {
            weight,
            bias,
            stride,
            epilogue: Epilogue::default(),
            packed: native::Weights::default(),
            shader_words: PackCache::default(),
        })
    }

    /// This convolution followed by a batch norm over its channels, as one convolution.
    pub fn then_norm(&self, norm: &Affine) -> Result<Depthwise, KernelError> {
        let (scale, shift) = (&norm.scale, &norm.shift);
        if scale.len() != self.bias.len() || !self.epilogue.is_linear() {
            let why = format!(
                "a norm of {} channels behind {} channels, {:?}",
                scale.len(),
                self.bias.len(),
                self.epilogue
            );
            return Err(KernelError::Parameters { op: NAME, why });
        }
        let weight = self
            .weight
            .chunks_exact(9)
            .zip(scale.iter())
            .flat_map(|(w, k)| w.iter().map(move |v| v * k))
            .collect();
        let bias = self
            .bias
            .iter()
            .zip(scale.iter())
            .zip(shift.iter())
            .map(|((b, k), t)| b * k + t)
            .collect();
        Ok(Depthwise {
            weight: Arc::new(weight),
            bias: Arc::new(bias),
            ..self.clone()
        })
    }
}

impl Op for Depthwise {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let c = self.bias.len();
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: format!("f32 [N, H, W, {c}] (and a residual like the output)"),
            got: format!("{inputs:?}"),
        };
        let x = inputs
            .first()
            .filter(|x| x.dtype == DType::F32)
            .ok_or_else(wrong)?;
        let [n, h, w, _] = x
            .shape
            .dims4()
            .filter(|d| d[3] == c && d.iter().all(|v| *v > 0))
            .ok_or_else(wrong)?;
        let out = TensorSpec::f32(&[n, h.div_ceil(self.stride), w.div_ceil(self.stride), c]);
        match (self.epilogue.residual, inputs) {
            (false, [_]) => Ok(vec![out]),
            (true, [_, r]) if *r == out => Ok(vec![out]),
            _ => Err(wrong()),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        self.infer(inputs)
            .map_or(0, |out| 18 * out[0].shape.elements() as u64)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        if let [output] = outputs {
            native::run(self, inputs, output, scratch);
        }
    }
    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        native::scratch(self, inputs)
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
    fn weight_bytes(&self) -> u64 {
        4 * (self.weight.len() + self.bias.len()) as u64
    }
    fn absorb(&self, next: &dyn Op) -> Option<Arc<dyn Op>> {
        let act = next.downcast_ref::<Activation>()?;
        let epilogue = self.epilogue.then_act(act.act())?;
        Some(Arc::new(Depthwise {
            epilogue,
            ..self.clone()
        }))
    }
    fn absorb_add(&self) -> Option<Arc<dyn Op>> {
        let epilogue = self.epilogue.then_add()?;
        Some(Arc::new(Depthwise {
            epilogue,
            ..self.clone()
        }))
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut rng = Rng::new(25);
    let rows = [
        ([1, 15, 11, 7], 1),
        ([2, 12, 20, 32], 1),
        ([1, 15, 11, 33], 2),
        ([1, 12, 20, 8], 2),
        ([1, 1, 1, 5], 1),
        ([1, 1, 1, 5], 2),
    ];
    let mut cases = Vec::new();
    for (dims, stride) in rows {
        let c = dims[3];
        let weight = Tensor::f32(&[c, 1, 3, 3], rng.values(9 * c, 0.4));
        let plain = Depthwise::new(&weight, Some(&rng.values(c, 0.5)), stride)
            .expect("case parameters are valid");
        let gelu = plain
            .absorb(&Activation::Gelu)
            .expect("a linear convolution takes an activation");
        let input = Tensor::f32(&dims, rng.values(dims.iter().product(), 1.0));
        let tolerance = Tolerance {
            absolute: 5e-6,
            relative: 1e-5,
            why: "nine products in f32",
        };
        let relu6 = plain
            .absorb(&Activation::Relu6)
            .expect("a linear convolution takes an activation");
        for (name, op) in [
            ("plain", Arc::new(plain) as Arc<dyn Op>),
            ("gelu", gelu),
            ("relu6", relu6),
        ] {
            cases.push(Case {
                name: format!("{dims:?} stride {stride} {name}"),
                op,
                inputs: vec![input.clone()],
                tolerance,
            });
        }
    }
    cases
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "depthwise 3x3 convolution, channels last, stride 1 or 2",
    cases,
    variants: gpu::variants,
};
