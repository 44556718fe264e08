//! A SAM network's sizes, as its weight file tells them.

use super::config::{ARCH, DecoderConfig, EncoderConfig, HEADS, Normalisation, SamConfig};
use crate::error::ModelError;
use crate::import::Weights;

impl SamConfig {
    /// The sizes that a stored model states, or else what the names and shapes of published weights show.
    pub fn infer(weights: &Weights) -> Result<Self, ModelError> {
        let wrong = |e: serde_json::Error| ModelError::Config {
            arch: ARCH,
            why: format!("metadata `config` of the weights: {e}"),
        };
        let text = weights.metadata().get("config");
        let stated: Option<SamConfig> = text
            .map(|text| serde_json::from_str(text))
            .transpose()
            .map_err(wrong)?;
        match stated {
            Some(config) => SamConfig::complete(config),
            None => SamConfig::complete(Reader { weights }.config()?),
        }
    }

    /// Fills in what files stored by earlier versions lack, and refuses sizes that no network of this family can have.
    pub fn complete(mut config: SamConfig) -> Result<Self, ModelError> {
        if let EncoderConfig::TinyVit {
            embed_dims,
            hidden_dims,
            ..
        } = &mut config.encoder
            && hidden_dims.is_empty()
        {
            *hidden_dims = embed_dims.iter().map(|dim| dim.saturating_mul(4)).collect();
        }
        config.validate()?;
        Ok(config)
    }
}

struct Reader<'a> {
    weights: &'a Weights,
}

impl Reader<'_> {
    fn config(&self) -> Result<SamConfig, ModelError> {
        let tiny = self
            .weights
            .get("image_encoder.patch_embed.seq.0.c.weight")
            .is_some();
        let encoder = if tiny { self.tiny_vit()? } else { self.vit()? };
        // TinyViT's weights do not depend on the image's size; every published one is for 1024.
        let img_size = match &encoder {
            EncoderConfig::Vit { patch_size, .. } => self
                .axis("image_encoder.pos_embed", 1)?
                .saturating_mul(*patch_size),
            EncoderConfig::TinyVit { .. } => 1024,
        };
        Ok(SamConfig {
            img_size,
            normalisation: Normalisation::default(),
            encoder,
            decoder: self.decoder()?,
        })
    }

    fn axis(&self, name: &str, axis: usize) -> Result<usize, ModelError> {
        let size = self
            .weights
            .get(name)
            .and_then(|t| t.shape().get(axis).copied());
        size.ok_or_else(|| ModelError::Weights {
            arch: ARCH,
            problems: vec![format!("{name} is missing or lacks axis {axis}")],
        })
    }

    /// How many of `prefix.0suffix`, `prefix.1suffix`, .. there are.
    fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..1024)
            .take_while(|i| self.weights.get(&format!("{prefix}.{i}{suffix}")).is_some())
            .count()
    }

    fn vit(&self) -> Result<EncoderConfig, ModelError> {
        let blocks = "image_encoder.blocks";
        let embed_dim = self.axis("image_encoder.patch_embed.proj.weight", 0)?;
        let depth = self.count(blocks, ".attn.qkv.weight");
        let head_dim = self.axis(&format!("{blocks}.0.attn.rel_pos_h"), 1)?.max(1);
        // Windowed blocks have 2 S - 1 rows, global ones 2 * map - 1.
        let rows: Vec<usize> = (0..depth)
            .map(|i| self.axis(&format!("{blocks}.{i}.attn.rel_pos_h"), 0))
            .collect::<Result<_, _>>()?;
        let global = 2 * self.axis("image_encoder.pos_embed", 1)?.max(1) - 1;
        let window = rows
            .iter()
            .copied()
            .filter(|r| *r != global)
            .min()
            .map_or(14, |r| r.div_ceil(2));
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
        let mut hidden_dims = vec![self.axis(&format!("{layers}.0.blocks.0.conv1.c.weight"), 0)?];
        for stage in 1..4 {
            let blocks = format!("{layers}.{stage}.blocks");
            config
                .0
                .push(self.axis(&format!("{blocks}.0.attn.norm.weight"), 0)?);
            config.1.push(self.count(&blocks, ".attn.qkv.weight"));
            let biases = format!("{blocks}.0.attn.attention_biases");
            heads.push(self.axis(&biases, 0)?);
            windows.push(self.axis(&biases, 1)?.isqrt());
            hidden_dims.push(self.axis(&format!("{blocks}.0.mlp.fc1.weight"), 0)?);
        }
        let (embed_dims, depths) = config;
        Ok(EncoderConfig::TinyVit {
            embed_dims,
            depths,
            num_heads: heads,
            window_sizes: windows,
            hidden_dims,
            neck_squeeze: 0,
        })
    }

    fn decoder(&self) -> Result<DecoderConfig, ModelError> {
        let head = "mask_decoder.iou_prediction_head.layers";
        let transformer_dim = self.axis("mask_decoder.iou_token.weight", 1)?;
        let inner = self
            .axis(
                "mask_decoder.transformer.final_attn_token_to_image.q_proj.weight",
                0,
            )?
            .max(1);
        Ok(DecoderConfig {
            transformer_dim,
            attention_downsample_rate: transformer_dim / inner,
            depth: self.count("mask_decoder.transformer.layers", ".norm1.weight"),
            mlp_dim: self.axis("mask_decoder.transformer.layers.0.mlp.lin1.weight", 0)?,
            num_heads: HEADS,
            iou_head_depth: self.count(head, ".weight"),
            iou_head_hidden_dim: self.axis(&format!("{head}.0.weight"), 0)?,
        })
    }
}
