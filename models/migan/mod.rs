//! MI-GAN: inpainting for mobile devices (Picsart-AI-Research/MI-GAN, ICCV 2023): an encoder and a synthesis network of separable
//! convolutions, each level of the one added to the same level of the other, the picture built up as a pyramid.

mod config;
mod golden;
mod info;
mod layers;
mod layout;

use std::fmt;
use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorId, TensorSpec};
use cleanplate_kernels::Op;
use cleanplate_kernels::migan_input::MiganInput;

use crate::error::ModelError;
use crate::import::Weights;
use crate::source::Random;
use layers::Layers;

pub use config::MiganConfig;
pub use info::INFO;
pub use layout::layout;

/// Name of the family in errors.
const ARCH: &str = "migan";

/// A MI-GAN generator with its weights. Its graphs of all sizes share them.
pub struct Migan {
    config: MiganConfig,
    layers: Layers,
}

impl fmt::Debug for Migan {
    /// Millions of weights help nobody: the sizes only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migan")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Tensors inside a graph, channels last.
struct Taps {
    /// The encoder's result `[N, h / (R / 4), w / (R / 4), C]`.
    bottleneck: TensorId,
    /// What the encoder's first level hands over `[N, h, w, C]`.
    skip: TensorId,
    /// The last level in front of the picture `[N, h, w, C]`.
    last: TensorId,
    /// The picture at half the size `[N, h / 2, w / 2, 3]`.
    coarser: TensorId,
}

impl Migan {
    /// Builds the network from stored weights, whose names and shapes give its sizes.
    pub fn from_weights(weights: &Weights) -> Result<Self, ModelError> {
        let config = Migan::check(weights)?;
        Ok(Migan {
            layers: Layers::new(&config, weights)?,
            config,
        })
    }

    /// What [`Migan::from_weights`] checks, without building anything.
    pub fn check(weights: &Weights) -> Result<MiganConfig, ModelError> {
        let config = MiganConfig::infer(weights)?;
        let problems = layout::problems(&config, weights);
        if problems.is_empty() {
            return Ok(config);
        }
        Err(ModelError::Weights {
            arch: ARCH,
            problems,
        })
    }

    /// A network with reproducible random weights, for benchmarks and tests.
    pub fn random(config: &MiganConfig, seed: u64) -> Result<Self, ModelError> {
        config.validate()?;
        Ok(Migan {
            layers: Layers::new(config, &Random(seed))?,
            config: config.clone(),
        })
    }

    /// The network's sizes.
    pub fn config(&self) -> &MiganConfig {
        &self.config
    }

    /// The graph for one size. Inputs: image u8 `[N, H, W, 3]`, mask u8 `[N, H, W]` (128 and more is the hole). Output: the
    /// picture f32 `[N, 3, h, w]`, colours 0..1; h and w are the next multiples of [`MiganConfig::multiple`].
    pub fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, ModelError> {
        if batch * height * width == 0 {
            return Err(ModelError::Config {
                arch: ARCH,
                why: format!("{batch} images of {width}x{height}; wanted at least one pixel"),
            });
        }
        let mut g = Graph::new();
        let taps = self.build(&mut g, batch, height, width)?;
        let picture = add(
            &mut g,
            "synthesis.colours",
            &self.layers.colours,
            &[taps.last, taps.coarser],
        )?; // [N, 3, h, w]
        g.output(picture);
        Ok(g)
    }

    /// The layers top to bottom. Shapes: h, w are the padded sides, c(r) the channels at level r: the published network has
    /// levels 512 to 4 and c(512) = 64 to c(64) = c(4) = 512.
    fn build(
        &self,
        g: &mut Graph,
        n: usize,
        height: usize,
        width: usize,
    ) -> Result<Taps, EngineError> {
        let layers = &self.layers;
        let image = g.input(TensorSpec::u8(&[n, height, width, 3])); // u8 [N, height, width, 3]
        let mask = g.input(TensorSpec::u8(&[n, height, width])); // u8 [N, height, width]
        let input: Arc<dyn Op> = Arc::new(MiganInput {
            multiple: self.config.multiple(),
        });
        let x = add(g, "input", &input, &[image, mask])?; // [N, h, w, 4]
        let mut x = add(g, "encoder.fromrgb", &layers.from_rgb, &[x])?; // [N, h, w, c(R)]

        let mut skips = Vec::with_capacity(layers.encoder.len());
        for (r, [conv1, conv2]) in self.config.levels().zip(&layers.encoder) {
            let skip = add(g, &format!("encoder.b{r}.conv1"), conv1, &[x])?; // level r: [N, h r/R, w r/R, c(r)]
            x = add(g, &format!("encoder.b{r}.conv2"), conv2, &[skip])?; // level r / 2, c(r / 2); at level 4 the same
            skips.push(skip);
        }
        let (bottleneck, first) = (x, skips[0]);

        let mut picture: Option<TensorId> = None;
        let levels: Vec<usize> = self.config.levels().collect();
        for (i, [conv1, conv2]) in layers.synthesis.iter().enumerate() {
            let r = levels[levels.len() - 1 - i];
            let skip = skips[levels.len() - 1 - i];
            x = add(g, &format!("synthesis.b{r}.conv1"), conv1, &[x, skip])?; // level r: [N, h r/R, w r/R, c(r)]
            x = add(g, &format!("synthesis.b{r}.conv2"), conv2, &[x])?; // the same
            if let Some(to_rgb) = layers.to_rgb.get(i) {
                let inputs: Vec<TensorId> = std::iter::once(x).chain(picture).collect();
                picture = Some(add(g, &format!("synthesis.b{r}.torgb"), to_rgb, &inputs)?); // [N, h r/R, w r/R, 3]
            }
        }
        Ok(Taps {
            bottleneck,
            skip: first,
            last: x,
            // Every network has two levels or more.
            coarser: picture.unwrap_or(x),
        })
    }
}

fn add(
    g: &mut Graph,
    name: &str,
    op: &Arc<dyn Op>,
    inputs: &[TensorId],
) -> Result<TensorId, EngineError> {
    g.add(name, Arc::clone(op), inputs)
}
