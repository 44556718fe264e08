//! What a network family is to the rest of the program: a row of [`crate::registry::ARCHS`], and what its networks do.

use std::fmt;
use std::sync::Arc;

use cleanplate_engine::{Backend, EngineError, Graph};
use cleanplate_kernels::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ModelError;
use crate::golden::{GoldenFile, GoldenLine};
use crate::import::Weights;

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
    Segment(Arc<dyn Segment>),
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

/// A network that turns points and boxes into masks: an encoder, run once a photo, and a decoder, run once a prompt.
pub trait Segment: fmt::Debug + Send + Sync {
    /// Longer side that photos are resized to, in pixels.
    fn side_px(&self) -> usize;

    /// Shape of an embedding, f32 `[1, S, S, C]`.
    fn embedding(&self) -> [usize; 4];

    /// Height and width that a photo of this size is resized to: the longer side becomes the network's.
    fn resized(&self, height: usize, width: usize) -> [usize; 2];

    /// Resizes photo bytes u8 `[1, H, W, 3]` as the published preprocessing does. On the host: a photo may be larger than any binding.
    fn resize(&self, photo: &Tensor) -> Result<Tensor, ModelError>;

    /// Resized photo u8 `[1, height, width, 3]` to the embedding.
    fn encoder_graph(&self, resized: [usize; 2]) -> Result<Graph, EngineError>;

    /// The embedding and tokens f32 `[1, 5 + T, C]` to logits `[1, 4, 4S, 4S]` and quality `[1, 1, 4]`.
    /// Row 0 is the answer for several prompts, rows 1..3 are the three candidates for a single click.
    fn decoder_graph(&self, prompt_tokens: usize) -> Result<Graph, EngineError>;

    /// The decoder's token input `[1, 5 + T, C]` for a prompt on a photo of `photo` = [height, width] pixels.
    fn tokens(&self, prompt: &Prompt, photo: [usize; 2]) -> Result<Tensor, ModelError>;

    /// Mask 0/255 `[height, width]` of the photo from one row of logits `[4S, 4S]`: to the network's square, cut to the photo's part of it,
    /// to the photo, above 0. Bilinear both times, as published.
    fn mask(&self, logits: &[f32], photo: [usize; 2]) -> Vec<u8>;
}

/// Whether a click marks the object or the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Part of the object.
    Foreground,
    /// Not part of it.
    Background,
}

/// What a user pointed at, in pixels of the photo (x to the right, y down).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prompt {
    /// Clicks.
    pub points: Vec<(f32, f32, Label)>,
    /// Corners x1, y1, x2, y2 in any order.
    pub rectangle: Option<[f32; 4]>,
}

impl Prompt {
    /// Tokens that a network makes of it: one for each click, two for a rectangle, one in its place where there is none.
    pub fn tokens(&self) -> usize {
        self.points.len() + if self.rectangle.is_some() { 2 } else { 1 }
    }
}

impl Network {
    /// What it is for.
    pub fn role(&self) -> Role {
        match self {
            Network::Inpaint(_) => Role::Inpaint,
            Network::Segment(_) => Role::Segment,
        }
    }
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
