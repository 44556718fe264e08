//! What every image encoder of the family offers, and the neck that they end with.

use std::fmt::Debug;
use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId};
use cleanplate_kernels::Op;
use cleanplate_kernels::conv2d::Conv2d;
use cleanplate_kernels::permute::Permute;

use super::build::Build;
use super::config::{EncoderConfig, SamConfig};
use super::tiny_vit::{Stages, TinyVit};
use super::vit::{Vit, VitSizes};
use crate::error::ModelError;

/// An image encoder's layers.
pub trait ImageEncoder: Debug + Send + Sync {
    /// Normalised photo `[N, 3, side, side]` to the embedding `[N, S, S, C]`.
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<TensorId, EngineError>;
}

/// Builds the encoder that the configuration names.
pub fn build(build: &Build<'_>, config: &SamConfig) -> Result<Box<dyn ImageEncoder>, ModelError> {
    let c = config.decoder.transformer_dim;
    Ok(match &config.encoder {
        EncoderConfig::Vit {
            embed_dim,
            depth,
            num_heads,
            patch_size,
            window_size,
            global_attn_indexes,
        } => {
            let sizes = VitSizes {
                dim: *embed_dim,
                depth: *depth,
                heads: *num_heads,
                patch: *patch_size,
                window: *window_size,
                global: global_attn_indexes,
                side: config.embedding_side(),
            };
            Box::new(WithNeck {
                trunk: Vit::new(build, &sizes)?,
                neck: Neck::new(build, *embed_dim, c, 0)?,
            })
        }
        EncoderConfig::TinyVit {
            embed_dims,
            depths,
            num_heads,
            window_sizes,
            hidden_dims,
            neck_squeeze,
        } => {
            let stages = Stages {
                dims: embed_dims,
                depths,
                heads: num_heads,
                windows: window_sizes,
                hidden: hidden_dims,
            };
            let trunk = TinyVit::new(build, &stages)?;
            Box::new(WithNeck {
                trunk,
                neck: Neck::new(build, embed_dims[embed_dims.len() - 1], c, *neck_squeeze)?,
            })
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
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<TensorId, EngineError> {
        let x = self.trunk.graph(g, image)?;
        self.neck.graph(g, x)
    }
}

/// 1x1, norm, 3x3, norm: the trunk's channels to the decoder's. The 3x3 may have a 1x1 in front of it that makes it cheaper.
#[derive(Debug)]
struct Neck {
    squeeze: Arc<dyn Op>,
    norm1: Arc<dyn Op>,
    thin: Option<Arc<dyn Op>>,
    conv: Arc<Conv2d>,
    norm2: Arc<dyn Op>,
}

impl Neck {
    /// From `channels` to `c`, by way of `squeeze` unless that is 0.
    fn new(
        build: &Build<'_>,
        channels: usize,
        c: usize,
        squeeze: usize,
    ) -> Result<Self, ModelError> {
        let (thin, conv): (Option<Arc<dyn Op>>, _) = if squeeze == 0 {
            (None, build.conv("image_encoder.neck.2", c, c, 1)?)
        } else {
            (
                Some(Arc::new(build.pointwise(
                    "image_encoder.neck.2.0",
                    c,
                    squeeze,
                )?)),
                build.conv("image_encoder.neck.2.1", squeeze, c, 1)?,
            )
        };
        Ok(Neck {
            squeeze: Arc::new(build.pointwise("image_encoder.neck.0", channels, c)?),
            norm1: build.layer_norm("image_encoder.neck.1", c, 1e-6)?,
            thin,
            conv: Arc::new(conv),
            norm2: build.layer_norm("image_encoder.neck.3", c, 1e-6)?,
        })
    }

    fn graph(&self, g: &mut Graph, x: TensorId) -> Result<TensorId, EngineError> {
        let name = |i: usize| format!("image_encoder.neck.{i}");
        let x = g.add(&name(0), self.squeeze.clone(), &[x])?; // [N, S, S, C]
        let x = g.add(&name(1), self.norm1.clone(), &[x])?;
        let x = match &self.thin {
            Some(thin) => g.add("image_encoder.neck.2.0", thin.clone(), &[x])?, // [N, S, S, squeeze]
            None => x,
        };
        let x = g.add(
            "image_encoder.neck.first",
            Arc::new(Permute::ChannelsFirst),
            &[x],
        )?; // channels first
        let x = g.add(&name(2), self.conv.clone(), &[x])?;
        let x = g.add(
            "image_encoder.neck.last",
            Arc::new(Permute::ChannelsLast),
            &[x],
        )?; // [N, S, S, C]
        g.add(&name(3), self.norm2.clone(), &[x])
    }
}
