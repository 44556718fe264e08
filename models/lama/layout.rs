//! Names and shapes of all weights of a LaMa generator, as the published checkpoints store them.

use super::config::{LamaConfig, PREFIX};
use crate::import::Weights;
use crate::source::WeightSpec;

/// Every weight that a network of this configuration has, in the order of its layers.
pub fn layout(config: &LamaConfig) -> Vec<WeightSpec> {
    let mut list = List(Vec::new());
    let (local, global, half) = (
        config.local_channels(),
        config.global_channels(),
        config.spectral_channels(),
    );
    let last = config.n_downsampling;

    list.conv(
        format!("{PREFIX}.1.ffc.convl2l"),
        config.ngf,
        config.input_nc,
        7,
    );
    list.batch_norm(format!("{PREFIX}.1.bn_l"), config.ngf);
    for i in 0..last {
        let (layer, input, output) = (
            format!("{PREFIX}.{}", 2 + i),
            config.channels(i),
            config.channels(i + 1),
        );
        let splits = i + 1 == last;
        list.conv(
            format!("{layer}.ffc.convl2l"),
            if splits { local } else { output },
            input,
            3,
        );
        list.batch_norm(format!("{layer}.bn_l"), if splits { local } else { output });
        if splits {
            list.conv(format!("{layer}.ffc.convl2g"), global, input, 3);
            list.batch_norm(format!("{layer}.bn_g"), global);
        }
    }
    for block in 0..config.n_blocks {
        for part in ["conv1", "conv2"] {
            let layer = format!("{PREFIX}.{}.{part}", config.first_block() + block);
            list.ffc(&layer, local, global, half);
        }
    }
    for i in 0..last {
        let (layer, input, output) = (
            config.up(i),
            config.channels(last - i),
            config.channels(last - i - 1),
        );
        list.add(format!("{PREFIX}.{layer}.weight"), &[input, output, 3, 3]);
        list.add(format!("{PREFIX}.{layer}.bias"), &[output]);
        list.batch_norm(format!("{PREFIX}.{}", layer + 1), output);
    }
    list.conv(
        format!("{PREFIX}.{}", config.head()),
        config.output_nc,
        config.ngf,
        7,
    );
    list.add(
        format!("{PREFIX}.{}.bias", config.head()),
        &[config.output_nc],
    );
    list.0
}

/// What stands between stored weights and a network: one line per missing, wrongly shaped or superfluous tensor.
pub fn problems(config: &LamaConfig, weights: &Weights) -> Vec<String> {
    let wanted = layout(config);
    let mut problems = Vec::new();
    for WeightSpec { name, shape } in &wanted {
        match weights.get(name) {
            None => problems.push(format!("{name} {shape:?} is missing")),
            Some(tensor) if tensor.shape() != shape => {
                problems.push(format!("{name} is {:?}, wanted {shape:?}", tensor.shape()))
            }
            Some(_) => {}
        }
    }
    let known: std::collections::HashSet<&str> =
        wanted.iter().map(|spec| spec.name.as_str()).collect();
    for (name, tensor) in weights.iter() {
        // Batch norm's step counter has no part in inference.
        if name.starts_with(PREFIX)
            && !known.contains(name)
            && !name.ends_with(".num_batches_tracked")
        {
            problems.push(format!("{name} {:?} belongs to no layer", tensor.shape()));
        }
    }
    problems
}

struct List(Vec<WeightSpec>);

impl List {
    /// A layer of a residual block: both branches, with the spectral transform between the global channels.
    fn ffc(&mut self, layer: &str, local: usize, global: usize, half: usize) {
        self.conv(format!("{layer}.ffc.convl2l"), local, local, 3);
        self.conv(format!("{layer}.ffc.convl2g"), global, local, 3);
        self.conv(format!("{layer}.ffc.convg2l"), local, global, 3);
        self.conv(format!("{layer}.ffc.convg2g.conv1.0"), half, global, 1);
        self.batch_norm(format!("{layer}.ffc.convg2g.conv1.1"), half);
        let unit = format!("{layer}.ffc.convg2g.fu");
        self.conv(format!("{unit}.conv_layer"), 2 * half, 2 * half, 1);
        self.batch_norm(format!("{unit}.bn"), 2 * half);
        self.conv(format!("{layer}.ffc.convg2g.conv2"), global, half, 1);
        self.batch_norm(format!("{layer}.bn_l"), local);
        self.batch_norm(format!("{layer}.bn_g"), global);
    }

    fn add(&mut self, name: String, shape: &[usize]) {
        self.0.push(WeightSpec {
            name,
            shape: shape.to_vec(),
        });
    }

    /// A convolution without bias: `[OC, IC, K, K]`.
    fn conv(&mut self, layer: String, output: usize, input: usize, kernel: usize) {
        self.add(format!("{layer}.weight"), &[output, input, kernel, kernel]);
    }

    fn batch_norm(&mut self, layer: String, channels: usize) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.add(format!("{layer}.{part}"), &[channels]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_sizes_have_the_published_parameter_counts() {
        let parameters = |config: &LamaConfig| {
            let trained = layout(config)
                .into_iter()
                .filter(|spec| !spec.name.contains(".running_"));
            trained
                .map(|spec| spec.shape.iter().product::<usize>())
                .sum::<usize>()
        };
        let millions = |config: LamaConfig| format!("{:.2}", parameters(&config) as f64 / 1e6);
        assert_eq!(millions(LamaConfig::big_lama()), "50.98");
        assert_eq!(
            millions(LamaConfig {
                ngf: 32,
                n_blocks: 9,
                ..LamaConfig::big_lama()
            }),
            "6.78"
        );
        assert_eq!(
            millions(LamaConfig {
                ngf: 24,
                n_blocks: 6,
                ..LamaConfig::big_lama()
            }),
            "2.69"
        );
    }
}
