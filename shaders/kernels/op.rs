//! The contract of an operation: shapes, meaning (CPU reference), fast CPU twin, GPU program, fusion.

use std::any::Any;
use std::fmt::{Debug, Display};
use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::program::{Program, Variant};
use crate::tensor::{DType, Data, Shape, Tensor, TensorMut, TensorRef};

/// Type and shape of a tensor that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorSpec {
    /// Element type.
    pub dtype: DType,
    /// Axis lengths.
    pub shape: Shape,
}

impl TensorSpec {
    /// Type and shape of a tensor.
    pub fn of(tensor: &Tensor) -> Self {
        TensorSpec {
            dtype: tensor.dtype(),
            shape: tensor.shape.clone(),
        }
    }
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
pub trait Op: Any + Debug + Send + Sync {
    /// Kernel (folder) name.
    fn kernel(&self) -> &'static str;

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

impl dyn Op {
    /// The operation as a `T`, for fusion hooks; `None` if it is another one.
    pub fn downcast_ref<T: Op>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        any.downcast_ref()
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

impl Case {
    /// Types and shapes of the inputs.
    pub fn specs(&self) -> Vec<TensorSpec> {
        self.inputs.iter().map(TensorSpec::of).collect()
    }

    /// The inputs as an operation takes them.
    pub fn views(&self) -> Vec<TensorRef<'_>> {
        self.inputs.iter().map(Tensor::view).collect()
    }

    /// What the operation means for the inputs.
    pub fn want(&self) -> Vec<Tensor> {
        self.op.reference(&self.views())
    }

    /// Compares results with [`Case::want`], floats as floats and integers as integers.
    pub fn check(&self, got: &[Tensor], want: &[Tensor]) -> Verdict {
        let mut verdict = Verdict::default();
        if got.len() != want.len() {
            verdict.max_abs_error = f64::INFINITY;
            verdict.miss = Some(format!("{} outputs instead of {}", got.len(), want.len()));
            return verdict;
        }
        for (got, want) in got.iter().zip(want) {
            let (got_spec, want_spec) = (TensorSpec::of(got), TensorSpec::of(want));
            match (&got.data, &want.data) {
                _ if got_spec != want_spec => {
                    verdict.max_abs_error = f64::INFINITY;
                    verdict.miss = Some(format!("{got_spec:?} instead of {want_spec:?}"));
                }
                (Data::U8(got), Data::U8(want)) => {
                    self.judge(got, want, |g, w| g.abs_diff(w).into(), &mut verdict)
                }
                (Data::U32(got), Data::U32(want)) => {
                    self.judge(got, want, |g, w| g.abs_diff(w).into(), &mut verdict)
                }
                (Data::F32(got), Data::F32(want)) => {
                    let error = |g: f32, w: f32| (f64::from(g) - f64::from(w)).abs();
                    self.judge(got, want, error, &mut verdict)
                }
                // Different types: refused above.
                _ => {}
            }
        }
        verdict
    }

    /// Compares elements; `error` is a distance of two, not a number where there is none.
    fn judge<T: Copy + Into<f64> + Display>(
        &self,
        got: &[T],
        want: &[T],
        error: impl Fn(T, T) -> f64,
        verdict: &mut Verdict,
    ) {
        let (absolute, relative) = (self.tolerance.absolute, self.tolerance.relative);
        let (mut outside, mut first) = (0, None);
        for (at, (g, w)) in got.iter().zip(want).enumerate() {
            let bound = f64::from(absolute) + f64::from(relative) * (*w).into().abs();
            let error = error(*g, *w);
            if error.is_nan() || error > bound {
                outside += 1;
                first = first.or(Some((at, *g, *w)));
            }
            let error = if error.is_nan() { f64::INFINITY } else { error };
            verdict.max_abs_error = verdict.max_abs_error.max(error);
        }
        if let Some((at, g, w)) = first {
            verdict.miss = Some(format!(
                "{outside} of {} values off, first at {at}: {g} instead of {w} (tolerance: {})",
                want.len(),
                self.tolerance.why
            ));
        }
    }
}

/// What [`Case::check`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Greatest `|got - want|`; infinite where a value is not a number or outputs differ in count, type or shape.
    pub max_abs_error: f64,
    /// What breaks the tolerance; `None` if nothing does.
    pub miss: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add::Add;

    fn case(absolute: f32) -> Case {
        let tolerance = Tolerance {
            absolute,
            relative: 0.0,
            why: "test",
        };
        Case {
            name: "test".into(),
            op: Arc::new(Add),
            inputs: vec![Tensor::f32(&[2], vec![1.0, 2.0]); 2],
            tolerance,
        }
    }

    #[test]
    fn words_are_compared_as_integers() {
        // As f32 the two are one number.
        let (got, want) = (
            Tensor::u32(&[1], vec![u32::MAX - 128]),
            Tensor::u32(&[1], vec![u32::MAX]),
        );
        let verdict = case(0.0).check(&[got], &[want]);
        assert_eq!(verdict.max_abs_error, 128.0);
        let text = verdict.miss.unwrap();
        assert!(
            text.starts_with("1 of 1 values off, first at 0: 4294967167 instead of 4294967295"),
            "{text}"
        );
    }

    #[test]
    fn bytes_and_floats_keep_to_the_tolerance() {
        let one = case(1.0);
        let bytes = |values: [u8; 2]| [Tensor::u8(&[2], values.to_vec())];
        let (a, b) = (bytes([3, 9]), bytes([4, 8]));
        assert_eq!(one.check(&a, &b).miss, None);
        assert!(case(0.5).check(&a, &b).miss.is_some());
        let want = one.want();
        assert_eq!(want[0].as_f32().unwrap(), [2.0, 4.0]);
        assert_eq!(one.check(&want, &want), Verdict::default());
        let verdict = one.check(&[Tensor::f32(&[2], vec![2.0, f32::NAN])], &want);
        assert_eq!(verdict.max_abs_error, f64::INFINITY);
        assert!(
            verdict
                .miss
                .unwrap()
                .contains("first at 1: NaN instead of 4")
        );
    }

    #[test]
    fn count_type_and_shape_must_agree() {
        let (case, want) = (case(9.0), [Tensor::f32(&[2], vec![2.0, 4.0])]);
        for got in [
            vec![],
            vec![Tensor::f32(&[2, 1], vec![2.0, 4.0])],
            vec![Tensor::u32(&[2], vec![2, 4])],
        ] {
            let verdict = case.check(&got, &want);
            assert!(verdict.miss.is_some() && verdict.max_abs_error == f64::INFINITY);
        }
    }
}
