//! Where a network's weights come from: a file, or a random generator for benchmarks.

use cleanplate_kernels::Tensor;
use cleanplate_kernels::testing::Rng;

use crate::error::ModelError;
use crate::import::Weights;

/// One stored tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightSpec {
    /// Full name.
    pub name: String,
    /// Axis lengths.
    pub shape: Vec<usize>,
}

/// Gives the weights of a layout, one at a time, as dense `f32`.
pub trait Source {
    /// Whether it has a tensor of this name.
    fn has(&self, name: &str) -> bool;
    /// A tensor of the layout.
    fn tensor(&self, spec: &WeightSpec) -> Result<Tensor, ModelError>;
}

impl Source for Weights {
    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
    fn tensor(&self, spec: &WeightSpec) -> Result<Tensor, ModelError> {
        match self.get(&spec.name) {
            Some(stored) if stored.shape() == spec.shape => {
                let values = stored.to_f32().map_err(|source| ModelError::Tensor {
                    name: spec.name.clone(),
                    source,
                })?;
                Ok(Tensor::f32(&spec.shape, values))
            }
            Some(stored) => {
                let problem = format!(
                    "{} is {:?}, wanted {:?}",
                    spec.name,
                    stored.shape(),
                    spec.shape
                );
                Err(ModelError::Weights {
                    arch: "network",
                    problems: vec![problem],
                })
            }
            None => Err(ModelError::Weights {
                arch: "network",
                problems: vec![format!("{} {:?} is missing", spec.name, spec.shape)],
            }),
        }
    }
}

/// Reproducible weights whose activations stay finite through any number of blocks. Golden files hold the seed alone;
/// training/goldens/random_weights.py makes the same numbers for the reference implementations.
pub struct Random(pub u64);

impl Source for Random {
    fn has(&self, _name: &str) -> bool {
        true
    }
    fn tensor(&self, spec: &WeightSpec) -> Result<Tensor, ModelError> {
        // Each tensor has its own stream, so that a weight does not depend on which others were asked for before.
        let named = spec
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325 ^ self.0, |h: u64, b| {
                (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
            });
        let mut rng = Rng::new(named);
        let count: usize = spec.shape.iter().product();
        let around = |rng: &mut Rng, middle: f32, width: f32| {
            rng.values(count, width)
                .into_iter()
                .map(|v| v + middle)
                .collect()
        };
        let values = match spec.shape.as_slice() {
            // Its fan is the whole map: the positions would vanish beside the patches.
            _ if spec.name.ends_with(".pos_embed") => rng.values(count, 0.1),
            [_, fan @ ..] if !fan.is_empty() => {
                // MI-GAN's activations multiply by the root of 2 themselves.
                let gains = ["encoder.b", "synthesis.b"].map(|root| spec.name.starts_with(root));
                let range = if gains.contains(&true) { 2.0 } else { 6.0 };
                rng.values(count, (range / fan.iter().product::<usize>() as f32).sqrt())
            }
            _ if spec.name.ends_with(".running_var") => around(&mut rng, 1.0, 0.2),
            // Small factors keep the sum over residual blocks small.
            _ if spec.name.ends_with(".weight") => around(&mut rng, 0.4, 0.1),
            _ => rng.values(count, 0.1),
        };
        Ok(Tensor::f32(&spec.shape, values))
    }
}
