//! sam-small's encoder: MobileNetV2's blocks, and a small feature pyramid that ends at stride 16. Channels last from the second
//! convolution on.

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId};
use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::permute::Permute;
use cleanplate_kernels::upscale2::Upscale2;
use cleanplate_kernels::{Op, Tensor};

use super::build::{Build, activated, kernel, with_residual};
use super::encoder::ImageEncoder;
use crate::error::ModelError;

const PREFIX: &str = "image_encoder";
const EPSILON: f32 = 1e-6;
/// Strides of the rows' first blocks, behind a first convolution of stride 2.
pub(super) const STRIDES: [usize; 7] = [1, 2, 2, 2, 1, 2, 1];
/// Rows whose ends are the maps at strides 4, 8, 16 and 32.
const TAPS: [usize; 4] = [1, 2, 4, 6];

/// Expand 1x1, depthwise 3x3, project 1x1.
#[derive(Debug)]
struct InvertedResidual {
    name: String,
    /// Absent where the expansion is 1.
    expand: Option<Arc<dyn Op>>,
    depthwise: Arc<dyn Op>,
    /// Takes the block's input along if `residual`.
    project: Arc<dyn Op>,
    residual: bool,
}

/// Maps of four strides to the embedding.
#[derive(Debug)]
struct Pyramid {
    lateral32: Arc<dyn Op>,
    lateral16: Arc<dyn Op>,
    lateral8: Arc<dyn Op>,
    down8: Arc<dyn Op>,
    norms: [Arc<dyn Op>; 2],
    smooth: Arc<dyn Op>,
    skip8: Arc<dyn Op>,
    skip4: Arc<dyn Op>,
}

/// The encoder's layers.
#[derive(Debug)]
pub struct MobileNet {
    stem: Arc<dyn Op>,
    rows: Vec<Vec<InvertedResidual>>,
    pyramid: Pyramid,
}

impl MobileNet {
    /// Builds every layer. `stem` channels, then those of the seven rows with their blocks and expansions, then the decoder's `c`.
    pub fn new(
        build: &Build<'_>,
        stem: usize,
        channels: &[usize],
        depths: &[usize],
        expansions: &[usize],
        c: usize,
    ) -> Result<Self, ModelError> {
        let name = format!("{PREFIX}.trunk.stem");
        let first = activated(&name, build.conv_norm(&name, 3, stem, 2)?.as_ref(), Activation::Relu6)?;
        let (mut rows, mut ic, mut index) = (Vec::with_capacity(channels.len()), stem, 0);
        for (((oc, depth), expansion), stride) in channels.iter().zip(depths).zip(expansions).zip(STRIDES) {
            let mut row = Vec::with_capacity(*depth);
            for i in 0..*depth {
                let stride = if i == 0 { stride } else { 1 };
                row.push(InvertedResidual::new(build, index, [ic, *oc], *expansion, stride)?);
                (ic, index) = (*oc, index + 1);
            }
            rows.push(row);
        }
        Ok(MobileNet { stem: first, rows, pyramid: Pyramid::new(build, TAPS.map(|row| channels[row]), c)? })
    }
}

impl ImageEncoder for MobileNet {
    fn graph(&self, g: &mut Graph, image: TensorId) -> Result<Vec<TensorId>, EngineError> {
        let x = g.add(&format!("{PREFIX}.trunk.stem"), self.stem.clone(), &[image])?; // [N, stem, 8S, 8S]
        let mut x = g.add(&format!("{PREFIX}.trunk.last"), Arc::new(Permute::ChannelsLast), &[x])?;
        let mut maps = Vec::with_capacity(TAPS.len());
        for (i, row) in self.rows.iter().enumerate() {
            x = row.iter().try_fold(x, |x, block| block.graph(g, x))?;
            if TAPS.contains(&i) {
                maps.push(x); // [N, 4S, 4S, ..], [N, 2S, 2S, ..], [N, S, S, ..], [N, S/2, S/2, ..]
            }
        }
        self.pyramid.graph(g, &maps)
    }
}

impl InvertedResidual {
    fn new(build: &Build<'_>, index: usize, [ic, oc]: [usize; 2], expansion: usize, stride: usize) -> Result<Self, ModelError> {
        let name = format!("{PREFIX}.trunk.blocks.{index}");
        let hidden = ic * expansion;
        let part = |part: &str| format!("{name}.{part}");
        let expand = match expansion {
            1 => None,
            _ => Some(activated(&name, &build.pointwise_norm(&part("expand"), ic, hidden)?, Activation::Relu6)?),
        };
        let depthwise = activated(&name, &build.depthwise_norm(&part("depthwise"), hidden, stride)?, Activation::Relu6)?;
        let project = build.pointwise_norm(&part("project"), hidden, oc)?;
        let residual = stride == 1 && ic == oc;
        let project = if residual { with_residual(&name, &project)? } else { Arc::new(project) };
        Ok(InvertedResidual { name, expand, depthwise, project, residual })
    }

    fn graph(&self, g: &mut Graph, x: TensorId) -> Result<TensorId, EngineError> {
        let part = |part: &str| format!("{}.{part}", self.name);
        let wide = match &self.expand {
            Some(op) => g.add(&part("expand"), op.clone(), &[x])?,
            None => x,
        };
        let y = g.add(&part("depthwise"), self.depthwise.clone(), &[wide])?;
        let inputs = [y, x];
        g.add(&part("project"), self.project.clone(), if self.residual { &inputs } else { &inputs[..1] })
    }
}

impl Pyramid {
    /// `channels` of the maps at strides 4, 8, 16 and 32.
    fn new(build: &Build<'_>, [at4, at8, at16, at32]: [usize; 4], c: usize) -> Result<Self, ModelError> {
        let part = |part: &str| format!("{PREFIX}.{part}");
        let down8 = build.conv(&part("down8"), c / 2, c, 2)?;
        let lateral16 = build.pointwise(&part("lateral16"), at16, c)?;
        Ok(Pyramid {
            lateral32: doubled(build, &part("lateral32"), at32, c)?,
            lateral16: with_residual(&part("lateral16"), &lateral16)?,
            lateral8: Arc::new(build.pointwise(&part("lateral8"), at8, c / 2)?),
            down8: Arc::new(down8),
            norms: [build.layer_norm(&part("norm"), c, EPSILON)?, build.layer_norm(&part("out_norm"), c, EPSILON)?],
            smooth: Arc::new(build.conv(&part("smooth"), c, c, 1)?),
            skip8: Arc::new(build.pointwise(&part("skip8"), at8, c / 4)?),
            skip4: Arc::new(build.pointwise(&part("skip4"), at4, c / 8)?),
        })
    }

    /// To the embedding `[N, S, S, C]` and the finer maps `[N, 2S, 2S, C/4]`, `[N, 4S, 4S, C/8]`.
    fn graph(&self, g: &mut Graph, maps: &[TensorId]) -> Result<Vec<TensorId>, EngineError> {
        let [at4, at8, at16, at32] = [maps[0], maps[1], maps[2], maps[3]];
        let part = |part: &str| format!("{PREFIX}.{part}");
        let coarse = g.add(&part("lateral32"), self.lateral32.clone(), &[at32])?; // [N, S, S, C]
        let x = g.add(&part("lateral16"), self.lateral16.clone(), &[at16, coarse])?;
        let fine = g.add(&part("lateral8"), self.lateral8.clone(), &[at8])?; // [N, 2S, 2S, C/2]
        let fine = self.convolved(g, &part("down8"), &self.down8, fine)?; // [N, S, S, C]
        let x = g.add(&part("sum"), Arc::new(cleanplate_kernels::add::Add), &[x, fine])?;
        let x = g.add(&part("norm"), self.norms[0].clone(), &[x])?;
        let x = g.add(&part("relu"), Arc::new(Activation::Relu), &[x])?;
        let x = self.convolved(g, &part("smooth"), &self.smooth, x)?;
        let embedding = g.add(&part("out_norm"), self.norms[1].clone(), &[x])?;
        let skip8 = g.add(&part("skip8"), self.skip8.clone(), &[at8])?;
        let skip4 = g.add(&part("skip4"), self.skip4.clone(), &[at4])?;
        Ok(vec![embedding, skip8, skip4])
    }

    /// A 3x3 convolution, which works channels first, on a map with channels last.
    fn convolved(&self, g: &mut Graph, name: &str, op: &Arc<dyn Op>, x: TensorId) -> Result<TensorId, EngineError> {
        let x = g.add(&format!("{name}.first"), Arc::new(Permute::ChannelsFirst), &[x])?;
        let x = g.add(name, op.clone(), &[x])?;
        g.add(&format!("{name}.last"), Arc::new(Permute::ChannelsLast), &[x])
    }
}

/// A 1x1 convolution whose every result fills 2x2 pixels.
fn doubled(build: &Build<'_>, name: &str, ic: usize, oc: usize) -> Result<Arc<dyn Op>, ModelError> {
    let weight = build.floats(&format!("{name}.weight"), &[oc, ic, 1, 1])?;
    let spread = (0..ic * oc).flat_map(|i| [weight[i % oc * ic + i / oc]; 4]).collect();
    let op = Upscale2::new(&Tensor::f32(&[ic, oc, 2, 2], spread), &vec![0.0; oc]);
    Ok(Arc::new(op.map_err(|e| kernel(name, e))?))
}
