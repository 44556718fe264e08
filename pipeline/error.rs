//! Errors of pipelines and plugins.

use cleanplate_basics::nearest;
use cleanplate_engine::EngineError;
use cleanplate_pictures::ImageError;

/// Why a pipeline could not be loaded or run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PluginError {
    /// The observer asked to stop.
    #[error("cancelled before {before}")]
    Cancelled {
        /// What would have run next.
        before: String,
    },
    /// The mask marks nothing.
    #[error("the mask removes nothing: no pixel is 128 or brighter")]
    EmptyMask,
    /// The mask, once grown, leaves no pixel to take surroundings from.
    #[error(
        "the mask covers the whole image: nothing is left to continue into the hole; mark less, or dilate less"
    )]
    WholeImageMask,
    /// The mask has so many regions far from each other that filling them would take too long.
    #[error(
        "the mask marks {regions} regions apart from each other, which take {crops} crops with {pixels} pixels, at most {pixels_max} are worked on: mark fewer, or send the photo in parts"
    )]
    Scattered {
        /// Groups of regions.
        regions: usize,
        /// Crops after those that can be worked on together were joined.
        crops: usize,
        /// Pixels of all crops.
        pixels: usize,
        /// The limit.
        pixels_max: usize,
    },
    /// Mask and photo differ in size.
    #[error("the mask is {}x{}, the image is {}x{} (as displayed); they must be equal", mask.0, mask.1, photo.0, photo.1)]
    MaskSize {
        /// Width and height of the mask.
        mask: (usize, usize),
        /// Width and height of the photo, displayed orientation.
        photo: (usize, usize),
    },
    /// The segmentation network marked nothing at the prompts.
    #[error(
        "{model} found nothing at the given {given}{}: click on the object itself, or draw a box around it",
        region.map_or(String::new(), |number| format!(" of region {number}"))
    )]
    NothingFound {
        /// The network.
        model: String,
        /// What was given: `points` or `box`.
        given: &'static str,
        /// Of several, which one it is, from 1.
        region: Option<usize>,
    },
    /// The mask that the segmentation network marked leaves nothing of the photo.
    #[error(
        "the mask found at the given {given} covers the whole image: mark what is not the object with points of label 0, or draw a box around the object"
    )]
    WholeImageFound {
        /// What was given: `points` or `box`.
        given: &'static str,
    },
    /// Neither mask nor prompts were given.
    #[error("neither a mask nor points nor a box was given")]
    NoMask,
    /// Something this installation cannot do now.
    #[error("{what} is not available: {remedy}")]
    Unavailable {
        /// What was wanted.
        what: String,
        /// What the user or admin can do.
        remedy: String,
    },
    /// The network or device failed.
    #[error("{during}: {source}")]
    Engine {
        /// Plugin and crop.
        during: String,
        /// The engine's own error.
        source: Box<EngineError>,
    },
    /// The model could not be loaded.
    #[error("model {name}: {detail}")]
    Model {
        /// Model name.
        name: String,
        /// The store's message.
        detail: String,
    },
    /// A network answered with another shape or with values that are no colours.
    #[error("{plugin}: the network's answer is unusable: {detail}")]
    Output {
        /// Plugin.
        plugin: &'static str,
        /// What was wrong.
        detail: String,
    },
    /// A plugin of the user failed; the plugin is at fault, neither the request nor this program.
    #[error("plugin {plugin}: {detail}")]
    User {
        /// Plugin.
        plugin: String,
        /// What it did, with its own words where it said some.
        detail: String,
    },
    /// Reading or writing a picture failed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A parameter value is outside its range or of another type.
    #[error("{plugin}.{parameter} = {value:?}: {expected}")]
    Parameter {
        /// Plugin name.
        plugin: String,
        /// Parameter name.
        parameter: String,
        /// The value given.
        value: String,
        /// Type and range.
        expected: String,
    },
    /// No plugin, parameter or pipeline of that name.
    #[error("unknown {kind} {name:?}{}; known: {}", nearest.as_ref().map(|n| format!(", did you mean {n:?}?")).unwrap_or_default(), known.join(", "))]
    Unknown {
        /// `plugin`, `parameter of grow`, `pipeline`.
        kind: String,
        /// The name given.
        name: String,
        /// The closest known name.
        nearest: Option<String>,
        /// Every known name.
        known: Vec<String>,
    },
    /// A manifest or pipeline file is malformed.
    #[error("{file}: {detail}")]
    File {
        /// Path or embedded name.
        file: String,
        /// What is wrong, with line where known.
        detail: String,
    },
}

impl PluginError {
    /// Whether the same work may succeed when tried again on a rebuilt device.
    pub fn retryable(&self) -> bool {
        matches!(self, PluginError::Engine { source, .. } if source.retryable())
    }

    /// An unknown-name error with the nearest known name.
    pub(crate) fn unknown<'a>(
        kind: impl Into<String>,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<String> = known.into_iter().map(str::to_string).collect();
        PluginError::Unknown {
            kind: kind.into(),
            name: name.to_string(),
            nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_string),
            known,
        }
    }
}
