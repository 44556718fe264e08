//! Embedding pixels to mask pixels: two transposed convolutions with a norm between them.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId};
use cleanplate_kernels::Op;
use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::upscale2::Upscale2;

use super::build::{Build, kernel};
use crate::error::ModelError;

const PREFIX: &str = "mask_decoder.output_upscaling";
const EPSILON: f32 = 1e-6;

/// The layers.
#[derive(Debug)]
pub struct Upscaling {
    first: Arc<dyn Op>,
    norm: Arc<dyn Op>,
    second: Arc<dyn Op>,
}

impl Upscaling {
    /// From `c` channels to `c / 8`.
    pub fn new(build: &Build<'_>, c: usize) -> Result<Self, ModelError> {
        Ok(Upscaling {
            first: up(build, 0, c, c / 4)?,
            norm: build.layer_norm(&part(1), c / 4, EPSILON)?,
            second: up(build, 3, c / 4, c / 8)?,
        })
    }

    /// `[N, S, S, C]` to `[N, 4S, 4S, C/8]`.
    pub fn graph(&self, g: &mut Graph, x: TensorId) -> Result<TensorId, EngineError> {
        let x = g.add(&part(0), self.first.clone(), &[x])?; // [N, 2S, 2S, C/4]
        let x = g.add(&part(1), self.norm.clone(), &[x])?;
        let x = g.add(&part(2), Arc::new(Activation::Gelu), &[x])?;
        let x = g.add(&part(3), self.second.clone(), &[x])?; // [N, 4S, 4S, C/8]
        g.add(&part(4), Arc::new(Activation::Gelu), &[x])
    }
}

fn part(i: usize) -> String {
    format!("{PREFIX}.{i}")
}

fn up(build: &Build<'_>, i: usize, ic: usize, oc: usize) -> Result<Arc<dyn Op>, ModelError> {
    let weight = build.tensor(&format!("{}.weight", part(i)), &[ic, oc, 2, 2])?;
    let bias = build.floats(&format!("{}.bias", part(i)), &[oc])?;
    Ok(Arc::new(
        Upscale2::new(&weight, &bias).map_err(|e| kernel(&part(i), e))?,
    ))
}
