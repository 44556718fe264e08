//! What `bench` measures of a network: graphs and inputs of noise, equal on every run.

use cleanplate_kernels::Tensor;

use crate::arch::{Bench, BenchPart, Inpaint};
use crate::error::ModelError;
use crate::sam::{Label, Sam, SamPrompt};

/// Seed of the inputs.
const SEED: u64 = 1;
/// Side of a square crop where none is asked for, in pixels.
const INPAINT_SIDE: usize = 512;

/// One run over `batch` crops.
pub(crate) fn inpaint(
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
pub(crate) fn segment(
    sam: &Sam,
    size: Option<[usize; 2]>,
    batch: usize,
) -> Result<Bench, ModelError> {
    if batch != 1 {
        return Err(ModelError::Config {
            arch: "sam",
            why: format!("{batch} photos at once; it encodes one at a time"),
        });
    }
    let [height, width] = size.unwrap_or([sam.config().img_size; 2]);
    let prompt = SamPrompt {
        points: vec![(width as f32 / 2.0, height as f32 / 2.0, Label::Foreground)],
        rectangle: None,
    };
    let (side, channels) = (
        sam.config().embedding_side(),
        sam.config().decoder.transformer_dim,
    );
    let embedding = Tensor::f32(
        &[1, side, side, channels],
        vec![0.25; side * side * channels],
    );
    let encoder = BenchPart {
        name: "encoder",
        graph: sam.encoder_graph(sam.resized(height, width))?,
        inputs: vec![sam.resize(&photos(1, height, width))?],
    };
    let decoder = BenchPart {
        name: "decoder",
        graph: sam.decoder_graph(prompt.tokens())?,
        inputs: vec![embedding, sam.tokens(&prompt, [height, width])?],
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
