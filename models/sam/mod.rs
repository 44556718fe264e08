//! SAM: masks from clicks and boxes (facebookresearch/segment-anything, ChaoningZhang/MobileSAM).
//!
//! One family by configuration: an image encoder ([`EncoderConfig`]), run once a photo, and a prompt encoder with a mask decoder, run once
//! a prompt. Maps are channels last.

mod build;
mod config;
mod decoder;
mod encoder;
mod golden;
mod infer;
mod info;
mod mask;
mod prompt;
mod tiny_vit;
mod upscaling;
mod vit;

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, TensorSpec};
use cleanplate_kernels::resize_u8::ResizeU8;
use cleanplate_kernels::sam_input::SamInput;
use cleanplate_kernels::{Op, Tensor, TensorMut};

use crate::arch::{Prompt, Segment};
use crate::error::ModelError;
use crate::import::Weights;
use crate::source::{Random, Source};
use build::Build;
use decoder::Decoder;
use encoder::ImageEncoder;
use prompt::PromptEncoder;

pub use config::{DecoderConfig, EncoderConfig, MASKS, Normalisation, SamConfig};
pub use info::INFO;
pub use mask::{Choice, choose};

/// Most tokens that one prompt may have: clicks, and two for a box.
pub const PROMPT_TOKENS_MAX: usize = 256;

/// A SAM network with its weights. Its graphs share them.
#[derive(Debug)]
pub struct Sam {
    config: SamConfig,
    encoder: Box<dyn ImageEncoder>,
    prompt: PromptEncoder,
    decoder: Decoder,
}

impl Sam {
    /// Builds the network from stored weights, whose names and shapes give its sizes.
    pub fn from_weights(weights: &Weights) -> Result<Self, ModelError> {
        let config = SamConfig::infer(weights)?;
        Sam::build(config, weights)
    }

    /// A network with reproducible random weights, for benchmarks and tests.
    pub fn random(config: &SamConfig, seed: u64) -> Result<Self, ModelError> {
        config.validate()?;
        Sam::build(config.clone(), &Random(seed))
    }

    fn build(config: SamConfig, source: &dyn Source) -> Result<Self, ModelError> {
        let build = Build::new(source);
        let encoder = encoder::build(&build, &config)?;
        let prompt = PromptEncoder::new(&build, &config)?;
        let decoder = Decoder::new(&build, &config, &prompt)?;
        Ok(Sam {
            config,
            encoder,
            prompt,
            decoder,
        })
    }

    /// The network's sizes.
    pub fn config(&self) -> &SamConfig {
        &self.config
    }
}

impl Segment for Sam {
    fn side_px(&self) -> usize {
        self.config.img_size
    }

    fn embedding(&self) -> [usize; 4] {
        let side = self.config.embedding_side();
        [1, side, side, self.config.decoder.transformer_dim]
    }

    fn resized(&self, height: usize, width: usize) -> [usize; 2] {
        let scale = self.config.img_size as f64 / height.max(width) as f64;
        let side = |n: usize| ((n as f64 * scale + 0.5) as usize).clamp(1, self.config.img_size);
        [side(height), side(width)]
    }

    fn resize(&self, photo: &Tensor) -> Result<Tensor, ModelError> {
        let wrong = |source| build::kernel("resize", source);
        let [height, width] = photo
            .shape
            .dims4()
            .map_or([0, 0], |d| self.resized(d[1], d[2]));
        let op = ResizeU8 { height, width };
        let specs = op
            .infer(&[TensorSpec {
                dtype: photo.dtype(),
                shape: photo.shape.clone(),
            }])
            .map_err(wrong)?;
        let shape = &specs[0].shape;
        let mut bytes = vec![0u8; shape.elements()];
        op.native(
            &[photo.view()],
            &mut [TensorMut::U8(shape, &mut bytes)],
            &mut [],
        );
        Ok(Tensor::u8(shape.dims(), bytes))
    }

    fn encoder_graph(&self, [height, width]: [usize; 2]) -> Result<Graph, EngineError> {
        let mut g = Graph::new();
        let image = g.input(TensorSpec::u8(&[1, height, width, 3]));
        let Normalisation { mean, std } = self.config.normalisation;
        let x = g.add(
            "image_encoder.input",
            Arc::new(SamInput {
                side: self.config.img_size,
                mean,
                std,
            }),
            &[image],
        )?; // [1, 3, side, side]
        let embedding = self.encoder.graph(&mut g, x)?;
        g.output(embedding);
        Ok(g)
    }

    fn decoder_graph(&self, prompt_tokens: usize) -> Result<Graph, EngineError> {
        let (side, c) = (
            self.config.embedding_side(),
            self.config.decoder.transformer_dim,
        );
        let mut g = Graph::new();
        let embedding = g.input(TensorSpec::f32(&[1, side, side, c]));
        let tokens = g.input(TensorSpec::f32(&[1, 1 + MASKS + prompt_tokens, c]));
        let [masks, iou] = self.decoder.graph(&mut g, embedding, tokens)?;
        g.output(masks);
        g.output(iou);
        Ok(g)
    }

    fn tokens(&self, prompt: &Prompt, photo: [usize; 2]) -> Result<Tensor, ModelError> {
        if prompt.points.is_empty() && prompt.rectangle.is_none()
            || prompt.tokens() > PROMPT_TOKENS_MAX
        {
            let why = format!(
                "a prompt of {} clicks; wanted a click or a box, at most {PROMPT_TOKENS_MAX} tokens",
                prompt.points.len()
            );
            return Err(ModelError::Config { arch: "sam", why });
        }
        let mut values = self.decoder.output_tokens.clone();
        values.extend(
            self.prompt
                .tokens(prompt, photo, self.resized(photo[0], photo[1])),
        );
        Ok(Tensor::f32(
            &[
                1,
                1 + MASKS + prompt.tokens(),
                self.config.decoder.transformer_dim,
            ],
            values,
        ))
    }

    fn mask(&self, logits: &[f32], photo: [usize; 2]) -> Vec<u8> {
        let resized = self.resized(photo[0], photo[1]);
        mask::of_photo(logits, self.config.img_size, resized, photo)
    }
}
