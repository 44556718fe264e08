//! The plugins of this program and their list.
//!
//! A plugin is a folder with a `plugin.toml` and a line in [`PLUGINS`]; a pipeline is a file in `config/pipelines` and a line
//! in [`PIPELINES`]. What they work on, and how, stands in `cleanplate_pipeline`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod chroma;
pub mod curate;
pub mod feather;
pub mod fill_holes;
pub mod grain;
pub mod grow;
pub mod lama;
pub mod network;
pub mod patchmatch;
pub mod patchmatch_refine;
mod registry;
pub mod sam;
pub mod seam;

pub use registry::{PIPELINES, PLUGINS, pipelines, plugins};
