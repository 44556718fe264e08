//! Small operations with shaders of their own, for the tests of this module.

use std::sync::Arc;

use cleanplate_kernels::program::{Binding, Dispatch, Program, Variant};
use cleanplate_kernels::{Caps, KernelError, Op, Tensor, TensorRef, TensorSpec};

/// `x * factor + table[i % table.len()]` through a constant buffer.
pub const SCALE: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
struct Params { n: u32, len: u32, factor: f32 }
@group(0) @binding(3) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.n { out[id.x] = x[id.x] * params.factor + table[id.x % params.len]; }
}";

/// Two dispatches with a scratch buffer between: doubles, then adds the input.
pub const DOUBLE: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> n: vec4<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < n.x { out[id.x] = x[id.x] * f32(FACTOR); }
}";
pub const SUM: &str = "
@group(0) @binding(0) var<storage, read> doubled: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> n: vec4<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < n.x { out[id.x] = doubled[id.x] + x[id.x]; }
}";

/// Bytes, four to a word, inverted. No parameters.
pub const INVERT: &str = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3<u32>) { out[id.x] = ~x[id.x]; }";

/// Spins for a while on each of its invocations.
pub const SPIN: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> n: vec4<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var v = x[0];
    for (var i = 0u; i < n.y; i++) { v = fract(v * 1.37 + 0.11); }
    if id.x < n.x { out[id.x] = v; }
}";

#[derive(Debug, Clone)]
pub enum TestOp {
    Scale {
        factor: f32,
        table: Arc<Vec<u32>>,
        flops: u64,
    },
    Triple,
    Invert,
    Spin,
    /// A given shader with one input, one output and a uniform block of the given size.
    Raw {
        template: &'static str,
        words: usize,
    },
}

impl TestOp {
    pub fn scale(factor: f32, table: &[f32]) -> Arc<dyn Op> {
        Arc::new(TestOp::Scale {
            factor,
            table: Arc::new(table.iter().map(|v| v.to_bits()).collect()),
            flops: 2,
        })
    }
    /// As `scale`, but claiming so much work that every dispatch gets a submit of its own.
    pub fn slow_scale(factor: f32, table: &[f32]) -> Arc<dyn Op> {
        Arc::new(TestOp::Scale {
            factor,
            table: Arc::new(table.iter().map(|v| v.to_bits()).collect()),
            flops: 1 << 50,
        })
    }
}

fn variant(
    strategy: &'static str,
    template: &'static str,
    defines: &[(&'static str, &str)],
) -> Variant {
    let defines = defines
        .iter()
        .map(|(name, value)| (*name, value.to_string()))
        .collect();
    Variant {
        kernel: "test",
        strategy,
        template,
        defines,
        subgroups: false,
    }
}

impl Op for TestOp {
    fn kernel(&self) -> &'static str {
        "test"
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        Ok(vec![inputs[0].clone()])
    }
    fn flops(&self, _: &[TensorSpec]) -> u64 {
        if let TestOp::Scale { flops, .. } = self {
            *flops
        } else {
            1
        }
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        let (dims, x) = (inputs[0].shape().dims(), inputs[0].f32());
        vec![match self {
            TestOp::Scale { factor, table, .. } => {
                let offset = |i: usize| f32::from_bits(table[i % table.len()]);
                Tensor::f32(
                    dims,
                    x.iter()
                        .enumerate()
                        .map(|(i, v)| v * factor + offset(i))
                        .collect(),
                )
            }
            TestOp::Triple => Tensor::f32(dims, x.iter().map(|v| v * 3.0).collect()),
            TestOp::Invert => Tensor::u8(dims, inputs[0].u8().iter().map(|v| !v).collect()),
            TestOp::Spin | TestOp::Raw { .. } => Tensor::f32(dims, x.to_vec()),
        }]
    }
    fn program(&self, inputs: &[TensorSpec], _: &Caps) -> Result<Program, KernelError> {
        let n = inputs[0].shape.elements() as u32;
        let groups = [n.div_ceil(64), 1, 1];
        let (input, output) = (Binding::Input(0), Binding::Output(0));
        let one = |variant, bindings, params, groups| Program {
            dispatches: vec![Dispatch {
                variant,
                bindings,
                params,
                groups,
            }],
            scratch_bytes: vec![],
        };
        Ok(match self {
            TestOp::Scale { factor, table, .. } => {
                let bindings = vec![input, Binding::Constant(table.clone()), output];
                one(
                    variant("scale", SCALE, &[]),
                    bindings,
                    vec![n, table.len() as u32, factor.to_bits()],
                    groups,
                )
            }
            TestOp::Triple => Program {
                dispatches: vec![
                    Dispatch {
                        variant: variant("double", DOUBLE, &[("FACTOR", "2")]),
                        bindings: vec![input, Binding::Scratch(0)],
                        params: vec![n],
                        groups,
                    },
                    Dispatch {
                        variant: variant("sum", SUM, &[]),
                        bindings: vec![Binding::ScratchRead(0), Binding::Input(0), output],
                        params: vec![n],
                        groups,
                    },
                ],
                scratch_bytes: vec![4 * u64::from(n)],
            },
            TestOp::Invert => one(
                variant("invert", INVERT, &[]),
                vec![input, output],
                vec![],
                [n.div_ceil(4), 1, 1],
            ),
            TestOp::Spin => one(
                variant("spin", SPIN, &[]),
                vec![input, output],
                vec![n, 40_000],
                groups,
            ),
            TestOp::Raw { template, words } => one(
                variant("raw", template, &[]),
                vec![input, output],
                vec![0; *words],
                groups,
            ),
        })
    }
}
