//! Layers of SAM as kernels: weights by published name, batch norms folded.

use std::sync::Arc;

use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::affine::Affine;
use cleanplate_kernels::conv2d::{Conv2d, Padding};
use cleanplate_kernels::depthwise::Depthwise;
use cleanplate_kernels::layer_norm::{Axis, LayerNorm};
use cleanplate_kernels::linear::Linear;
use cleanplate_kernels::{KernelError, Op, Tensor};

use crate::error::ModelError;
use crate::source::{Source, WeightSpec};

/// Epsilon of every batch norm.
const BATCH_NORM_EPSILON: f32 = 1e-5;

/// Gives layers by name.
pub struct Build<'a> {
    source: &'a dyn Source,
}

impl<'a> Build<'a> {
    /// Layers from this source.
    pub fn new(source: &'a dyn Source) -> Self {
        Build { source }
    }

    /// The tensor of this name and shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.source.tensor(&WeightSpec {
            name: name.to_string(),
            shape: shape.to_vec(),
        })
    }

    /// Its values.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        Ok(self
            .tensor(name, shape)?
            .as_f32()
            .unwrap_or_default()
            .to_vec())
    }

    /// `name.weight [OC, IC]`, `name.bias [OC]`.
    pub fn linear(&self, name: &str, ic: usize, oc: usize) -> Result<Linear, ModelError> {
        let bias = self.floats(&format!("{name}.bias"), &[oc])?;
        let weight = self.tensor(&format!("{name}.weight"), &[oc, ic])?;
        Linear::new(&weight, Some(&bias)).map_err(|e| kernel(name, e))
    }

    /// A 1x1 convolution without bias, as a linear layer over channels-last maps: `name.weight [OC, IC, 1, 1]`.
    pub fn pointwise(&self, name: &str, ic: usize, oc: usize) -> Result<Linear, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), &[oc, ic, 1, 1])?;
        Linear::new(&weight, None).map_err(|e| kernel(name, e))
    }

    /// TinyViT's `name.c` 1x1 with `name.bn`.
    pub fn pointwise_norm(&self, name: &str, ic: usize, oc: usize) -> Result<Linear, ModelError> {
        let norm = self.batch_norm(&format!("{name}.bn"), oc)?;
        self.pointwise(&format!("{name}.c"), ic, oc)?
            .then_norm(&norm)
            .map_err(|e| kernel(name, e))
    }

    /// TinyViT's `name.c` depthwise 3x3 with `name.bn`.
    pub fn depthwise_norm(
        &self,
        name: &str,
        channels: usize,
        stride: usize,
    ) -> Result<Depthwise, ModelError> {
        let weight = self.tensor(&format!("{name}.c.weight"), &[channels, 1, 3, 3])?;
        let norm = self.batch_norm(&format!("{name}.bn"), channels)?;
        Depthwise::new(&weight, None, stride)
            .and_then(|op| op.then_norm(&norm))
            .map_err(|e| kernel(name, e))
    }

    /// TinyViT's `name.c` 3x3 with `name.bn`, channels first, zero padding 1.
    pub fn conv_norm(
        &self,
        name: &str,
        ic: usize,
        oc: usize,
        stride: usize,
    ) -> Result<Arc<dyn Op>, ModelError> {
        let op = self.conv(&format!("{name}.c"), ic, oc, stride)?;
        let norm = self.batch_norm(&format!("{name}.bn"), oc)?;
        op.absorb(&norm).ok_or_else(|| ModelError::Fusion {
            layer: name.to_string(),
        })
    }

    /// `name.weight [OC, IC, 3, 3]` without bias, channels first, zero padding 1.
    pub fn conv(
        &self,
        name: &str,
        ic: usize,
        oc: usize,
        stride: usize,
    ) -> Result<Conv2d, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), &[oc, ic, 3, 3])?;
        Conv2d::new(&weight, None, stride, Padding::Zero(1)).map_err(|e| kernel(name, e))
    }

    fn batch_norm(&self, name: &str, channels: usize) -> Result<Affine, ModelError> {
        let part = |part: &str| self.floats(&format!("{name}.{part}"), &[channels]);
        let (gamma, beta, mean, var) = (
            part("weight")?,
            part("bias")?,
            part("running_mean")?,
            part("running_var")?,
        );
        Affine::batch_norm(&gamma, &beta, &mean, &var, BATCH_NORM_EPSILON)
            .map_err(|e| kernel(name, e))
    }

    /// `name.weight`, `name.bias`, both `[channels]`, over the last axis.
    pub fn layer_norm(
        &self,
        name: &str,
        channels: usize,
        eps: f32,
    ) -> Result<Arc<dyn Op>, ModelError> {
        let part = |part: &str| self.floats(&format!("{name}.{part}"), &[channels]);
        let op = LayerNorm::new(&part("weight")?, &part("bias")?, eps, Axis::Last)
            .map_err(|e| kernel(name, e))?;
        Ok(Arc::new(op))
    }
}

/// A kernel's refusal with the layer's name.
pub fn kernel(layer: &str, source: KernelError) -> ModelError {
    ModelError::Kernel {
        layer: layer.to_string(),
        source,
    }
}

/// `activation(op)` as one operation.
pub fn activated(
    layer: &str,
    op: &dyn Op,
    activation: Activation,
) -> Result<Arc<dyn Op>, ModelError> {
    op.absorb(&activation).ok_or_else(|| ModelError::Fusion {
        layer: layer.to_string(),
    })
}

/// `op(x) + residual` as one operation.
pub fn with_residual(layer: &str, op: &dyn Op) -> Result<Arc<dyn Op>, ModelError> {
    op.absorb_add().ok_or_else(|| ModelError::Fusion {
        layer: layer.to_string(),
    })
}
