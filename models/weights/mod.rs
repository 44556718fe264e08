//! The models that Cleanplate knows by name: a folder each, with `model.toml`, a card, and the weights where they ship.

use crate::error::ModelError;
use crate::manifest::Manifest;

/// A row of [`MODELS`].
pub struct KnownModel {
    /// Folder name and model name.
    pub name: &'static str,
    /// Text of its `model.toml`.
    pub manifest: &'static str,
    /// Weights, where they are embedded in this program.
    pub embedded: Option<&'static [u8]>,
}

impl KnownModel {
    /// The parsed `model.toml`.
    pub fn parse(&self) -> Result<Manifest, ModelError> {
        toml::from_str(self.manifest).map_err(|e| ModelError::Record {
            file: format!("models/weights/{}/model.toml", self.name).into(),
            why: e.to_string(),
        })
    }
}

/// A file's bytes; none where the program was built without the feature `embedded-weights`.
#[cfg(feature = "embedded-weights")]
macro_rules! shipped {
    ($file:expr) => {
        Some(include_bytes!($file))
    };
}
#[cfg(not(feature = "embedded-weights"))]
macro_rules! shipped {
    ($file:expr) => {
        None
    };
}

/// The model of a folder beside this file: one that has to be imported or pulled, or one whose `NAME.safetensors` ships.
macro_rules! model {
    ($name:literal) => {
        model!($name, None)
    };
    ($name:literal, shipped) => {
        model!($name, shipped!(concat!($name, "/", $name, ".safetensors")))
    };
    ($name:literal, $embedded:expr) => {
        KnownModel {
            name: $name,
            manifest: include_str!(concat!($name, "/model.toml")),
            embedded: $embedded,
        }
    };
}

/// Every model known by name. Listing, pulling and checks on import follow from this slice.
pub static MODELS: &[KnownModel] = &[
    model!("lama-small", shipped),
    model!("migan-512", shipped),
    model!("big-lama"),
    model!("lama-fourier"),
    model!("sam-small", shipped),
    model!("mobile-sam"),
    model!("sam-vit-b"),
    model!("sam-vit-l"),
    model!("sam-vit-h"),
];

/// The error for a name that nobody knows.
pub(crate) fn unknown(name: &str) -> ModelError {
    let known: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
    ModelError::Unknown {
        name: name.chars().take(80).collect(),
        known: known.join(", "),
    }
}

/// The row of a name.
pub fn known(name: &str) -> Option<&'static KnownModel> {
    MODELS.iter().find(|model| model.name == name)
}
