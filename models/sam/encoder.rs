//! What every image encoder of the family offers, and the neck that most of them end with.

use std::fmt::Debug;
use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId};
use cleanplate_kernels::Op;
use cleanplate_kernels::conv2d::Conv2d;
use cleanplate_kernels::permute::Permute;

use super::build::Build;
use super::config::{EncoderConfig, SamConfig};
use super::mobilenet::MobileNet;
use super::tiny_vit::TinyVit;
use super::vit::{Vit, VitSizes};
use crate::error::ModelError;

/// An image encoder's layers.
pub trait ImageEncoder: Debug + Send + Sync {
    /// Normalised photo `[N, 3, side, side]` to maps with channels last: the embedding `[N, S, S, C]`, then those finer maps that the
    /// decoder takes along ([`SamConfig::skips`]).
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<Vec<TensorId>, EngineError>;
}

/// Builds the encoder that the configuration names.
pub fn build(build: &Build<'_>, config: &SamConfig) -> Result<Box<dyn ImageEncoder>, ModelError> {
    let c = config.decoder.transformer_dim;
    Ok(match &config.encoder {
        EncoderConfig::Vit { embed_dim, depth, num_heads, patch_size, window_size, global_attn_indexes } => {
            let sizes = VitSizes {
                dim: *embed_dim,
                depth: *depth,
                heads: *num_heads,
                patch: *patch_size,
                window: *window_size,
                global: global_attn_indexes,
                side: config.embedding_side(),
            };
            Box::new(WithNeck { trunk: Vit::new(build, &sizes)?, neck: Neck::new(build, *embed_dim, c)? })
        }
        EncoderConfig::TinyVit { embed_dims, depths, num_heads, window_sizes } => {
            let trunk = TinyVit::new(build, embed_dims, depths, num_heads, window_sizes)?;
            Box::new(WithNeck { trunk, neck: Neck::new(build, embed_dims[embed_dims.len() - 1], c)? })
        }
        EncoderConfig::MobileNetV2 { stem, channels, depths, expansions } => {
            Box::new(MobileNet::new(build, *stem, channels, depths, expansions, c)?)
        }
    })
}

/// An encoder without its neck: normalised photo `[N, 3, side, side]` to `[N, S, S, channels]`.
pub trait Trunk: Debug + Send + Sync {
    /// Adds the layers.
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<TensorId, EngineError>;
}

#[derive(Debug)]
struct WithNeck<T> {
    trunk: T,
    neck: Neck,
}

impl<T: Trunk> ImageEncoder for WithNeck<T> {
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<Vec<TensorId>, EngineError> {
        let x = self.trunk.graph(g, image)?;
        Ok(vec![self.neck.graph(g, x)?])
    }
}

/// 1x1, norm, 3x3, norm: the trunk's channels to the decoder's.
#[derive(Debug)]
struct Neck {
    squeeze: Arc<dyn Op>,
    norm1: Arc<dyn Op>,
    conv: Arc<Conv2d>,
    norm2: Arc<dyn Op>,
}

impl Neck {
    fn new(build: &Build<'_>, channels: usize, c: usize) -> Result<Self, ModelError> {
        Ok(Neck {
            squeeze: Arc::new(build.pointwise("image_encoder.neck.0", channels, c)?),
            norm1: build.layer_norm("image_encoder.neck.1", c, 1e-6)?,
            conv: Arc::new(build.conv("image_encoder.neck.2", c, c, 1)?),
            norm2: build.layer_norm("image_encoder.neck.3", c, 1e-6)?,
        })
    }

    fn graph(&self, g: &mut Graph, x: TensorId) -> Result<TensorId, EngineError> {
        let name = |i: usize| format!("image_encoder.neck.{i}");
        let x = g.add(&name(0), self.squeeze.clone(), &[x])?; // [N, S, S, C]
        let x = g.add(&name(1), self.norm1.clone(), &[x])?;
        let x = g.add("image_encoder.neck.first", Arc::new(Permute::ChannelsFirst), &[x])?; // [N, C, S, S]
        let x = g.add(&name(2), self.conv.clone(), &[x])?;
        let x = g.add("image_encoder.neck.last", Arc::new(Permute::ChannelsLast), &[x])?; // [N, S, S, C]
        g.add(&name(3), self.norm2.clone(), &[x])
    }
}
