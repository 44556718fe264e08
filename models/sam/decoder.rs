//! SAM's mask decoder: a two-way transformer between prompt tokens and image pixels, then masks and their quality.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId};
use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::add::Add;
use cleanplate_kernels::add_constant::AddConstant;
use cleanplate_kernels::attention::Attention;
use cleanplate_kernels::linear::Linear;
use cleanplate_kernels::matmul_nt::MatmulNt;
use cleanplate_kernels::token_slice::TokenSlice;
use cleanplate_kernels::{Op, Tensor};

use super::build::{Build, activated, kernel, with_residual};
use super::config::{DecoderConfig, MASKS, SamConfig};
use super::prompt::PromptEncoder;
use super::upscaling::Upscaling;
use crate::error::ModelError;

const PREFIX: &str = "mask_decoder";
/// Epsilon of the transformer's norms.
const EPSILON: f32 = 1e-5;

/// One attention with its projections; the last adds the attention's residual, except where the published code has none.
#[derive(Debug)]
struct AttentionLayer {
    name: String,
    projections: [Arc<dyn Op>; 3],
    attention: Arc<dyn Op>,
    out: Arc<dyn Op>,
}

/// One two-way block.
#[derive(Debug)]
struct Block {
    self_attention: AttentionLayer,
    to_image: AttentionLayer,
    mlp: [Arc<dyn Op>; 2],
    to_tokens: AttentionLayer,
    norms: [Arc<dyn Op>; 4],
}

/// The decoder's layers.
#[derive(Debug)]
pub struct Decoder {
    no_mask: Arc<dyn Op>,
    positions: Arc<dyn Op>,
    blocks: Vec<Block>,
    last: AttentionLayer,
    last_norm: Arc<dyn Op>,
    upscaling: Upscaling,
    hypernetworks: Vec<Arc<dyn Op>>,
    iou_head: Vec<Arc<dyn Op>>,
    /// `[1 + MASKS, C]`: the quality token and the mask tokens, in front of every prompt's.
    pub output_tokens: Vec<f32>,
}

impl Decoder {
    /// Builds every layer.
    pub fn new(
        build: &Build<'_>,
        config: &SamConfig,
        prompt: &PromptEncoder,
    ) -> Result<Self, ModelError> {
        let (d, side) = (&config.decoder, config.embedding_side());
        let c = d.transformer_dim;
        let constant = |values: Vec<f32>| -> Result<Arc<dyn Op>, ModelError> {
            Ok(Arc::new(
                AddConstant::new(values).map_err(|e| kernel(PREFIX, e))?,
            ))
        };
        let mut output_tokens = build.floats(&format!("{PREFIX}.iou_token.weight"), &[1, c])?;
        output_tokens.extend(build.floats(&format!("{PREFIX}.mask_tokens.weight"), &[MASKS, c])?);
        Ok(Decoder {
            no_mask: constant(prompt.dense_no_mask(side))?,
            positions: constant(prompt.dense_positions(side))?,
            blocks: (0..d.depth)
                .map(|i| Block::new(build, d, i))
                .collect::<Result<_, _>>()?,
            last: AttentionLayer::new(
                build,
                &format!("{PREFIX}.transformer.final_attn_token_to_image"),
                d,
                d.attention_downsample_rate,
                true,
            )?,
            last_norm: build.layer_norm(
                &format!("{PREFIX}.transformer.norm_final_attn"),
                c,
                EPSILON,
            )?,
            upscaling: Upscaling::new(build, c)?,
            hypernetworks: hypernetworks(build, c)?,
            iou_head: iou_head(build, d)?,
            output_tokens,
        })
    }

    /// Embedding `[N, S, S, C]` and tokens `[N, 5 + T, C]` to mask logits `[N, 4, 4S, 4S]` and their predicted quality `[N, 1, 4]`.
    pub fn graph(
        &self,
        g: &mut Graph,
        embedding: TensorId,
        tokens: TensorId,
    ) -> Result<[TensorId; 2], EngineError> {
        let add: Arc<dyn Op> = Arc::new(Add);
        let mut keys = g.add(
            &format!("{PREFIX}.no_mask"),
            self.no_mask.clone(),
            &[embedding],
        )?; // [N, S, S, C]
        let mut queries = tokens; // [N, 5 + T, C]
        for (i, block) in self.blocks.iter().enumerate() {
            let name = format!("{PREFIX}.transformer.layers.{i}");
            [queries, keys] =
                block.graph(g, &name, [queries, keys], tokens, &self.positions, i == 0)?;
        }
        let q = g.add(&format!("{PREFIX}.last.q"), add, &[queries, tokens])?;
        let k = g.add(&format!("{PREFIX}.last.k"), self.positions.clone(), &[keys])?;
        let x = self.last.graph(g, [q, k, keys], Some(queries))?;
        let tokens_out = g.add(&format!("{PREFIX}.last.norm"), self.last_norm.clone(), &[x])?; // [N, 5 + T, C]

        let pixels = self.upscaling.graph(g, keys)?; // [N, 4S, 4S, C/8]
        let mut rows = g.add(
            &format!("{PREFIX}.mask_tokens"),
            Arc::new(TokenSlice {
                start: 1,
                count: MASKS,
            }),
            &[tokens_out],
        )?; // [N, 4, C]
        for (i, op) in self.hypernetworks.iter().enumerate() {
            rows = g.add(
                &format!("{PREFIX}.output_hypernetworks_mlps.{i}"),
                op.clone(),
                &[rows],
            )?; // [N, 4, C] .. [N, 4, C/8]
        }
        let masks = g.add(
            &format!("{PREFIX}.masks"),
            Arc::new(MatmulNt),
            &[rows, pixels],
        )?; // [N, 4, 4S, 4S]
        let mut iou = g.add(
            &format!("{PREFIX}.iou_token"),
            Arc::new(TokenSlice { start: 0, count: 1 }),
            &[tokens_out],
        )?; // [N, 1, C]
        for (i, op) in self.iou_head.iter().enumerate() {
            iou = g.add(
                &format!("{PREFIX}.iou_prediction_head.{i}"),
                op.clone(),
                &[iou],
            )?; // [N, 1, hidden] .. [N, 1, 4]
        }
        Ok([masks, iou])
    }
}

impl AttentionLayer {
    /// `rate` divides the channels inside.
    fn new(
        build: &Build<'_>,
        name: &str,
        d: &DecoderConfig,
        rate: usize,
        residual: bool,
    ) -> Result<Self, ModelError> {
        let (c, inner) = (d.transformer_dim, d.transformer_dim / rate);
        let project = |part: &str| -> Result<Arc<dyn Op>, ModelError> {
            Ok(Arc::new(build.linear(
                &format!("{name}.{part}_proj"),
                c,
                inner,
            )?))
        };
        let out = build.linear(&format!("{name}.out_proj"), inner, c)?;
        Ok(AttentionLayer {
            name: name.to_string(),
            projections: [project("q")?, project("k")?, project("v")?],
            attention: Arc::new(Attention::new(d.num_heads).map_err(|e| kernel(name, e))?),
            out: if residual {
                with_residual(name, &out)?
            } else {
                Arc::new(out)
            },
        })
    }

    fn graph(
        &self,
        g: &mut Graph,
        qkv: [TensorId; 3],
        residual: Option<TensorId>,
    ) -> Result<TensorId, EngineError> {
        let mut projected = Vec::with_capacity(3);
        for ((x, op), part) in qkv.into_iter().zip(&self.projections).zip(["q", "k", "v"]) {
            projected.push(g.add(&format!("{}.{part}_proj", self.name), op.clone(), &[x])?);
        }
        let x = g.add(&self.name, self.attention.clone(), &projected)?;
        let inputs: Vec<TensorId> = std::iter::once(x).chain(residual).collect();
        g.add(
            &format!("{}.out_proj", self.name),
            self.out.clone(),
            &inputs,
        )
    }
}

impl Block {
    fn new(build: &Build<'_>, d: &DecoderConfig, index: usize) -> Result<Self, ModelError> {
        let (name, c) = (
            format!("{PREFIX}.transformer.layers.{index}"),
            d.transformer_dim,
        );
        let rate = d.attention_downsample_rate;
        let attention = |part: &str, rate, residual| {
            AttentionLayer::new(build, &format!("{name}.{part}"), d, rate, residual)
        };
        let norm = |i: usize| build.layer_norm(&format!("{name}.norm{i}"), c, EPSILON);
        let lin1 = build.linear(&format!("{name}.mlp.lin1"), c, d.mlp_dim)?;
        let lin2 = build.linear(&format!("{name}.mlp.lin2"), d.mlp_dim, c)?;
        Ok(Block {
            // The first block's self attention replaces the tokens instead of adding to them.
            self_attention: attention("self_attn", 1, index > 0)?,
            to_image: attention("cross_attn_token_to_image", rate, true)?,
            mlp: [
                activated(&name, &lin1, Activation::Relu)?,
                with_residual(&name, &lin2)?,
            ],
            to_tokens: attention("cross_attn_image_to_token", rate, true)?,
            norms: [norm(1)?, norm(2)?, norm(3)?, norm(4)?],
        })
    }

    fn graph(
        &self,
        g: &mut Graph,
        name: &str,
        [queries, keys]: [TensorId; 2],
        token_positions: TensorId,
        image_positions: &Arc<dyn Op>,
        first: bool,
    ) -> Result<[TensorId; 2], EngineError> {
        let add: Arc<dyn Op> = Arc::new(Add);
        let x = if first {
            self.self_attention.graph(g, [queries; 3], None)?
        } else {
            let q = g.add(
                &format!("{name}.self_attn.pe"),
                add.clone(),
                &[queries, token_positions],
            )?;
            self.self_attention
                .graph(g, [q, q, queries], Some(queries))?
        };
        let x = g.add(&format!("{name}.norm1"), self.norms[0].clone(), &[x])?; // [N, 5 + T, C]
        let q = g.add(
            &format!("{name}.to_image.q"),
            add.clone(),
            &[x, token_positions],
        )?;
        let k = g.add(
            &format!("{name}.image_pe"),
            image_positions.clone(),
            &[keys],
        )?; // [N, S, S, C]
        let x = self.to_image.graph(g, [q, k, keys], Some(x))?;
        let x = g.add(&format!("{name}.norm2"), self.norms[1].clone(), &[x])?;
        let h = g.add(&format!("{name}.mlp.lin1"), self.mlp[0].clone(), &[x])?;
        let x = g.add(&format!("{name}.mlp.lin2"), self.mlp[1].clone(), &[h, x])?;
        let x = g.add(&format!("{name}.norm3"), self.norms[2].clone(), &[x])?;
        let q = g.add(&format!("{name}.to_tokens.k"), add, &[x, token_positions])?;
        let y = self.to_tokens.graph(g, [k, q, x], Some(keys))?;
        let y = g.add(&format!("{name}.norm4"), self.norms[3].clone(), &[y])?; // [N, S, S, C]
        Ok([x, y])
    }
}

/// One three-layer network a mask token, all four as one operation a layer.
fn hypernetworks(build: &Build<'_>, c: usize) -> Result<Vec<Arc<dyn Op>>, ModelError> {
    let sizes = [(c, c), (c, c), (c, c / 8)];
    let layer = |(i, (ic, oc)): (usize, (usize, usize))| {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for mask in 0..MASKS {
            let name = format!("{PREFIX}.output_hypernetworks_mlps.{mask}.layers.{i}");
            weight.extend(build.floats(&format!("{name}.weight"), &[oc, ic])?);
            bias.extend(build.floats(&format!("{name}.bias"), &[oc])?);
        }
        let op = Linear::grouped(&Tensor::f32(&[MASKS, oc, ic], weight), Some(&bias))
            .map_err(|e| kernel("output_hypernetworks_mlps", e))?;
        relu_unless_last(op, i + 1 == sizes.len())
    };
    sizes.into_iter().enumerate().map(layer).collect()
}

fn iou_head(build: &Build<'_>, d: &DecoderConfig) -> Result<Vec<Arc<dyn Op>>, ModelError> {
    let layer = |i: usize| {
        let ic = if i == 0 {
            d.transformer_dim
        } else {
            d.iou_head_hidden_dim
        };
        let last = i + 1 == d.iou_head_depth;
        let oc = if last { MASKS } else { d.iou_head_hidden_dim };
        relu_unless_last(
            build.linear(&format!("{PREFIX}.iou_prediction_head.layers.{i}"), ic, oc)?,
            last,
        )
    };
    (0..d.iou_head_depth).map(layer).collect()
}

fn relu_unless_last(op: Linear, last: bool) -> Result<Arc<dyn Op>, ModelError> {
    if last {
        Ok(Arc::new(op))
    } else {
        activated(PREFIX, &op, Activation::Relu)
    }
}
