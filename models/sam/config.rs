//! Sizes of a SAM network.

use serde::{Deserialize, Serialize};

use super::tiny_vit;
use crate::error::ModelError;

/// Name of the family in errors.
pub(super) const ARCH: &str = "sam";

/// Image encoder: what turns a photo into an embedding `[S, S, decoder.transformer_dim]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "encoder", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// SAM's plain vision transformer (B, L, H by size).
    Vit {
        /// Channels.
        embed_dim: usize,
        /// Blocks.
        depth: usize,
        /// Heads of every block.
        num_heads: usize,
        /// Side of a patch in pixels.
        patch_size: usize,
        /// Side of an attention window in patches.
        window_size: usize,
        /// Blocks that attend over the whole map.
        global_attn_indexes: Vec<usize>,
    },
    /// MobileSAM's TinyViT: one convolutional and three transformer stages; sam-small's is a thinner one.
    TinyVit {
        /// Channels of the stages.
        embed_dims: Vec<usize>,
        /// Blocks of the stages. The last one may have none.
        depths: Vec<usize>,
        /// Heads of the stages; 1 for the first, convolutional one, which has none.
        num_heads: Vec<usize>,
        /// Window sides of the stages in pixels of their maps; 1 for the first, which has none.
        window_sizes: Vec<usize>,
        /// Channels inside the blocks of the stages: of the convolutional one's depthwise convolutions, of the others' MLPs. Files
        /// stored before this could differ lack it and get the published four times the stages' channels.
        #[serde(default)]
        hidden_dims: Vec<usize>,
        /// Channels between the two parts of the neck's 3x3 convolution, a 1x1 and a 3x3; 0 for a 3x3 in one part, as published.
        #[serde(default)]
        neck_squeeze: usize,
    },
}

/// Mask decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Channels of tokens and of the image embedding.
    pub transformer_dim: usize,
    /// Two-way blocks.
    pub depth: usize,
    /// Channels between the two linear layers of a block.
    pub mlp_dim: usize,
    /// Heads of every attention.
    pub num_heads: usize,
    /// How many times fewer channels the attentions between tokens and image have inside.
    #[serde(default = "two")]
    pub attention_downsample_rate: usize,
    /// Linear layers of the quality head.
    pub iou_head_depth: usize,
    /// Channels between them.
    pub iou_head_hidden_dim: usize,
}

/// How pixels become the encoder's numbers: `(value - mean) / std` on 0..255, red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Mean of each channel.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, above 0.
    pub std: [f32; 3],
}

impl Default for Normalisation {
    /// That of segment-anything.
    fn default() -> Self {
        Normalisation {
            mean: [123.675, 116.28, 103.53],
            std: [58.395, 57.12, 57.375],
        }
    }
}

/// A SAM network. The embedding's side S and the logits' side 4S follow from `img_size`.
///
/// Stored models carry it as JSON in the safetensors metadata (`config`, beside `arch`); published checkpoints do not, and it is read off
/// their weights (`SamConfig::infer`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamConfig {
    /// Side of the square that photos are fitted into, in pixels.
    pub img_size: usize,
    /// What the encoder sees of a pixel.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// Image encoder.
    pub encoder: EncoderConfig,
    /// Mask decoder.
    pub decoder: DecoderConfig,
}

/// Masks per prompt: the single-mask answer and the three of multimask.
pub const MASKS: usize = 4;

/// Image pixels per embedding pixel.
pub const EMBEDDING_STRIDE: usize = 16;

/// Largest side that a network may have: 16 times the pixels of the published ones.
const IMAGE_SIDE_MAX: usize = 4096;
/// Largest number of channels, layers or heads: twice ViT-H's widest.
const SIZE_MAX: usize = 16_384;

impl SamConfig {
    /// Side of the embedding in its own pixels.
    pub fn embedding_side(&self) -> usize {
        self.img_size / EMBEDDING_STRIDE
    }

    /// Refuses sizes that no network of this family can have.
    pub fn validate(&self) -> Result<(), ModelError> {
        let d = &self.decoder;
        let rate = d.attention_downsample_rate;
        let counts = [
            d.transformer_dim,
            d.depth,
            d.mlp_dim,
            d.num_heads,
            rate,
            d.iou_head_depth,
            d.iou_head_hidden_dim,
        ];
        let refuse = |why: String| Err(refused(why));
        if self.img_size == 0
            || !self.img_size.is_multiple_of(2 * EMBEDDING_STRIDE)
            || self.img_size > IMAGE_SIDE_MAX
        {
            return refuse(format!(
                "image side {}: wanted a multiple of {} up to {IMAGE_SIDE_MAX}",
                self.img_size,
                2 * EMBEDDING_STRIDE
            ));
        }
        if counts.iter().any(|n| *n == 0 || *n > SIZE_MAX) {
            return refuse(format!("decoder {d:?}: wanted sizes from 1 to {SIZE_MAX}"));
        }
        let divides = d.transformer_dim.is_multiple_of(8) && d.transformer_dim.is_multiple_of(rate);
        if !divides || !(d.transformer_dim / rate).is_multiple_of(d.num_heads) {
            return refuse(format!(
                "{} channels, divided by {rate}, do not divide into {} heads",
                d.transformer_dim, d.num_heads
            ));
        }
        let Normalisation { mean, std } = self.normalisation;
        if mean.iter().chain(&std).any(|v| !v.is_finite()) || std.iter().any(|v| *v < 1e-3) {
            return refuse(format!(
                "normalisation {:?}: wanted finite means and deviations above 0",
                self.normalisation
            ));
        }
        self.encoder.validate()
    }
}

/// Why a configuration is none.
fn refused(why: String) -> ModelError {
    ModelError::Config { arch: ARCH, why }
}

impl EncoderConfig {
    /// Refuses sizes that no encoder of this kind can have.
    fn validate(&self) -> Result<(), ModelError> {
        let refuse = |why: String| Err(refused(why));
        match self {
            EncoderConfig::Vit {
                embed_dim,
                depth,
                num_heads,
                patch_size,
                window_size,
                ..
            } => {
                let sizes = [*embed_dim, *depth, *num_heads, *window_size];
                if sizes.iter().any(|n| *n == 0 || *n > SIZE_MAX)
                    || embed_dim % num_heads != 0
                    || *patch_size != EMBEDDING_STRIDE
                {
                    return refuse(format!(
                        "encoder {:?}: wanted whole heads and patches of {EMBEDDING_STRIDE}",
                        self
                    ));
                }
            }
            EncoderConfig::TinyVit {
                embed_dims,
                depths,
                num_heads,
                window_sizes,
                hidden_dims,
                neck_squeeze,
            } => {
                let sizes = [embed_dims, num_heads, window_sizes, hidden_dims];
                let bounded = sizes.iter().all(|stages| {
                    stages.len() == 4 && stages.iter().all(|n| (1..=SIZE_MAX).contains(n))
                }) && depths.len() == 4
                    && depths.iter().all(|n| *n <= SIZE_MAX)
                    && *neck_squeeze <= SIZE_MAX;
                if !bounded
                    || embed_dims
                        .iter()
                        .zip(num_heads)
                        .any(|(dim, heads)| dim % heads != 0)
                {
                    return refuse(format!(
                        "encoder {:?}: wanted four stages of whole heads",
                        self
                    ));
                }
                // The published rule for the stride of a stage is its number of channels.
                if embed_dims
                    .iter()
                    .map(|dim| tiny_vit::keeps_size(*dim))
                    .ne([false, false, false, true])
                {
                    return refuse(format!(
                        "stages of {embed_dims:?} channels: wanted the last, and only the last, of 320, 448 or 576"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Heads of every attention in the decoder: fixed in all published networks, and not visible in the weights.
pub(super) const HEADS: usize = 8;

fn two() -> usize {
    2
}
