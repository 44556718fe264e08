//! What `bench` measures of a network: graphs and inputs of noise, equal on every run.

use cleanplate_engine::Graph;
use cleanplate_kernels::Tensor;

use crate::arch::{Inpaint, Label, Network, Prompt, Segment};
use crate::error::ModelError;

/// Seed of the inputs.
const SEED: u64 = 1;
/// Side of a square crop where none is asked for, in pixels.
const INPAINT_SIDE: usize = 512;

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

/// What is measured of a network at one size: the photo's or crop's `[height, width]` (where `None`, the network's own or 512) and
/// how many at once.
pub fn of(network: &Network, size: Option<[usize; 2]>, batch: usize) -> Result<Bench, ModelError> {
    match network {
        Network::Inpaint(network) => inpaint(&**network, size, batch),
        Network::Segment(network) => segment(&**network, size, batch),
    }
}

/// One run over `batch` crops.
fn inpaint(
    network: &dyn Inpaint,
    size: Option<[usize; 2]>,
    batch: usize,
) -> Result<Bench, ModelError> {
    let [height, width] = size.unwrap_or([INPAINT_SIDE; 2]);
    let part = BenchPart {
        name: "network",
        graph: network.graph(batch, height, width)?,
        inputs: vec![photos(batch, height, width), masks(batch, height, width)],
    };
    Ok(Bench {
        size: [height, width],
        parts: vec![part],
    })
}

/// The encoder, run once a photo, and the decoder for one click in the middle.
fn segment(
    network: &dyn Segment,
    size: Option<[usize; 2]>,
    batch: usize,
) -> Result<Bench, ModelError> {
    if batch != 1 {
        return Err(ModelError::Config {
            arch: "sam",
            why: format!("{batch} photos at once; it encodes one at a time"),
        });
    }
    let [height, width] = size.unwrap_or([network.side_px(); 2]);
    let prompt = Prompt {
        points: vec![(width as f32 / 2.0, height as f32 / 2.0, Label::Foreground)],
        rectangle: None,
    };
    let shape = network.embedding();
    let embedding = Tensor::f32(&shape, vec![0.25; shape.iter().product()]);
    let encoder = BenchPart {
        name: "encoder",
        graph: network.encoder_graph(network.resized(height, width))?,
        inputs: vec![network.resize(&photos(1, height, width))?],
    };
    let decoder = BenchPart {
        name: "decoder",
        graph: network.decoder_graph(prompt.tokens())?,
        inputs: vec![embedding, network.tokens(&prompt, [height, width])?],
    };
    Ok(Bench {
        size: [height, width],
        parts: vec![encoder, decoder],
    })
}

/// Photos of noise, u8 `[N, H, W, 3]`.
fn photos(batch: usize, height: usize, width: usize) -> Tensor {
    let mut state = SEED;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let bytes = (0..batch * height * width * 3).map(|_| byte()).collect();
    Tensor::u8(&[batch, height, width, 3], bytes)
}

/// Masks with a hole of a quarter of each side in the middle, u8 `[N, H, W]`.
fn masks(batch: usize, height: usize, width: usize) -> Tensor {
    let hole = |at: usize, side: usize| (side * 3 / 8..side * 5 / 8).contains(&at);
    let pixel = |i: usize| hole(i / width % height, height) && hole(i % width, width);
    let bytes = (0..batch * height * width).map(|i| if pixel(i) { 255 } else { 0 });
    Tensor::u8(&[batch, height, width], bytes.collect())
}
