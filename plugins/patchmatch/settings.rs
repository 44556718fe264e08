//! Parameters of the fill.

use serde::Deserialize;

/// The parameter `preset`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Preset {
    Best,
    Mild,
}

/// The parameter `blend`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BlendChoice {
    /// The preset's own.
    Auto,
    Gradient,
    None,
}

impl Preset {
    /// The preset's settings with another seed and blend.
    pub(crate) fn settings(self, seed: u32, blend: BlendChoice) -> Settings {
        let settings = match self {
            Preset::Best => Settings::best(),
            Preset::Mild => Settings::mild(),
        };
        let blend = match blend {
            BlendChoice::Auto => settings.blend,
            BlendChoice::Gradient => Blend::Gradient,
            BlendChoice::None => Blend::None,
        };
        Settings {
            seed,
            blend,
            ..settings
        }
    }
}

/// How copied patches meet the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blend {
    /// Copied colours.
    None,
    /// Copied gradients, the rim's colours.
    Gradient,
    /// The same, held back where it changes a colour by more than this (0..1).
    Damped(f32),
}

/// Fewest iterations of a level that gets more than one.
pub const ITERATIONS_MIN: usize = 4;

/// Parameters of the fill; see [`Settings::best`] and [`Settings::mild`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Patches are `2 * radius + 1` pixels a side.
    pub radius: usize,
    /// Weight of the texture channels against colour.
    pub texture: f32,
    /// Levels below the finest on which texture is measured afresh, at their own scale; coarser ones carry it along.
    pub texture_levels: usize,
    /// A patch counts `gamma^-d` at `d` pixels from the known pixels.
    pub gamma: f32,
    /// Weight (1 or 4) of known pixels of a target patch against filled ones.
    pub known_weight: u32,
    /// Nothing is copied from closer to the hole than this, in pixels.
    pub ring_px: f32,
    /// Iterations of search and vote per level, coarsest first; the last entry serves all finer levels.
    pub iterations: Vec<usize>,
    /// Search rounds per iteration, likewise.
    pub rounds: Vec<usize>,
    /// Distances over which a round propagates, in order, in pixels.
    pub steps: Vec<usize>,
    /// Iterations of a level are cut to as many as vote for this many targets in all, but not below `ITERATIONS_MIN`: large levels begin
    /// near their end, and cost the most.
    pub votes_max: usize,
    /// Levels with more targets than this get a single, local iteration.
    pub effort_px: usize,
    /// How copied patches meet the photo.
    pub blend: Blend,
    /// Weight of the guide, if there is one.
    pub guide: Option<f32>,
    /// Another seed gives another fill.
    pub seed: u32,
}

impl Settings {
    /// Keeps texture best.
    pub fn best() -> Self {
        Settings {
            radius: 3,
            texture: 5.0,
            texture_levels: 0,
            gamma: 3.0,
            known_weight: 4,
            ring_px: 12.0,
            // Measured: votes between single rounds are worth more on fine levels than a second round (benches/quality).
            iterations: vec![36, 24, 16, 12, 8, 6],
            rounds: vec![4, 3, 2, 1, 1, 1],
            steps: vec![4, 1],
            votes_max: 500_000,
            effort_px: 600_000,
            // A change of a quarter of the range means that the rim crosses two materials, and evening it out would bleed.
            blend: Blend::Damped(0.25),
            guide: None,
            seed: 1,
        }
    }

    /// Kinder where two materials meet at the hole.
    pub fn mild() -> Self {
        Settings {
            radius: 2,
            texture: 1.0,
            gamma: 1.5,
            known_weight: 1,
            blend: Blend::Damped(0.1),
            ..Settings::best()
        }
    }
}
