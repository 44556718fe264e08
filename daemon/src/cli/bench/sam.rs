//! SAM's two halves: the encoder, run once a photo, and the decoder, run once a prompt.

use std::sync::Arc;

use anyhow::bail;
use cleanplate_engine::Backend;
use cleanplate_kernels::Tensor;
use cleanplate_models::manifest::sam_config;
use cleanplate_models::sam::{Label, Sam, SamPrompt};

use super::{Part, SEED, inputs, size};
use crate::cli::args::Bench;
use crate::cli::open;
use crate::config::Config;

/// Encoder and decoder for one click, and the size of the photo.
pub(super) fn parts(
    args: &Bench,
    config: &Config,
    backend: &dyn Backend,
) -> anyhow::Result<([usize; 2], Vec<Part>)> {
    if args.batch != 1 {
        bail!(
            "{} encodes one photo at a time: leave out --batch",
            args.model
        );
    }
    let network = if args.random_weights {
        let shape = match sam_config(&args.model) {
            Ok(shape) => shape,
            // The shape of an imported network is that of its weights.
            Err(_) => open::models(config)?.sam(&args.model)?.config().clone(),
        };
        Arc::new(Sam::random(&shape, SEED)?)
    } else {
        open::models(config)?.sam(&args.model)?
    };
    let side = network.config().img_size;
    let (height, width) = match &args.size {
        Some(text) => size(text)?,
        None => (side, side),
    };
    let (photo, _) = inputs(1, height, width);
    let encoder = backend.compile(&network.encoder_graph(network.resized(height, width))?)?;
    let prompt = SamPrompt {
        points: vec![(width as f32 / 2.0, height as f32 / 2.0, Label::Foreground)],
        rectangle: None,
    };
    let decoder = backend.compile(&network.decoder_graph(prompt.tokens())?)?;
    let [s, c] = [
        network.config().embedding_side(),
        network.config().decoder.transformer_dim,
    ];
    let given = vec![
        Tensor::f32(&[1, s, s, c], vec![0.25; s * s * c]),
        network.tokens(&prompt, [height, width])?,
    ];
    Ok((
        [height, width],
        vec![
            Part {
                name: "encoder",
                executable: encoder,
                inputs: vec![network.resize(&photo)?],
            },
            Part {
                name: "decoder",
                executable: decoder,
                inputs: given,
            },
        ],
    ))
}
