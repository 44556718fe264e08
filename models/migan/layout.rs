//! Names and shapes of all weights of a MI-GAN generator, as the published state dict stores them.

use std::collections::HashSet;

use super::config::{LEVEL_MIN, MiganConfig};
use super::info::{DERIVED, ROOTS};
use crate::import::Weights;
use crate::source::WeightSpec;

/// Every weight that a network of this configuration has, in the order of its layers. A layer's noise is here as it is added,
/// `noise`; published files have `noise_const` and `noise_strength`, whose product it is.
pub fn layout(config: &MiganConfig) -> Vec<WeightSpec> {
    let mut list = Vec::new();
    let mut add = |name: String, shape: &[usize]| {
        list.push(WeightSpec {
            name,
            shape: shape.to_vec(),
        });
    };
    let separable = |add: &mut dyn FnMut(String, &[usize]), name: String, c: usize, oc: usize| {
        add(format!("{name}.conv1.weight"), &[c, 1, 3, 3]);
        add(format!("{name}.conv1.bias"), &[c]);
        add(format!("{name}.conv2.weight"), &[oc, c, 1, 1]);
    };
    let first = config.resolution;
    let level = format!("encoder.b{first}.fromrgb");
    add(
        format!("{level}.weight"),
        &[config.channels(first), 4, 1, 1],
    );
    add(format!("{level}.bias"), &[config.channels(first)]);
    for r in config.levels() {
        let (c, next) = (config.channels(r), config.channels((r / 2).max(LEVEL_MIN)));
        separable(&mut add, format!("encoder.b{r}.conv1"), c, c);
        separable(&mut add, format!("encoder.b{r}.conv2"), c, next);
    }
    let mut levels: Vec<usize> = config.levels().collect();
    levels.reverse();
    for r in levels {
        let name = format!("synthesis.b{r}");
        let (c, before) = (config.channels(r), config.channels((r / 2).max(LEVEL_MIN)));
        separable(&mut add, format!("{name}.conv1"), before, c);
        separable(&mut add, format!("{name}.conv2"), c, c);
        if r > LEVEL_MIN {
            add(format!("{name}.conv1.noise"), &[r, r]);
            add(format!("{name}.conv2.noise"), &[r, r]);
        }
        add(format!("{name}.torgb.weight"), &[3, c, 1, 1]);
        add(format!("{name}.torgb.bias"), &[3]);
    }
    list
}

/// The published names and shapes that a `noise` is the product of.
pub(super) fn factors(noise: &WeightSpec) -> [WeightSpec; 2] {
    let of = |end: &str, shape: &[usize]| WeightSpec {
        name: format!("{}_{end}", noise.name),
        shape: shape.to_vec(),
    };
    [of("const", &noise.shape), of("strength", &[])]
}

/// What stands between stored weights and a network: one line per missing, wrongly shaped or superfluous tensor.
pub fn problems(config: &MiganConfig, weights: &Weights) -> Vec<String> {
    let wanted: Vec<WeightSpec> = layout(config)
        .into_iter()
        .flat_map(|spec| {
            let split = spec.name.ends_with(".noise") && weights.get(&spec.name).is_none();
            if split {
                factors(&spec).into()
            } else {
                vec![spec]
            }
        })
        .collect();
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
    let known: HashSet<&str> = wanted.iter().map(|spec| spec.name.as_str()).collect();
    for (name, tensor) in weights.iter() {
        let ours = ROOTS.iter().any(|root| name.starts_with(root));
        let derived = DERIVED.iter().any(|end| name.ends_with(end));
        if ours && !derived && !known.contains(name) {
            problems.push(format!("{name} {:?} belongs to no layer", tensor.shape()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_network_has_the_published_parameter_count() {
        let config = MiganConfig {
            resolution: 512,
            ch_base: 32_768,
            ch_max: 512,
        };
        let trained = layout(&config)
            .into_iter()
            .filter(|spec| !spec.name.ends_with(".noise"));
        let parameters: usize = trained
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum();
        assert_eq!(format!("{:.2}", parameters as f64 / 1e6), "5.89");
    }
}
