//! SAM's vision transformer encoder (segment-anything, `ImageEncoderViT`), without its neck.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId};
use cleanplate_kernels::Op;
use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::add_constant::AddConstant;
use cleanplate_kernels::linear::Linear;
use cleanplate_kernels::patchify::Patchify;
use cleanplate_kernels::window_attention::{Bias, QkvLayout, WindowAttention};

use super::build::{Build, activated, kernel, with_residual};
use super::encoder::Trunk;
use crate::error::ModelError;

const PREFIX: &str = "image_encoder";
const EPSILON: f32 = 1e-6;

/// Sizes of the transformer.
pub struct VitSizes<'a> {
    /// Channels.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads.
    pub heads: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Side of a window in patches.
    pub window: usize,
    /// Blocks that attend over the whole map.
    pub global: &'a [usize],
    /// Side of the map in patches.
    pub side: usize,
}

/// One transformer block.
#[derive(Debug)]
struct Block {
    norm1: Arc<dyn Op>,
    qkv: Arc<dyn Op>,
    attention: Arc<dyn Op>,
    /// With the residual of the block's input.
    proj: Arc<dyn Op>,
    norm2: Arc<dyn Op>,
    lin1: Arc<dyn Op>,
    /// With the residual of the attention's result.
    lin2: Arc<dyn Op>,
}

/// The encoder's layers.
#[derive(Debug)]
pub struct Vit {
    patches: Arc<dyn Op>,
    embed: Arc<dyn Op>,
    positions: Arc<dyn Op>,
    blocks: Vec<Block>,
}

impl Vit {
    /// Builds every layer.
    pub fn new(build: &Build<'_>, sizes: &VitSizes<'_>) -> Result<Self, ModelError> {
        let (dim, p) = (sizes.dim, sizes.patch);
        let proj = format!("{PREFIX}.patch_embed.proj");
        // A convolution whose stride is its kernel: a linear layer over patches.
        let weight = build.floats(&format!("{proj}.weight"), &[dim, 3, p, p])?;
        let weight = cleanplate_kernels::Tensor::f32(&[dim, 3 * p * p], weight);
        let bias = build.floats(&format!("{proj}.bias"), &[dim])?;
        let positions = build.floats(
            &format!("{PREFIX}.pos_embed"),
            &[1, sizes.side, sizes.side, dim],
        )?;
        Ok(Vit {
            patches: Arc::new(Patchify { side: p }),
            embed: Arc::new(Linear::new(&weight, Some(&bias)).map_err(|e| kernel(&proj, e))?),
            positions: Arc::new(AddConstant::new(positions).map_err(|e| kernel("pos_embed", e))?),
            blocks: (0..sizes.depth)
                .map(|i| Block::new(build, sizes, i))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Trunk for Vit {
    /// `[N, 3, S, S]` to `[N, side, side, dim]`.
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<TensorId, EngineError> {
        let x = g.add(&format!("{PREFIX}.patches"), self.patches.clone(), &[image])?; // [N, side, side, 3 p p]
        let x = g.add(&format!("{PREFIX}.patch_embed"), self.embed.clone(), &[x])?; // [N, side, side, dim]
        let mut x = g.add(&format!("{PREFIX}.pos_embed"), self.positions.clone(), &[x])?;
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.graph(g, &format!("{PREFIX}.blocks.{i}"), x)?; // [N, side, side, dim]
        }
        Ok(x)
    }
}

impl Block {
    fn new(build: &Build<'_>, sizes: &VitSizes<'_>, index: usize) -> Result<Self, ModelError> {
        let (name, dim) = (format!("{PREFIX}.blocks.{index}"), sizes.dim);
        let window = (!sizes.global.contains(&index)).then_some(sizes.window);
        let (head_dim, side) = (dim / sizes.heads, window.unwrap_or(sizes.side));
        let table = |axis: &str| {
            build.floats(
                &format!("{name}.attn.rel_pos_{axis}"),
                &[2 * side - 1, head_dim],
            )
        };
        let bias = Bias::Decomposed {
            rows: Arc::new(table("h")?),
            columns: Arc::new(table("w")?),
        };
        let qkv = build.linear(&format!("{name}.attn.qkv"), dim, 3 * dim)?;
        // Windows are padded with zeros behind the norm: the projection makes its bias of them.
        let pad = qkv.bias.to_vec();
        let attention =
            WindowAttention::new(sizes.heads, head_dim, QkvLayout::Blocks, window, bias, pad)
                .map_err(|e| kernel(&name, e))?;
        let lin1 = build.linear(&format!("{name}.mlp.lin1"), dim, 4 * dim)?;
        Ok(Block {
            norm1: build.layer_norm(&format!("{name}.norm1"), dim, EPSILON)?,
            qkv: Arc::new(qkv),
            attention: Arc::new(attention),
            proj: with_residual(
                &name,
                &build.linear(&format!("{name}.attn.proj"), dim, dim)?,
            )?,
            norm2: build.layer_norm(&format!("{name}.norm2"), dim, EPSILON)?,
            lin1: activated(&name, &lin1, Activation::Gelu)?,
            lin2: with_residual(
                &name,
                &build.linear(&format!("{name}.mlp.lin2"), 4 * dim, dim)?,
            )?,
        })
    }

    fn graph(&self, g: &mut Graph, name: &str, x: TensorId) -> Result<TensorId, EngineError> {
        let h = g.add(&format!("{name}.norm1"), self.norm1.clone(), &[x])?; // [N, H, W, dim]
        let h = g.add(&format!("{name}.attn.qkv"), self.qkv.clone(), &[h])?; // [N, H, W, 3 dim]
        let h = g.add(&format!("{name}.attn"), self.attention.clone(), &[h])?; // [N, H, W, dim]
        let x = g.add(&format!("{name}.attn.proj"), self.proj.clone(), &[h, x])?;
        let h = g.add(&format!("{name}.norm2"), self.norm2.clone(), &[x])?;
        let h = g.add(&format!("{name}.mlp.lin1"), self.lin1.clone(), &[h])?; // [N, H, W, 4 dim]
        g.add(&format!("{name}.mlp.lin2"), self.lin2.clone(), &[h, x]) // [N, H, W, dim]
    }
}
