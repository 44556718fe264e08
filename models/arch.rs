//! The network families that Cleanplate runs. Reading, importing, loading, golden checks, benchmarks and pipelines ask this
//! list; nothing else names a family.

use std::fmt;
use std::sync::Arc;

use cleanplate_engine::{Backend, Graph};
use cleanplate_kernels::Tensor;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::ModelError;
use crate::golden::{GoldenFile, GoldenLine};
use crate::import::Weights;
use crate::sam::Sam;
use crate::{bench, lama, migan, sam};

/// Every network family. Adding one is its folder and a line here.
pub static ARCHS: &[&ArchInfo] = &[&lama::INFO, &migan::INFO, &sam::INFO];

/// A network family: what the rest of the program needs to know of it.
pub struct ArchInfo {
    /// Name in manifests, records and listings.
    pub name: &'static str,
    /// Further names that golden files and the records of earlier versions bear.
    pub aliases: &'static [&'static str],
    /// What pipelines use its networks for.
    pub role: Role,
    /// Beginnings of its weights' published names. Tensors under no family's are foreign: losses, discriminators.
    pub roots: &'static [&'static str],
    /// Ends of the names of published tensors that follow from others, or count training steps: they are not stored.
    pub derived: &'static [&'static str],
    /// The published name of a weight that was saved without the network's own prefix; `None` where it is none.
    pub bare: fn(&str) -> Option<String>,
    /// Whether the tensors bear the names of this family.
    pub identify: fn(&Weights) -> bool,
    /// A network's sizes as a manifest states them, checked and in full.
    pub config: fn(&Value) -> Result<Value, ModelError>,
    /// The sizes of the network that the weights make up; an error that names what does not fit.
    pub check: fn(&Weights) -> Result<Value, ModelError>,
    /// The network of these weights.
    pub load: fn(&Weights) -> Result<Network, ModelError>,
    /// A network of these sizes with reproducible random weights from a seed, for benchmarks and tests.
    pub random: fn(&Value, u64) -> Result<Network, ModelError>,
    /// Compares a backend with a golden file of this family, one line per expected tensor.
    pub golden: fn(&GoldenFile<'_>, &dyn Backend) -> Result<Vec<GoldenLine>, ModelError>,
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Fills holes: inpaint stages.
    Inpaint,
    /// Turns points and boxes into masks: segment stages.
    Segment,
}

impl Role {
    /// What such a network does, for errors.
    pub fn does(self) -> &'static str {
        match self {
            Role::Inpaint => "fills holes",
            Role::Segment => "turns points and boxes into masks",
        }
    }
}

/// A loaded network, by what it is for.
#[derive(Debug, Clone)]
pub enum Network {
    /// Fills holes.
    Inpaint(Arc<dyn Inpaint>),
    /// Turns points and boxes into masks.
    Segment(Arc<Sam>),
}

/// A network that fills holes.
pub trait Inpaint: fmt::Debug + Send + Sync {
    /// Least side of a crop in pixels: what is smaller has to be padded first.
    fn side_px_min(&self) -> usize {
        1
    }

    /// The network pads sides to multiples of this many pixels, so crops of such sides waste nothing.
    fn side_px_multiple(&self) -> usize;

    /// The graph for `batch` crops of `height` x `width` pixels. Inputs: image u8 `[N, H, W, 3]`, mask u8 `[N, H, W]` (128 and
    /// more is the hole). One output, the filled crop f32 `[N, 3, Hp, Wp]`, colours 0..1, `Hp >= H`, `Wp >= W`: what lies
    /// beyond H and W is padding. A crop's result does not depend on its neighbours in the batch.
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, ModelError>;
}

impl Network {
    /// What it is for.
    pub fn role(&self) -> Role {
        match self {
            Network::Inpaint(_) => Role::Inpaint,
            Network::Segment(_) => Role::Segment,
        }
    }

    /// What is measured of it at one size: the photo's or crop's `[height, width]` (where `None`, the network's own or 512) and
    /// how many at once.
    pub fn bench(&self, size: Option<[usize; 2]>, batch: usize) -> Result<Bench, ModelError> {
        match self {
            Network::Inpaint(network) => bench::inpaint(&**network, size, batch),
            Network::Segment(sam) => bench::segment(sam, size, batch),
        }
    }
}

/// A network's graphs at one size, with inputs.
pub struct Bench {
    /// Height and width of the photo or crop in pixels.
    pub size: [usize; 2],
    /// The network itself, or what is run once a photo; then what is run more often.
    pub parts: Vec<BenchPart>,
}

/// A graph with inputs, measured on its own.
pub struct BenchPart {
    /// `network`, `encoder`, `decoder`.
    pub name: &'static str,
    /// What runs.
    pub graph: Graph,
    /// What it runs on.
    pub inputs: Vec<Tensor>,
}

impl fmt::Debug for ArchInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for ArchInfo {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The family of this name or alias.
pub fn named(name: &str) -> Option<&'static ArchInfo> {
    ARCHS
        .iter()
        .copied()
        .find(|arch| arch.name == name || arch.aliases.contains(&name))
}

/// The family whose names the tensors bear.
pub fn identify(weights: &Weights) -> Option<&'static ArchInfo> {
    ARCHS.iter().copied().find(|arch| (arch.identify)(weights))
}

/// Names of all families, for errors.
pub fn names() -> String {
    let names: Vec<&str> = ARCHS.iter().map(|arch| arch.name).collect();
    names.join(", ")
}

/// Whether a published name belongs to a network that Cleanplate runs.
pub fn under_root(name: &str) -> bool {
    let mut roots = ARCHS.iter().flat_map(|arch| arch.roots);
    roots.any(|root| name.starts_with(root))
}

/// Reads a family by name, for manifests.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<&'static ArchInfo, D::Error> {
    let name = String::deserialize(from)?;
    named(&name)
        .ok_or_else(|| D::Error::custom(format!("no architecture {name:?}; known are {}", names())))
}

/// A family's sizes from JSON or TOML.
pub(crate) fn typed<T: for<'de> Deserialize<'de>>(
    arch: &'static str,
    config: &Value,
) -> Result<T, ModelError> {
    T::deserialize(config).map_err(|e| ModelError::Config {
        arch,
        why: format!("sizes {config}: {e}"),
    })
}

/// Sizes as JSON.
pub(crate) fn stated<T: Serialize>(arch: &'static str, config: &T) -> Result<Value, ModelError> {
    serde_json::to_value(config).map_err(|e| ModelError::Config {
        arch,
        why: e.to_string(),
    })
}

/// Where two networks' sizes differ, as `n_blocks 2 instead of 18`.
pub(crate) fn differences(got: &Value, want: &Value) -> Vec<String> {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            let keys: std::collections::BTreeSet<&String> = got.keys().chain(want.keys()).collect();
            let parts = keys.into_iter().flat_map(|key| {
                let side = |of: &serde_json::Map<String, Value>| {
                    of.get(key).cloned().unwrap_or(Value::Null)
                };
                let (got, want) = (side(got), side(want));
                let nested = got.is_object() && want.is_object();
                let name = move |text: String| {
                    if nested {
                        text
                    } else {
                        format!("{key} {text}")
                    }
                };
                differences(&got, &want).into_iter().map(name)
            });
            parts.collect()
        }
        _ if got == want => Vec::new(),
        _ => vec![format!("{got} instead of {want}")],
    }
}
