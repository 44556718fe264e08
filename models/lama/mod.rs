//! LaMa: large-mask inpainting with Fourier convolutions (advimman/lama, `FFCResNetGenerator`).
//!
//! One family by configuration: big-lama, lama-fourier and lama-small differ in [`LamaConfig`] only.

mod config;
mod golden;
mod info;
mod layers;
mod layout;

use std::fmt;
use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId, TensorSpec};
use cleanplate_kernels::composite::Composite;
use cleanplate_kernels::fft2::{Irfft2, Rfft2};
use cleanplate_kernels::lama_input::LamaInput;

use crate::error::ModelError;
use crate::import::Weights;
use crate::source::Random;
use config::PREFIX;
use layers::{Ffc, Layers};

pub use crate::source::WeightSpec;
pub use config::LamaConfig;
pub use info::INFO;
pub use layout::layout;

/// Smallest side of an image in pixels: padded to 16, its feature map has the 2 pixels that reflection needs.
pub const SIDE_MIN: usize = 9;

/// What a graph returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LamaOutput {
    /// The photo with the hole filled: u8 `[N, H, W, 3]`.
    Composite,
    /// The network's sigmoid output: f32 `[N, 3, Hp, Wp]`, Hp and Wp the next multiples of 8.
    Prediction,
}

/// Size and output of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LamaGraph {
    /// Images per run.
    pub batch: usize,
    /// Height in pixels, at least [`SIDE_MIN`].
    pub height: usize,
    /// Width in pixels, at least [`SIDE_MIN`].
    pub width: usize,
    /// What to return.
    pub output: LamaOutput,
}

/// A LaMa generator with its weights. Its graphs of all sizes share them.
pub struct Lama {
    config: LamaConfig,
    layers: Layers,
}

impl fmt::Debug for Lama {
    /// Millions of weights help nobody: the sizes only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lama")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Tensors inside a graph, for comparison with stored answers.
struct Taps {
    /// After the stem `[N, ngf, Hp, Wp]`.
    pub stem: TensorId,
    /// After the last down-sampling: local and global channels.
    pub split: [TensorId; 2],
    /// After the first residual block: local and global channels.
    pub block0: [TensorId; 2],
    /// Sigmoid output.
    pub prediction: TensorId,
}

impl Lama {
    /// Builds the network from stored weights. The configuration is what the weights' names and shapes imply; one in the
    /// file's metadata has to agree. The error names every tensor that is missing, wrongly shaped or superfluous.
    pub fn from_weights(weights: &Weights) -> Result<Self, ModelError> {
        let config = Lama::check(weights)?;
        Ok(Lama {
            layers: Layers::new(&config, weights)?,
            config,
        })
    }

    /// What [`Lama::from_weights`] checks, without building anything.
    pub fn check(weights: &Weights) -> Result<LamaConfig, ModelError> {
        let config = LamaConfig::infer(weights)?;
        if weights.metadata().contains_key("config") {
            let stated = LamaConfig::stated(weights)?;
            let problems = layout::problems(&stated, weights);
            if !problems.is_empty() {
                return Err(ModelError::Weights {
                    arch: "lama",
                    problems,
                });
            }
        }
        let problems = layout::problems(&config, weights);
        if !problems.is_empty() {
            return Err(ModelError::Weights {
                arch: "lama",
                problems,
            });
        }
        Ok(config)
    }

    /// A network with reproducible random weights, for benchmarks and tests.
    pub fn random(config: &LamaConfig, seed: u64) -> Result<Self, ModelError> {
        config.validate()?;
        Ok(Lama {
            layers: Layers::new(config, &Random(seed))?,
            config: config.clone(),
        })
    }

    /// The network's sizes.
    pub fn config(&self) -> &LamaConfig {
        &self.config
    }

    /// Bytes of all weights in host memory.
    pub fn weight_bytes(&self) -> u64 {
        self.layers.weight_bytes()
    }

    /// The graph for one size. Inputs: image u8 `[N, H, W, 3]`, mask u8 `[N, H, W]` (128 and more is the hole); one output.
    pub fn graph(&self, size: LamaGraph) -> Result<Graph, ModelError> {
        let (mut graph, taps) = self.graph_with_taps(size)?;
        let output = match size.output {
            LamaOutput::Prediction => taps.prediction,
            LamaOutput::Composite => composite(&mut graph, taps.prediction)?,
        };
        graph.output(output);
        Ok(graph)
    }

    /// The graph up to the prediction, without outputs, and the tensors that could be.
    fn graph_with_taps(&self, size: LamaGraph) -> Result<(Graph, Taps), ModelError> {
        let LamaGraph {
            batch,
            height,
            width,
            ..
        } = size;
        if batch == 0 || height.min(width) < SIDE_MIN {
            let why = format!(
                "{batch} images of {width}x{height}; the network needs sides of at least {SIDE_MIN} pixels: enlarge the crop"
            );
            return Err(ModelError::Config { arch: "lama", why });
        }
        Ok(self.build(batch, height, width)?)
    }

    /// The layers top to bottom. Shapes: h, w are the padded sides; with three down-samplings H = h/8, W = w/8,
    /// l and g the local and global channels (big-lama: 128 and 384).
    fn build(&self, n: usize, height: usize, width: usize) -> Result<(Graph, Taps), EngineError> {
        let layers = &self.layers;
        let mut g = Graph::new();
        let image = g.input(TensorSpec::u8(&[n, height, width, 3])); // u8 [N, height, width, 3]
        let mask = g.input(TensorSpec::u8(&[n, height, width])); // u8 [N, height, width]
        let padded = g.add("input", Arc::new(LamaInput), &[image, mask])?; // [N, 4, h, w]
        let stem = g.add(&format!("{PREFIX}.1"), layers.stem.clone(), &[padded])?; // [N, ngf, h, w]

        let mut x = stem;
        for (i, down) in layers.downs.iter().enumerate() {
            x = g.add(&format!("{PREFIX}.{}", 2 + i), down.clone(), &[x])?; // [N, 2^(i+1) ngf, h/2^(i+1), w/2^(i+1)]
        }
        let name = format!("{PREFIX}.{}", 1 + self.config.n_downsampling);
        let local = g.add(&format!("{name}.l"), layers.split[0].clone(), &[x])?; // [N, l, H, W]
        let global = g.add(&format!("{name}.g"), layers.split[1].clone(), &[x])?; // [N, g, H, W]
        let split = [local, global];

        let mut paths = split;
        let mut block0 = split;
        for (i, block) in layers.blocks.iter().enumerate() {
            let name = format!("{PREFIX}.{}", self.config.first_block() + i);
            let inner = ffc(&mut g, &format!("{name}.conv1"), &block[0], paths, None)?; // [N, l, H, W], [N, g, H, W]
            paths = ffc(
                &mut g,
                &format!("{name}.conv2"),
                &block[1],
                inner,
                Some(paths),
            )?; // [N, l, H, W], [N, g, H, W]
            if i == 0 {
                block0 = paths;
            }
        }

        let mut inputs = paths.to_vec(); // [N, l, H, W], [N, g, H, W]: read as one tensor of l + g channels
        for (i, up) in layers.ups.iter().enumerate() {
            let y = g.add(
                &format!("{PREFIX}.{}", self.config.up(i)),
                up.clone(),
                &inputs,
            )?; // channels halved, sides doubled
            inputs = vec![y];
        }
        let prediction = g.add(
            &format!("{PREFIX}.{}", self.config.head()),
            layers.head.clone(),
            &inputs,
        )?; // [N, 3, h, w]
        Ok((
            g,
            Taps {
                stem,
                split,
                block0,
                prediction,
            },
        ))
    }
}

/// Adds the last step: the prediction inside the hole, the image outside, as bytes: u8 `[N, H, W, 3]`.
fn composite(g: &mut Graph, prediction: TensorId) -> Result<TensorId, EngineError> {
    let inputs: Vec<TensorId> = std::iter::once(prediction)
        .chain(g.inputs.iter().copied())
        .collect();
    g.add("composite", Arc::new(Composite), &inputs)
}

/// One FFC layer: local `[N, l, H, W]` and global `[N, g, H, W]` to the same shapes, in six operations.
fn ffc(
    g: &mut Graph,
    name: &str,
    layer: &Ffc,
    [local, global]: [TensorId; 2],
    residual: Option<[TensorId; 2]>,
) -> Result<[TensorId; 2], EngineError> {
    let with_residual = |x: [TensorId; 2], path: usize| {
        x.into_iter()
            .chain(residual.map(|r| r[path]))
            .collect::<Vec<_>>()
    };
    let spectral = format!("{name}.ffc.convg2g");
    let x = g.add(
        &format!("{spectral}.conv1"),
        layer.squeeze.clone(),
        &[global],
    )?; // [N, g/2, H, W]
    let freq = g.add(&format!("{spectral}.fu.rfft2"), Arc::new(Rfft2), &[x])?; // [N, g, H, W/2 + 1], re and im interleaved
    let freq = g.add(
        &format!("{spectral}.fu.conv"),
        layer.spectrum.clone(),
        &[freq],
    )?; // [N, g, H, W/2 + 1]
    let x = g.add(
        &format!("{spectral}.fu.irfft2"),
        Arc::new(Irfft2 { residual: true }),
        &[freq, x, x],
    )?; // [N, g/2, H, W]
    let out_local = g.add(
        &format!("{name}.l"),
        layer.local.clone(),
        &with_residual([local, global], 0),
    )?; // [N, l, H, W]
    let out_global = g.add(
        &format!("{name}.g"),
        layer.global.clone(),
        &with_residual([local, x], 1),
    )?; // [N, g, H, W]
    Ok([out_local, out_global])
}
