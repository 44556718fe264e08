//! MI-GAN's layers as kernels: graphs of all sizes share them.

use std::sync::Arc;

use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::linear::Linear;
use cleanplate_kernels::separable::{Parts, Scale, Separable};
use cleanplate_kernels::to_rgb::ToRgb;
use cleanplate_kernels::{KernelError, Op, Tensor};

use super::config::{LEVEL_MIN, MiganConfig};
use super::layout::factors;
use crate::error::ModelError;
use crate::source::{Source, WeightSpec};

/// All layers with weights.
pub struct Layers {
    /// 1x1 with bias, activation.
    pub from_rgb: Arc<dyn Op>,
    /// From the first level to 4: a separable convolution, and one that halves (at level 4 none does).
    pub encoder: Vec<[Arc<dyn Op>; 2]>,
    /// From level 4 to the first: a separable convolution that doubles (at level 4 none does) and adds the encoder's level, and one
    /// that keeps the size. All but level 4 add noise.
    pub synthesis: Vec<[Arc<dyn Op>; 2]>,
    /// The picture of each level but the last in this order; the second adds the first doubled, and so on.
    pub to_rgb: Vec<Arc<dyn Op>>,
    /// The whole picture, colours 0..1, channels first.
    pub colours: Arc<dyn Op>,
    /// The same in the network's own terms, -1..1, channels last: for comparison with stored answers.
    pub picture: Arc<dyn Op>,
}

impl Layers {
    /// Builds every layer; `config` was validated, `source` has every weight of its layout.
    pub fn new(config: &MiganConfig, source: &dyn Source) -> Result<Self, ModelError> {
        let build = Build { config, source };
        let mut levels: Vec<usize> = config.levels().collect();
        let encoder = levels
            .iter()
            .map(|r| build.encoder(*r))
            .collect::<Result<_, _>>()?;
        levels.reverse();
        let synthesis = levels
            .iter()
            .map(|r| build.synthesis(*r))
            .collect::<Result<_, _>>()?;
        let coarse = &levels[..levels.len() - 1];
        Ok(Layers {
            from_rgb: build.rgb_input()?,
            encoder,
            synthesis,
            to_rgb: coarse
                .iter()
                .map(|r| build.to_rgb(*r, false))
                .collect::<Result<_, _>>()?,
            colours: build.to_rgb(config.resolution, true)?,
            picture: build.to_rgb(config.resolution, false)?,
        })
    }
}

struct Build<'a> {
    config: &'a MiganConfig,
    source: &'a dyn Source,
}

impl Build<'_> {
    fn tensor(&self, name: String, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.source.tensor(&WeightSpec {
            name,
            shape: shape.to_vec(),
        })
    }

    fn floats(&self, name: String, count: usize) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(name, &[count])?;
        Ok(tensor.as_f32().unwrap_or_default().to_vec())
    }

    fn rgb_input(&self) -> Result<Arc<dyn Op>, ModelError> {
        let name = format!("encoder.b{}.fromrgb", self.config.resolution);
        let c = self.config.channels(self.config.resolution);
        let bias = self.floats(format!("{name}.bias"), c)?;
        let weight = self.tensor(format!("{name}.weight"), &[c, 4, 1, 1])?;
        let op = Linear::new(&weight, Some(&bias)).map_err(|e| kernel(&name, e))?;
        op.absorb(&Activation::LreluAgc)
            .ok_or(ModelError::Fusion { layer: name })
    }

    fn encoder(&self, r: usize) -> Result<[Arc<dyn Op>; 2], ModelError> {
        let name = format!("encoder.b{r}");
        let (c, next) = (
            self.config.channels(r),
            self.config.channels((r / 2).max(LEVEL_MIN)),
        );
        let scale = if r > LEVEL_MIN {
            Scale::Down
        } else {
            Scale::Same
        };
        Ok([
            self.separable(&format!("{name}.conv1"), [c, c], Scale::Same, None, false)?,
            self.separable(&format!("{name}.conv2"), [c, next], scale, None, false)?,
        ])
    }

    fn synthesis(&self, r: usize) -> Result<[Arc<dyn Op>; 2], ModelError> {
        let name = format!("synthesis.b{r}");
        let (c, before) = (
            self.config.channels(r),
            self.config.channels((r / 2).max(LEVEL_MIN)),
        );
        let (scale, noise) = if r > LEVEL_MIN {
            (Scale::Up, Some(r))
        } else {
            (Scale::Same, None)
        };
        Ok([
            self.separable(&format!("{name}.conv1"), [before, c], scale, noise, true)?,
            self.separable(&format!("{name}.conv2"), [c, c], Scale::Same, noise, false)?,
        ])
    }

    fn separable(
        &self,
        name: &str,
        [c, oc]: [usize; 2],
        scale: Scale,
        noise: Option<usize>,
        skip: bool,
    ) -> Result<Arc<dyn Op>, ModelError> {
        let parts = Parts {
            depthwise: self.tensor(format!("{name}.conv1.weight"), &[c, 1, 3, 3])?,
            bias: self.floats(format!("{name}.conv1.bias"), c)?,
            pointwise: self.tensor(format!("{name}.conv2.weight"), &[oc, c, 1, 1])?,
            scale,
            noise: noise.map(|side| self.noise(name, side)).transpose()?,
            skip,
        };
        let op = Separable::new(parts).map_err(|e| kernel(name, e))?;
        Ok(Arc::new(op))
    }

    /// As it is added: stored so, or as a map and its strength.
    fn noise(&self, name: &str, side: usize) -> Result<Tensor, ModelError> {
        let spec = WeightSpec {
            name: format!("{name}.noise"),
            shape: vec![side, side],
        };
        if self.source.has(&spec.name) {
            return self.source.tensor(&spec);
        }
        let [map, strength] = factors(&spec);
        let (map, strength) = (self.source.tensor(&map)?, self.source.tensor(&strength)?);
        let factor = strength.as_f32().and_then(|v| v.first().copied());
        let factor = factor.unwrap_or_default();
        let values = map.as_f32().unwrap_or_default();
        Ok(Tensor::f32(
            &spec.shape,
            values.iter().map(|v| v * factor).collect(),
        ))
    }

    fn to_rgb(&self, r: usize, last: bool) -> Result<Arc<dyn Op>, ModelError> {
        let name = format!("synthesis.b{r}.torgb");
        let weight = self.tensor(
            format!("{name}.weight"),
            &[3, self.config.channels(r), 1, 1],
        )?;
        let bias = self.floats(format!("{name}.bias"), 3)?;
        let op = ToRgb::new(&weight, &bias, r > LEVEL_MIN, last).map_err(|e| kernel(&name, e))?;
        Ok(Arc::new(op))
    }
}

fn kernel(layer: &str, source: KernelError) -> ModelError {
    ModelError::Kernel {
        layer: layer.to_string(),
        source,
    }
}
