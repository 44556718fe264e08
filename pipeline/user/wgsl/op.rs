//! A user's shader as an operation of a graph.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use cleanplate_basics::lock;
use cleanplate_kernels::program::{Binding, Dispatch, Program, USER_KERNEL, Variant};
use cleanplate_kernels::{Caps, KernelError, Op, Tensor, TensorRef, TensorSpec};

use super::{Image, Shader};

/// Copies the fill into the result before the user's shader runs: what it does not write stays as it was, and no memory
/// of another job can be seen.
const COPY: &str = include_str!("copy.wgsl");
/// Invocations of a workgroup of [`COPY`].
const COPY_INVOCATIONS: u32 = 64;

/// A shader with its parameters: inputs are the fill `f32 [H, W, 3]` and then the other bound images, the output is
/// `f32 [H, W, 3]`.
#[derive(Debug)]
pub struct UserOp {
    pub shader: Arc<Shader>,
    /// Parameters in the order of the uniform block.
    pub numbers: Vec<f32>,
}

impl UserOp {
    /// The inputs of the operation, in order.
    pub fn inputs(shader: &Shader) -> impl Iterator<Item = Image> {
        std::iter::once(Image::Fill).chain(
            shader
                .table
                .images
                .iter()
                .copied()
                .filter(|image| *image != Image::Fill),
        )
    }

    fn variant(&self, strategy: &'static str, template: &'static str) -> Variant {
        Variant {
            kernel: USER_KERNEL,
            strategy,
            template,
            defines: Vec::new(),
            subgroups: false,
        }
    }
}

impl Op for UserOp {
    fn kernel(&self) -> &'static str {
        USER_KERNEL
    }

    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let mismatch = |got: String| KernelError::Mismatch {
            op: self.shader.name,
            expected: "f32 [H, W, 3] or [H, W] images".into(),
            got,
        };
        let fill = inputs.first().ok_or_else(|| mismatch("no inputs".into()))?;
        match fill.shape.dims() {
            [_, _, 3] => Ok(vec![fill.clone()]),
            _ => Err(mismatch(fill.shape.to_string())),
        }
    }

    /// Unknown; a guess that keeps submissions of large crops apart.
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs
            .first()
            .map_or(0, |fill| 32 * fill.shape.elements() as u64)
    }

    /// A user's shader has no twin on the processor. Stages refuse such a device before they come here; should one not,
    /// the result is no number, which no stage accepts.
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        inputs
            .first()
            .map(|fill| Tensor::f32(fill.shape().dims(), vec![f32::NAN; fill.shape().elements()]))
            .into_iter()
            .collect()
    }

    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        let limit = |need: String, have: String| KernelError::Limit {
            op: self.shader.name,
            need,
            have,
            remedy: "lower wgsl.megapixels_max in the plugin's manifest".to_string(),
        };
        let bytes = inputs.iter().map(TensorSpec::bytes).max().unwrap_or(0);
        if bytes > caps.binding_bytes_max {
            return Err(limit(
                format!("{bytes} bytes in one binding"),
                caps.binding_bytes_max.to_string(),
            ));
        }
        let dims = inputs.first().map_or(&[][..], |fill| fill.shape.dims());
        let (height, width) = (
            dims.first().map_or(0, |n| *n as u32),
            dims.get(1).map_or(0, |n| *n as u32),
        );
        let [gx, gy] = self.shader.table.group_px;
        let groups = [width.div_ceil(gx), height.div_ceil(gy), 1];
        if groups
            .iter()
            .any(|n| *n > caps.workgroups_per_dimension_max)
        {
            return Err(limit(
                format!("{groups:?} workgroups"),
                format!("{} in each direction", caps.workgroups_per_dimension_max),
            ));
        }
        let at = |image: Image| {
            UserOp::inputs(&self.shader)
                .position(|other| other == image)
                .unwrap_or(0)
        };
        let mut bindings: Vec<Binding> = self
            .shader
            .table
            .images
            .iter()
            .map(|image| Binding::Input(at(*image)))
            .collect();
        bindings.push(Binding::Output(0));
        let mut params = vec![width, height];
        params.extend(self.numbers.iter().map(|v| v.to_bits()));
        let values = width * height * 3;
        let copy = Dispatch {
            variant: self.variant("copy", COPY),
            bindings: vec![Binding::Input(0), Binding::Output(0)],
            params: vec![values],
            groups: [
                values
                    .div_ceil(COPY_INVOCATIONS)
                    .clamp(1, caps.workgroups_per_dimension_max),
                1,
                1,
            ],
        };
        let own = Dispatch {
            variant: self.variant(self.shader.name, self.shader.text),
            bindings,
            params,
            groups,
        };
        Ok(Program {
            dispatches: vec![copy, own],
            scratch_bytes: Vec::new(),
        })
    }
}

/// `text` for as long as the program runs, kept once however often it is read. Shader variants name their text this way;
/// users' shaders are read when pipelines are loaded, so the sum is bounded by the files that there are.
pub fn intern(text: &str) -> &'static str {
    static KEPT: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut kept = lock(&KEPT);
    let kept = kept.get_or_insert_default();
    if let Some(known) = kept.get(text) {
        return known;
    }
    let new: &'static str = Box::leak(text.to_string().into_boxed_str());
    kept.insert(new);
    new
}
