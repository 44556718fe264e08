//! SAM's prompt encoder: clicks and a box to tokens. A few hundred numbers, so it runs on the host.

use std::f32::consts::TAU;

use super::build::Build;
use super::config::SamConfig;
use crate::arch::{Label, Prompt};
use crate::error::ModelError;

const PREFIX: &str = "prompt_encoder";

/// The prompt encoder's weights.
#[derive(Debug)]
pub struct PromptEncoder {
    /// `[2, C / 2]`: random directions of the Fourier features.
    gaussian: Vec<f32>,
    /// `[C]` each: background, foreground, first and second box corner.
    embeddings: [Vec<f32>; 4],
    /// `[C]`: stands for "no further click".
    not_a_point: Vec<f32>,
    /// `[C]`: stands for "no mask given" at every pixel.
    no_mask: Vec<f32>,
    image_side: f32,
}

impl PromptEncoder {
    /// Reads the weights.
    pub fn new(build: &Build<'_>, config: &SamConfig) -> Result<Self, ModelError> {
        let c = config.decoder.transformer_dim;
        let row = |name: &str| build.floats(&format!("{PREFIX}.{name}.weight"), &[1, c]);
        let point = |i: usize| row(&format!("point_embeddings.{i}"));
        Ok(PromptEncoder {
            gaussian: build.floats(
                &format!("{PREFIX}.pe_layer.positional_encoding_gaussian_matrix"),
                &[2, c / 2],
            )?,
            embeddings: [point(0)?, point(1)?, point(2)?, point(3)?],
            not_a_point: row("not_a_point_embed")?,
            no_mask: row("no_mask_embed")?,
            image_side: config.img_size as f32,
        })
    }

    /// Fourier features `[C]` of a place given in shares 0..1 of the square.
    fn encode(&self, x: f32, y: f32) -> Vec<f32> {
        let half = self.gaussian.len() / 2;
        let phase = |i: usize| {
            TAU * ((2.0 * x - 1.0) * self.gaussian[i] + (2.0 * y - 1.0) * self.gaussian[half + i])
        };
        (0..half)
            .map(|i| phase(i).sin())
            .chain((0..half).map(|i| phase(i).cos()))
            .collect()
    }

    /// Tokens `[T, C]` of a prompt for a photo of `photo` = [height, width] pixels that was resized to `resized`.
    pub fn tokens(&self, prompt: &Prompt, photo: [usize; 2], resized: [usize; 2]) -> Vec<f32> {
        let scale = |axis: usize| resized[axis] as f32 / photo[axis] as f32;
        let place = |x: f32, y: f32| {
            self.encode(
                (x * scale(1) + 0.5) / self.image_side,
                (y * scale(0) + 0.5) / self.image_side,
            )
        };
        let sum =
            |a: Vec<f32>, b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f32>>();
        let mut out = Vec::with_capacity(prompt.tokens() * self.no_mask.len());
        for (x, y, label) in &prompt.points {
            out.extend(sum(
                place(*x, *y),
                &self.embeddings[usize::from(*label == Label::Foreground)],
            ));
        }
        match prompt.rectangle {
            Some([x1, y1, x2, y2]) => {
                out.extend(sum(place(x1.min(x2), y1.min(y2)), &self.embeddings[2]));
                out.extend(sum(place(x1.max(x2), y1.max(y2)), &self.embeddings[3]));
            }
            // Without a box the published code appends a click that is none.
            None => out.extend(&self.not_a_point),
        }
        out
    }

    /// Fourier features of every embedding pixel, `[side, side, C]`.
    pub fn dense_positions(&self, side: usize) -> Vec<f32> {
        let at = |i: usize| (i as f32 + 0.5) / side as f32;
        (0..side * side)
            .flat_map(|i| self.encode(at(i % side), at(i / side)))
            .collect()
    }

    /// The "no mask" embedding for every embedding pixel, `[side, side, C]`.
    pub fn dense_no_mask(&self, side: usize) -> Vec<f32> {
        self.no_mask.repeat(side * side)
    }
}
