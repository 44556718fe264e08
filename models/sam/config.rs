//! Sizes of a SAM network, and how they are read off its weights.

use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::import::Weights;

const ARCH: &str = "sam";

/// Image encoder: what turns a photo into an embedding `[side, side, decoder.transformer_dim]`.
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
    /// MobileSAM's TinyViT: one convolutional and three transformer stages.
    TinyVit {
        /// Channels of the stages.
        embed_dims: Vec<usize>,
        /// Blocks of the stages.
        depths: Vec<usize>,
        /// Heads of the stages; 1 for the first, convolutional one, which has none.
        num_heads: Vec<usize>,
        /// Window sides of the stages in pixels of their maps; 1 for the first, which has none.
        window_sizes: Vec<usize>,
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
    /// Linear layers of the quality head.
    pub iou_head_depth: usize,
    /// Channels between them.
    pub iou_head_hidden_dim: usize,
}

/// A SAM network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamConfig {
    /// Side of the square that photos are fitted into, in pixels.
    pub img_size: usize,
    /// Image encoder.
    pub encoder: EncoderConfig,
    /// Mask decoder.
    pub decoder: DecoderConfig,
}

/// Masks per prompt: the single-mask answer and the three of multimask.
pub const MASKS: usize = 4;

/// Image pixels per embedding pixel.
pub const EMBEDDING_STRIDE: usize = 16;

impl SamConfig {
    /// SAM ViT-B.
    pub fn vit_b() -> Self {
        SamConfig {
            img_size: 1024,
            encoder: EncoderConfig::Vit {
                embed_dim: 768,
                depth: 12,
                num_heads: 12,
                patch_size: 16,
                window_size: 14,
                global_attn_indexes: vec![2, 5, 8, 11],
            },
            decoder: DecoderConfig::published(),
        }
    }

    /// MobileSAM.
    pub fn mobile_sam() -> Self {
        SamConfig {
            img_size: 1024,
            encoder: EncoderConfig::TinyVit {
                embed_dims: vec![64, 128, 160, 320],
                depths: vec![2, 2, 6, 2],
                num_heads: vec![1, 4, 5, 10],
                window_sizes: vec![1, 7, 14, 7],
            },
            decoder: DecoderConfig::published(),
        }
    }

    /// Side of the embedding in its own pixels.
    pub fn embedding_side(&self) -> usize {
        self.img_size / EMBEDDING_STRIDE
    }

    /// Reads the sizes off the names and shapes of published weights.
    pub fn infer(weights: &Weights) -> Result<Self, ModelError> {
        let reader = Reader { weights };
        let tiny = weights.get("image_encoder.patch_embed.seq.0.c.weight").is_some();
        let encoder = if tiny { reader.tiny_vit()? } else { reader.vit()? };
        // TinyViT's weights do not depend on the image's size; every published one is for 1024.
        let img_size = match &encoder {
            EncoderConfig::Vit { patch_size, .. } => reader.axis("image_encoder.pos_embed", 1)? * patch_size,
            EncoderConfig::TinyVit { .. } => 1024,
        };
        let config = SamConfig { img_size, encoder, decoder: reader.decoder()? };
        config.validate()?;
        Ok(config)
    }

    /// Refuses sizes that no network of this family can have.
    pub fn validate(&self) -> Result<(), ModelError> {
        let d = &self.decoder;
        let counts = [self.img_size, d.transformer_dim, d.depth, d.mlp_dim, d.num_heads, d.iou_head_depth, d.iou_head_hidden_dim];
        let refuse = |why: String| Err(ModelError::Config { arch: ARCH, why });
        if counts.iter().any(|n| *n == 0 || *n > 65_536) || self.img_size % (EMBEDDING_STRIDE * 4) != 0 || self.img_size > 4096 {
            return refuse(format!("image side {} and decoder {d:?}: wanted a side that is a multiple of 64 up to 4096", self.img_size));
        }
        if d.transformer_dim % (2 * d.num_heads) != 0 || d.transformer_dim % 8 != 0 {
            return refuse(format!("{} channels do not divide into {} heads of two halves", d.transformer_dim, d.num_heads));
        }
        match &self.encoder {
            EncoderConfig::Vit { embed_dim, num_heads, patch_size, .. } => {
                if *num_heads == 0 || embed_dim % num_heads != 0 || *patch_size != EMBEDDING_STRIDE {
                    return refuse(format!(
                        "{embed_dim} channels in {num_heads} heads, patches of {patch_size}: wanted patches of {EMBEDDING_STRIDE}"
                    ));
                }
            }
            EncoderConfig::TinyVit { embed_dims, depths, num_heads, window_sizes } => {
                if [embed_dims.len(), depths.len(), num_heads.len(), window_sizes.len()] != [4; 4] {
                    return refuse(format!("TinyViT with stages {embed_dims:?} {depths:?} {num_heads:?} {window_sizes:?}: wanted four"));
                }
            }
        }
        Ok(())
    }
}

impl DecoderConfig {
    /// The decoder that all published networks share.
    pub fn published() -> Self {
        DecoderConfig { transformer_dim: 256, depth: 2, mlp_dim: 2048, num_heads: HEADS, iou_head_depth: 3, iou_head_hidden_dim: 256 }
    }
}

/// Heads of every attention in the decoder: fixed in all published networks, and not visible in the weights.
const HEADS: usize = 8;

struct Reader<'a> {
    weights: &'a Weights,
}

impl Reader<'_> {
    fn axis(&self, name: &str, axis: usize) -> Result<usize, ModelError> {
        let size = self.weights.get(name).and_then(|t| t.shape().get(axis).copied());
        size.ok_or_else(|| ModelError::Weights { arch: ARCH, problems: vec![format!("{name} is missing or lacks axis {axis}")] })
    }

    /// How many of `prefix.0suffix`, `prefix.1suffix`, .. there are.
    fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..1024).take_while(|i| self.weights.get(&format!("{prefix}.{i}{suffix}")).is_some()).count()
    }

    fn vit(&self) -> Result<EncoderConfig, ModelError> {
        let blocks = "image_encoder.blocks";
        let embed_dim = self.axis("image_encoder.patch_embed.proj.weight", 0)?;
        let depth = self.count(blocks, ".attn.qkv.weight");
        let head_dim = self.axis(&format!("{blocks}.0.attn.rel_pos_h"), 1)?.max(1);
        // Windowed blocks have 2 S - 1 rows, global ones 2 * map - 1.
        let rows: Vec<usize> = (0..depth).map(|i| self.axis(&format!("{blocks}.{i}.attn.rel_pos_h"), 0)).collect::<Result<_, _>>()?;
        let global = 2 * self.axis("image_encoder.pos_embed", 1)?.max(1) - 1;
        let window = rows.iter().copied().filter(|r| *r != global).min().map_or(14, |r| r.div_ceil(2));
        Ok(EncoderConfig::Vit {
            embed_dim,
            depth,
            num_heads: embed_dim / head_dim,
            patch_size: self.axis("image_encoder.patch_embed.proj.weight", 2)?,
            window_size: window,
            global_attn_indexes: (0..depth).filter(|i| rows[*i] == global).collect(),
        })
    }

    fn tiny_vit(&self) -> Result<EncoderConfig, ModelError> {
        let layers = "image_encoder.layers";
        let mut config = (
            vec![self.axis("image_encoder.patch_embed.seq.2.c.weight", 0)?],
            vec![self.count(&format!("{layers}.0.blocks"), ".conv1.c.weight")],
        );
        let (mut heads, mut windows) = (vec![1], vec![1]);
        for stage in 1..4 {
            let blocks = format!("{layers}.{stage}.blocks");
            config.0.push(self.axis(&format!("{blocks}.0.attn.norm.weight"), 0)?);
            config.1.push(self.count(&blocks, ".attn.qkv.weight"));
            let biases = format!("{blocks}.0.attn.attention_biases");
            heads.push(self.axis(&biases, 0)?);
            windows.push(self.axis(&biases, 1)?.isqrt());
        }
        Ok(EncoderConfig::TinyVit { embed_dims: config.0, depths: config.1, num_heads: heads, window_sizes: windows })
    }

    fn decoder(&self) -> Result<DecoderConfig, ModelError> {
        let head = "mask_decoder.iou_prediction_head.layers";
        Ok(DecoderConfig {
            transformer_dim: self.axis("mask_decoder.iou_token.weight", 1)?,
            depth: self.count("mask_decoder.transformer.layers", ".norm1.weight"),
            mlp_dim: self.axis("mask_decoder.transformer.layers.0.mlp.lin1.weight", 0)?,
            num_heads: HEADS,
            iou_head_depth: self.count(head, ".weight"),
            iou_head_hidden_dim: self.axis(&format!("{head}.0.weight"), 0)?,
        })
    }
}
