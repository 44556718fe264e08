//! SAM: masks from clicks and boxes (facebookresearch/segment-anything, ChaoningZhang/MobileSAM).
//!
//! One family by configuration: an image encoder (vision transformer or TinyViT), run once a photo, and a prompt encoder with a mask
//! decoder, run once a prompt. Maps are channels last.

mod build;
mod config;
mod decoder;
pub(crate) mod golden;
mod mask;
mod prompt;
mod tiny_vit;
mod vit;

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId, TensorSpec};
use cleanplate_kernels::conv2d::Conv2d;
use cleanplate_kernels::permute::Permute;
use cleanplate_kernels::resize_u8::ResizeU8;
use cleanplate_kernels::sam_input::SamInput;
use cleanplate_kernels::{Op, Tensor, TensorMut};

use crate::error::ModelError;
use crate::import::Weights;
use crate::source::{Random, Source};
use build::Build;
use decoder::Decoder;
use prompt::PromptEncoder;
use tiny_vit::TinyVit;
use vit::{Vit, VitSizes};

pub use config::{DecoderConfig, EncoderConfig, MASKS, SamConfig};
pub use mask::{Choice, choose};
pub use prompt::{Label, SamPrompt};

/// Most tokens that one prompt may have: clicks, and two for a box.
pub const PROMPT_TOKENS_MAX: usize = 256;

#[derive(Debug)]
enum Encoder {
    Vit(Vit),
    TinyVit(TinyVit),
}

/// 1x1, norm, 3x3, norm: the encoder's channels to the decoder's.
#[derive(Debug)]
struct Neck {
    squeeze: Arc<dyn Op>,
    norm1: Arc<dyn Op>,
    conv: Arc<Conv2d>,
    norm2: Arc<dyn Op>,
}

/// A SAM network with its weights. Its graphs share them.
#[derive(Debug)]
pub struct Sam {
    config: SamConfig,
    encoder: Encoder,
    neck: Neck,
    prompt: PromptEncoder,
    decoder: Decoder,
}

impl Sam {
    /// Builds the network from stored weights, whose names and shapes give its sizes.
    pub fn from_weights(weights: &Weights) -> Result<Self, ModelError> {
        let config = SamConfig::infer(weights)?;
        Sam::build(config, weights)
    }

    /// A network with reproducible random weights, for benchmarks and tests.
    pub fn random(config: &SamConfig, seed: u64) -> Result<Self, ModelError> {
        config.validate()?;
        Sam::build(config.clone(), &Random(seed))
    }

    fn build(config: SamConfig, source: &dyn Source) -> Result<Self, ModelError> {
        let build = Build::new(source);
        let (encoder, channels) = match &config.encoder {
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
                (Encoder::Vit(Vit::new(&build, &sizes)?), *embed_dim)
            }
            EncoderConfig::TinyVit { embed_dims, depths, num_heads, window_sizes } => {
                let encoder = TinyVit::new(&build, embed_dims, depths, num_heads, window_sizes)?;
                (Encoder::TinyVit(encoder), embed_dims[embed_dims.len() - 1])
            }
        };
        let c = config.decoder.transformer_dim;
        let neck = Neck {
            squeeze: Arc::new(build.pointwise("image_encoder.neck.0", channels, c)?),
            norm1: build.layer_norm("image_encoder.neck.1", c, 1e-6)?,
            conv: Arc::new(build.conv("image_encoder.neck.2", c, c, 1)?),
            norm2: build.layer_norm("image_encoder.neck.3", c, 1e-6)?,
        };
        let prompt = PromptEncoder::new(&build, &config)?;
        let decoder = Decoder::new(&build, &config, &prompt)?;
        Ok(Sam { config, encoder, neck, prompt, decoder })
    }

    /// The network's sizes.
    pub fn config(&self) -> &SamConfig {
        &self.config
    }

    /// Height and width that a photo of this size is resized to: the longer side becomes the network's.
    pub fn resized(&self, height: usize, width: usize) -> [usize; 2] {
        let scale = self.config.img_size as f64 / height.max(width) as f64;
        let side = |n: usize| ((n as f64 * scale + 0.5) as usize).clamp(1, self.config.img_size);
        [side(height), side(width)]
    }

    /// Resizes photo bytes u8 `[1, H, W, 3]` as the published preprocessing does. On the host: a photo may be larger than any binding.
    pub fn resize(&self, photo: &Tensor) -> Result<Tensor, ModelError> {
        let wrong = |source| build::kernel("resize", source);
        let [height, width] = photo.shape.dims4().map_or([0, 0], |d| self.resized(d[1], d[2]));
        let op = ResizeU8 { height, width };
        let specs = op.infer(&[TensorSpec { dtype: photo.dtype(), shape: photo.shape.clone() }]).map_err(wrong)?;
        let shape = &specs[0].shape;
        let mut bytes = vec![0u8; shape.elements()];
        op.native(&[photo.view()], &mut [TensorMut::U8(shape, &mut bytes)], &mut []);
        Ok(Tensor::u8(shape.dims(), bytes))
    }

    /// Resized photo u8 `[1, height, width, 3]` to embedding f32 `[1, S, S, C]`.
    pub fn encoder_graph(&self, [height, width]: [usize; 2]) -> Result<Graph, EngineError> {
        let mut g = Graph::new();
        let image = g.input(TensorSpec::u8(&[1, height, width, 3]));
        let x = g.add("image_encoder.input", Arc::new(SamInput { side: self.config.img_size }), &[image])?; // [1, 3, side, side]
        let x = match &self.encoder {
            Encoder::Vit(vit) => vit.graph(&mut g, x)?,
            Encoder::TinyVit(tiny) => tiny.graph(&mut g, x)?,
        }; // [1, S, S, dim]
        let out = self.neck.graph(&mut g, x)?; // [1, S, S, C]
        g.output(out);
        Ok(g)
    }

    /// Embedding f32 `[1, S, S, C]` and tokens f32 `[1, 5 + T, C]` to logits `[1, 4, 4S, 4S]` and quality `[1, 1, 4]`.
    /// Row 0 is the answer for several prompts, rows 1..3 are the three candidates for a single click.
    pub fn decoder_graph(&self, prompt_tokens: usize) -> Result<Graph, EngineError> {
        let (side, c) = (self.config.embedding_side(), self.config.decoder.transformer_dim);
        let mut g = Graph::new();
        let embedding = g.input(TensorSpec::f32(&[1, side, side, c]));
        let tokens = g.input(TensorSpec::f32(&[1, 1 + MASKS + prompt_tokens, c]));
        let [masks, iou] = self.decoder.graph(&mut g, embedding, tokens)?;
        g.output(masks);
        g.output(iou);
        Ok(g)
    }

    /// The decoder's token input `[1, 5 + T, C]` for a prompt on a photo of `photo` = [height, width] pixels.
    pub fn tokens(&self, prompt: &SamPrompt, photo: [usize; 2]) -> Result<Tensor, ModelError> {
        if prompt.points.is_empty() && prompt.rectangle.is_none() || prompt.tokens() > PROMPT_TOKENS_MAX {
            let why = format!("a prompt of {} clicks; wanted a click or a box, at most {PROMPT_TOKENS_MAX} tokens", prompt.points.len());
            return Err(ModelError::Config { arch: "sam", why });
        }
        let mut values = self.decoder.output_tokens.clone();
        values.extend(self.prompt.tokens(prompt, photo, self.resized(photo[0], photo[1])));
        Ok(Tensor::f32(&[1, 1 + MASKS + prompt.tokens(), self.config.decoder.transformer_dim], values))
    }
}

impl Neck {
    fn graph(&self, g: &mut Graph, x: TensorId) -> Result<TensorId, EngineError> {
        let name = |i: usize| format!("image_encoder.neck.{i}");
        let x = g.add(&name(0), self.squeeze.clone(), &[x])?; // [1, S, S, C]
        let x = g.add(&name(1), self.norm1.clone(), &[x])?;
        let x = g.add("image_encoder.neck.first", Arc::new(Permute::ChannelsFirst), &[x])?; // [1, C, S, S]
        let x = g.add(&name(2), self.conv.clone(), &[x])?;
        let x = g.add("image_encoder.neck.last", Arc::new(Permute::ChannelsLast), &[x])?; // [1, S, S, C]
        g.add(&name(3), self.norm2.clone(), &[x])
    }
}
