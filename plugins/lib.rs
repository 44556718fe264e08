//! Pictures in and out, and the pipeline of plugins between them.
//!
//! A photo and a mask come in, the photo without the marked object goes out. This crate knows no HTTP and no database.
//!
//! A plugin is a folder with a `plugin.toml`: built in, with a line in [`PLUGINS`], or the user's own, found by [`Plugins`];
//! a pipeline is a file in `config/pipelines`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod distance;
mod error;
pub mod feather;
pub mod fill_holes;
mod full_size;
pub mod grain;
pub mod grow;
pub mod image;
pub mod lama;
pub mod manifest;
pub mod models;
pub mod parameter;
pub mod patchmatch;
pub mod patchmatch_refine;
pub mod pipeline;
pub mod process;
mod registry;
pub mod resample;
pub mod sam;
pub mod seam;
pub mod user;
pub mod wgsl;

pub use error::PluginError;
pub use registry::{PLUGINS, PluginInfo, plugin};
pub use user::{PluginRef, Plugins};
