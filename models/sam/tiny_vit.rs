//! MobileSAM's encoder (TinyViT-5M by configuration), without its neck. Channels last from the second convolution on.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId};
use cleanplate_kernels::Op;
use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::permute::Permute;
use cleanplate_kernels::window_attention::{Bias, QkvLayout, WindowAttention};

use super::build::{Build, activated, kernel, with_residual};
use super::encoder::Trunk;
use crate::error::ModelError;

const PREFIX: &str = "image_encoder";
const EPSILON: f32 = 1e-5;

/// A run of operations, each on the last one's result; one that is marked also takes the run's input (a residual).
#[derive(Debug)]
struct Chain(Vec<(String, Arc<dyn Op>, bool)>);

impl Chain {
    fn graph(&self, g: &mut Graph, x: TensorId) -> Result<TensorId, EngineError> {
        let mut y = x;
        for (name, op, residual) in &self.0 {
            y = if *residual {
                g.add(name, op.clone(), &[y, x])?
            } else {
                g.add(name, op.clone(), &[y])?
            };
        }
        Ok(y)
    }
}

/// Sizes of the four stages; see [`super::EncoderConfig::TinyVit`].
pub struct Stages<'a> {
    /// Channels.
    pub dims: &'a [usize],
    /// Blocks.
    pub depths: &'a [usize],
    /// Heads.
    pub heads: &'a [usize],
    /// Window sides.
    pub windows: &'a [usize],
    /// Channels inside the blocks.
    pub hidden: &'a [usize],
}

/// The encoder's layers.
#[derive(Debug)]
pub struct TinyVit {
    chains: Vec<Chain>,
}

impl TinyVit {
    /// Builds every layer.
    pub fn new(build: &Build<'_>, stages: &Stages<'_>) -> Result<Self, ModelError> {
        let Stages {
            dims,
            depths,
            heads,
            windows,
            hidden,
        } = stages;
        let mut chains = vec![patch_embed(build, dims[0])?];
        for (stage, depth) in depths.iter().enumerate() {
            for block in 0..*depth {
                let name = format!("{PREFIX}.layers.{stage}.blocks.{block}");
                if stage == 0 {
                    chains.push(mb_conv(build, &name, dims[0], hidden[0])?);
                } else {
                    chains.extend(transformer(
                        build,
                        &name,
                        [dims[stage], hidden[stage]],
                        heads[stage],
                        windows[stage],
                    )?);
                }
            }
            if let Some(next) = dims.get(stage + 1) {
                chains.push(merge(
                    build,
                    &format!("{PREFIX}.layers.{stage}.downsample"),
                    dims[stage],
                    *next,
                )?);
            }
        }
        Ok(TinyVit { chains })
    }
}

impl Trunk for TinyVit {
    /// `[N, 3, S, S]` to `[N, S/16, S/16, last channels]`.
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<TensorId, EngineError> {
        self.chains
            .iter()
            .try_fold(image, |x, chain| chain.graph(g, x))
    }
}

/// Two 3x3 stride-2 convolutions: `[N, 3, S, S]` to `[N, S/4, S/4, dim]`.
fn patch_embed(build: &Build<'_>, dim: usize) -> Result<Chain, ModelError> {
    let name = |i: usize| format!("{PREFIX}.patch_embed.seq.{i}");
    let first = build.conv_norm(&name(0), 3, dim / 2, 2)?;
    let first = activated(&name(0), first.as_ref(), Activation::Gelu)?;
    let second = build.conv_norm(&name(2), dim / 2, dim, 2)?;
    let last = (
        format!("{PREFIX}.patch_embed.last"),
        Arc::new(Permute::ChannelsLast) as Arc<dyn Op>,
        false,
    );
    Ok(Chain(vec![
        (name(0), first, false),
        (name(2), second, false),
        last,
    ]))
}

/// Expand, depthwise, project, residual, GELU.
fn mb_conv(build: &Build<'_>, name: &str, dim: usize, hidden: usize) -> Result<Chain, ModelError> {
    let part = |i: usize| format!("{name}.conv{i}");
    let expand = activated(
        name,
        &build.pointwise_norm(&part(1), dim, hidden)?,
        Activation::Gelu,
    )?;
    let depthwise = activated(
        name,
        &build.depthwise_norm(&part(2), hidden, 1)?,
        Activation::Gelu,
    )?;
    let project = with_residual(name, &build.pointwise_norm(&part(3), hidden, dim)?)?;
    let act: Arc<dyn Op> = Arc::new(Activation::Gelu);
    Ok(Chain(vec![
        (part(1), expand, false),
        (part(2), depthwise, false),
        (part(3), project, true),
        (format!("{name}.act"), act, false),
    ]))
}

/// Whether the step to a stage of this many channels keeps the map's size.
pub fn keeps_size(channels: usize) -> bool {
    matches!(channels, 320 | 448 | 576)
}

/// Between stages: 1x1, depthwise 3x3, 1x1.
fn merge(build: &Build<'_>, name: &str, dim: usize, next: usize) -> Result<Chain, ModelError> {
    let part = |i: usize| format!("{name}.conv{i}");
    let stride = if keeps_size(next) { 1 } else { 2 };
    let first = activated(
        name,
        &build.pointwise_norm(&part(1), dim, next)?,
        Activation::Gelu,
    )?;
    let depthwise = activated(
        name,
        &build.depthwise_norm(&part(2), next, stride)?,
        Activation::Gelu,
    )?;
    let last = Arc::new(build.pointwise_norm(&part(3), next, next)?);
    Ok(Chain(vec![
        (part(1), first, false),
        (part(2), depthwise, false),
        (part(3), last, false),
    ]))
}

/// `x + attention(x)`, a depthwise convolution on the map, `x + mlp(x)`.
fn transformer(
    build: &Build<'_>,
    name: &str,
    [dim, hidden]: [usize; 2],
    heads: usize,
    window: usize,
) -> Result<[Chain; 2], ModelError> {
    let attn = format!("{name}.attn");
    let qkv = build.linear(&format!("{attn}.qkv"), dim, 3 * dim)?;
    let beta = build.floats(&format!("{attn}.norm.bias"), &[dim])?;
    // Windows are padded with zeros in front of the norm: it makes its offset of them, and they take part.
    let row = |(weights, bias): (&[f32], &f32)| {
        bias + weights.iter().zip(&beta).map(|(w, b)| w * b).sum::<f32>()
    };
    let pad = qkv
        .weight
        .chunks_exact(dim)
        .zip(qkv.bias.iter())
        .map(row)
        .collect();
    let biases = build.floats(
        &format!("{attn}.attention_biases"),
        &[heads, window * window],
    )?;
    let attention = WindowAttention::new(
        heads,
        dim / heads,
        QkvLayout::PerHead,
        Some(window),
        Bias::Distance(Arc::new(biases)),
        pad,
    );
    let proj = with_residual(&attn, &build.linear(&format!("{attn}.proj"), dim, dim)?)?;
    let local = Arc::new(build.depthwise_norm(&format!("{name}.local_conv"), dim, 1)?);
    let mlp = format!("{name}.mlp");
    let fc1 = activated(
        &mlp,
        &build.linear(&format!("{mlp}.fc1"), dim, hidden)?,
        Activation::Gelu,
    )?;
    let fc2 = with_residual(&mlp, &build.linear(&format!("{mlp}.fc2"), hidden, dim)?)?;
    let attend = Chain(vec![
        (
            format!("{attn}.norm"),
            build.layer_norm(&format!("{attn}.norm"), dim, EPSILON)?,
            false,
        ),
        (format!("{attn}.qkv"), Arc::new(qkv), false),
        (
            attn.clone(),
            Arc::new(attention.map_err(|e| kernel(&attn, e))?),
            false,
        ),
        (format!("{attn}.proj"), proj, true),
        (format!("{name}.local_conv"), local, false),
    ]);
    let feed = Chain(vec![
        (
            format!("{mlp}.norm"),
            build.layer_norm(&format!("{mlp}.norm"), dim, EPSILON)?,
            false,
        ),
        (format!("{mlp}.fc1"), fc1, false),
        (format!("{mlp}.fc2"), fc2, true),
    ]);
    Ok([attend, feed])
}
