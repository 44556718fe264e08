//! LaMa's layers as kernels. Batch norms, activations and sums of branches are folded into the convolutions here, once,
//! and not per graph: graphs of all sizes then share the same weights, in host memory and on the device.

use std::collections::HashMap;
use std::sync::Arc;

use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::affine::Affine;
use cleanplate_kernels::conv_transpose2d::ConvTranspose2d;
use cleanplate_kernels::conv2d::{Conv2d, Padding};
use cleanplate_kernels::{KernelError, Op, Tensor};

use super::config::{LamaConfig, PREFIX};
use super::layout::layout;
use crate::error::ModelError;
use crate::source::{Source, WeightSpec};

/// Epsilon of every batch norm.
const EPSILON: f32 = 1e-5;

/// One FFC layer with a local and a global path, 3x3, reflect padding.
pub struct Ffc {
    /// `relu(bn_l(l2l(local) + g2l(global)))`, plus a residual in a block's second layer.
    pub local: Arc<dyn Op>,
    /// `relu(bn(conv1(global)))`, 1x1 to half the channels: x of the spectral transform.
    pub squeeze: Arc<dyn Op>,
    /// `relu(bn(conv(spectrum)))`, 1x1 over interleaved real and imaginary channels.
    pub spectrum: Arc<dyn Op>,
    /// `relu(bn_g(l2g(local) + conv2(x + fourier(x))))`, plus a residual in a block's second layer.
    pub global: Arc<dyn Op>,
}

/// All layers with weights.
pub struct Layers {
    /// 7x7, reflect padding 3, batch norm, ReLU.
    pub stem: Arc<dyn Op>,
    /// 3x3 stride 2, batch norm, ReLU; all but the last down-sampling.
    pub downs: Vec<Arc<dyn Op>>,
    /// Last down-sampling to the local and to the global channels.
    pub split: [Arc<dyn Op>; 2],
    /// Residual blocks of two layers each.
    pub blocks: Vec<[Ffc; 2]>,
    /// Transposed 3x3 stride 2, batch norm, ReLU. The first has two inputs, local and global: their concatenation is never made.
    pub ups: Vec<Arc<dyn Op>>,
    /// 7x7, reflect padding 3, sigmoid.
    pub head: Arc<dyn Op>,
}

impl Layers {
    /// Builds every layer; `config` was validated, `source` has every weight of its layout.
    pub fn new(config: &LamaConfig, source: &dyn Source) -> Result<Self, ModelError> {
        let build = Build {
            specs: layout(config)
                .into_iter()
                .map(|spec| (spec.name.clone(), spec))
                .collect(),
            source,
        };
        let layer = |i: usize| format!("{PREFIX}.{i}");
        let down = |i: usize, path: &str, norm: &str| {
            let name = layer(2 + i);
            let conv = build.conv(&format!("{name}.ffc.{path}"), 2, Padding::Reflect(1))?;
            build.normed(conv, &format!("{name}.{norm}"))
        };
        let last = config.n_downsampling - 1;
        let stem = build.conv(&format!("{}.ffc.convl2l", layer(1)), 1, Padding::Reflect(3))?;
        let block = |b: usize| {
            let name = layer(config.first_block() + b);
            Ok([
                build.ffc(&format!("{name}.conv1"), false)?,
                build.ffc(&format!("{name}.conv2"), true)?,
            ])
        };
        let head = build.biased_conv(&layer(config.head()), Padding::Reflect(3))?;
        Ok(Layers {
            stem: build.normed(stem, &format!("{}.bn_l", layer(1)))?,
            downs: (0..last)
                .map(|i| down(i, "convl2l", "bn_l"))
                .collect::<Result<_, _>>()?,
            split: [
                down(last, "convl2l", "bn_l")?,
                down(last, "convl2g", "bn_g")?,
            ],
            blocks: (0..config.n_blocks)
                .map(block)
                .collect::<Result<_, ModelError>>()?,
            ups: (0..config.n_downsampling)
                .map(|i| build.up(config, i))
                .collect::<Result<_, _>>()?,
            head: folded("head", head.absorb(&Activation::Sigmoid))?,
        })
    }

    /// Bytes of all weights.
    pub fn weight_bytes(&self) -> u64 {
        let ffcs = self
            .blocks
            .iter()
            .flatten()
            .flat_map(|ffc| [&ffc.local, &ffc.squeeze, &ffc.spectrum, &ffc.global]);
        let rest = [&self.stem, &self.head]
            .into_iter()
            .chain(&self.downs)
            .chain(&self.split)
            .chain(&self.ups);
        ffcs.chain(rest).map(|op| op.weight_bytes()).sum()
    }
}

struct Build<'a> {
    specs: HashMap<String, WeightSpec>,
    source: &'a dyn Source,
}

impl Build<'_> {
    fn tensor(&self, name: String) -> Result<Tensor, ModelError> {
        match self.specs.get(&name) {
            Some(spec) => self.source.tensor(spec),
            None => Err(ModelError::Weights {
                arch: "lama",
                problems: vec![format!("{name} is not in the layout")],
            }),
        }
    }

    fn floats(&self, name: String) -> Result<Vec<f32>, ModelError> {
        Ok(self.tensor(name)?.as_f32().unwrap_or_default().to_vec())
    }

    fn conv(
        &self,
        layer: &str,
        stride: usize,
        padding: Padding,
    ) -> Result<Arc<dyn Op>, ModelError> {
        let weight = self.tensor(format!("{layer}.weight"))?;
        Ok(Arc::new(
            Conv2d::new(&weight, None, stride, padding).map_err(|source| kernel(layer, source))?,
        ))
    }

    fn biased_conv(&self, layer: &str, padding: Padding) -> Result<Arc<dyn Op>, ModelError> {
        let (weight, bias) = (
            self.tensor(format!("{layer}.weight"))?,
            self.floats(format!("{layer}.bias"))?,
        );
        Ok(Arc::new(
            Conv2d::new(&weight, Some(&bias), 1, padding)
                .map_err(|source| kernel(layer, source))?,
        ))
    }

    /// `relu(batch_norm(op))` as one operation.
    fn normed(&self, op: Arc<dyn Op>, norm: &str) -> Result<Arc<dyn Op>, ModelError> {
        let part = |part: &str| self.floats(format!("{norm}.{part}"));
        let (gamma, beta, mean, var) = (
            part("weight")?,
            part("bias")?,
            part("running_mean")?,
            part("running_var")?,
        );
        let affine = Affine::batch_norm(&gamma, &beta, &mean, &var, EPSILON)
            .map_err(|source| kernel(norm, source))?;
        let op = folded(norm, op.absorb(&affine))?;
        folded(norm, op.absorb(&Activation::Relu))
    }

    fn ffc(&self, layer: &str, residual: bool) -> Result<Ffc, ModelError> {
        let conv = |path: &str, padding| self.conv(&format!("{layer}.ffc.{path}"), 1, padding);
        let branch = |sum: Option<Arc<dyn Op>>, norm: &str| {
            let name = format!("{layer}.{norm}");
            let op = self.normed(folded(&name, sum)?, &name)?;
            if residual {
                folded(&name, op.absorb_add())
            } else {
                Ok(op)
            }
        };
        let (l2l, g2l) = (
            conv("convl2l", Padding::Reflect(1))?,
            conv("convg2l", Padding::Reflect(1))?,
        );
        let (l2g, expand) = (
            conv("convl2g", Padding::Reflect(1))?,
            conv("convg2g.conv2", Padding::Zero(0))?,
        );
        Ok(Ffc {
            local: branch(l2l.merge_add(g2l.as_ref()), "bn_l")?,
            squeeze: self.normed(
                conv("convg2g.conv1.0", Padding::Zero(0))?,
                &format!("{layer}.ffc.convg2g.conv1.1"),
            )?,
            spectrum: self.normed(
                conv("convg2g.fu.conv_layer", Padding::Zero(0))?,
                &format!("{layer}.ffc.convg2g.fu.bn"),
            )?,
            global: branch(l2g.merge_add(expand.as_ref()), "bn_g")?,
        })
    }

    /// Up-sampling `i`. The first sums two transposed convolutions over the local and the global channels.
    fn up(&self, config: &LamaConfig, i: usize) -> Result<Arc<dyn Op>, ModelError> {
        let layer = format!("{PREFIX}.{}", config.up(i));
        let (weight, bias) = (
            self.tensor(format!("{layer}.weight"))?,
            self.floats(format!("{layer}.bias"))?,
        );
        let make = |weight: &Tensor, bias: Option<&[f32]>| {
            ConvTranspose2d::new(weight, bias).map_err(|source| kernel(&layer, source))
        };
        let op: Arc<dyn Op> = if i == 0 {
            let [local, global] = split_inputs(&weight, config.local_channels());
            folded(
                &layer,
                make(&local, Some(&bias))?.merge_add(&make(&global, None)?),
            )?
        } else {
            Arc::new(make(&weight, Some(&bias))?)
        };
        self.normed(op, &format!("{PREFIX}.{}", config.up(i) + 1))
    }
}

/// `[IC, OC, K, K]` as its first `channels` input channels and the rest.
fn split_inputs(weight: &Tensor, channels: usize) -> [Tensor; 2] {
    let (dims, values) = (weight.shape.dims(), weight.as_f32().unwrap_or_default());
    let (head, tail) = values.split_at(channels * dims[1..].iter().product::<usize>());
    let part = |count: usize, values: &[f32]| {
        Tensor::f32(&[&[count], &dims[1..]].concat(), values.to_vec())
    };
    [part(channels, head), part(dims[0] - channels, tail)]
}

fn kernel(layer: &str, source: KernelError) -> ModelError {
    ModelError::Kernel {
        layer: layer.to_string(),
        source,
    }
}

/// The result of a fusion hook that these kernels are known to support.
fn folded(layer: &str, op: Option<Arc<dyn Op>>) -> Result<Arc<dyn Op>, ModelError> {
    op.ok_or_else(|| ModelError::Fusion {
        layer: layer.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::source::Random;

    struct Recorder(RefCell<Vec<String>>);

    impl Source for Recorder {
        fn has(&self, _name: &str) -> bool {
            true
        }
        fn tensor(&self, spec: &WeightSpec) -> Result<Tensor, ModelError> {
            self.0.borrow_mut().push(spec.name.clone());
            Random(1).tensor(spec)
        }
    }

    #[test]
    fn every_weight_of_the_layout_is_used_once() {
        for n_downsampling in 1..=3 {
            let config = LamaConfig {
                ngf: 4,
                n_downsampling,
                n_blocks: 2,
                ..LamaConfig::big_lama()
            };
            let recorder = Recorder(RefCell::new(Vec::new()));
            Layers::new(&config, &recorder).expect("builds");
            let mut used = recorder.0.into_inner();
            let mut wanted: Vec<String> =
                layout(&config).into_iter().map(|spec| spec.name).collect();
            used.sort();
            wanted.sort();
            assert_eq!(used, wanted);
        }
    }
}
