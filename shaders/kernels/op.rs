//! The contract of an operation: shapes, meaning (CPU reference), fast CPU twin, GPU program, fusion.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::program::{Program, Variant};
use crate::tensor::{DType, Shape, Tensor, TensorMut, TensorRef};

/// Type and shape of a tensor that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorSpec {
    /// Element type.
    pub dtype: DType,
    /// Axis lengths.
    pub shape: Shape,
}

impl TensorSpec {
    /// A float tensor.
    pub fn f32(dims: &[usize]) -> Self {
        TensorSpec {
            dtype: DType::F32,
            shape: Shape::new(dims),
        }
    }
    /// A byte tensor.
    pub fn u8(dims: &[usize]) -> Self {
        TensorSpec {
            dtype: DType::U8,
            shape: Shape::new(dims),
        }
    }
    /// A tensor of 32-bit unsigned integers.
    pub fn u32(dims: &[usize]) -> Self {
        TensorSpec {
            dtype: DType::U32,
            shape: Shape::new(dims),
        }
    }
    /// Bytes of the tensor.
    pub fn bytes(&self) -> u64 {
        (self.shape.elements() * self.dtype.bytes()) as u64
    }
}

/// One operation with its parameters and weights: a node of a graph.
///
/// Implementations live in kernel folders; the graph, both executors and the tests see only this trait.
pub trait Op: Debug + Send + Sync {
    /// Kernel (folder) name.
    fn kernel(&self) -> &'static str;

    /// For downcasts inside fusion hooks.
    fn as_any(&self) -> &dyn Any;

    /// Checks the inputs and gives the outputs' types and shapes.
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError>;

    /// Floating-point operations (a multiply-add counts 2), for GFLOP/s figures.
    fn flops(&self, inputs: &[TensorSpec]) -> u64;

    /// The meaning: plain loops, f32 (f64 accumulation where it says so). `inputs` passed `infer`.
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor>;

    /// The fast CPU twin. Fills every output element. The default runs the reference.
    /// `scratch` is a reusable growing buffer; its size is given by [`Op::native_scratch`].
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        let _ = scratch;
        for (out, result) in outputs.iter_mut().zip(self.reference(inputs)) {
            out.copy_from(&result);
        }
    }

    /// Floats of scratch memory that [`Op::native`] needs for these inputs.
    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        let _ = inputs;
        0
    }

    /// The GPU dispatches for these inputs on a device with these capabilities. `inputs` passed `infer`.
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError>;

    /// Bytes of weights that the operation holds, for memory ceilings.
    fn weight_bytes(&self) -> u64 {
        0
    }

    // ---- fusion hooks: how a graph becomes fewer, larger dispatches -------------------------------------

    /// `next(self(x))` as one operation, where `next` has one input (batch norm, activation).
    fn absorb(&self, next: &dyn Op) -> Option<Arc<dyn Op>> {
        let _ = next;
        None
    }

    /// `self(x..) + r` as one operation whose inputs are `x.., r`.
    fn absorb_add(&self) -> Option<Arc<dyn Op>> {
        None
    }

    /// `self(x..) + other(y..)` as one operation whose inputs are `x.., y..`.
    fn merge_add(&self, other: &dyn Op) -> Option<Arc<dyn Op>> {
        let _ = other;
        None
    }
}

/// Greatest error a case may show, with the reason for anything looser than `1e-5`.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Bound on `|got - want| <= absolute + relative * |want|`.
    pub absolute: f32,
    /// See `absolute`.
    pub relative: f32,
    /// Why this bound.
    pub why: &'static str,
}

/// One test case of a kernel: run on every backend, compared with [`Op::reference`].
pub struct Case {
    /// Unique within the kernel, readable.
    pub name: String,
    /// The operation with its weights.
    pub op: Arc<dyn Op>,
    /// Inputs.
    pub inputs: Vec<Tensor>,
    /// Allowed error.
    pub tolerance: Tolerance,
}

/// A kernel's row in [`crate::KERNELS`].
pub struct KernelInfo {
    /// Folder name.
    pub name: &'static str,
    /// One sentence: what it computes.
    pub summary: &'static str,
    /// Test cases, odd sizes included.
    pub cases: fn() -> Vec<Case>,
    /// Every shader variant that [`Op::program`] can emit, for any parameters and any capabilities.
    pub variants: fn() -> Vec<Variant>,
}
