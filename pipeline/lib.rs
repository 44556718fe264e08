//! Pipelines: which plugins run, in which order, on what shared state.
//!
//! Order of a run: segment (prompts to mask), mask (grow, fill, feather), inpaint (a fill per crop), refine and finish
//! (better fills), then the fills are blended into the photo. Steps with the name of a candidate fill the same hole beside
//! those of other candidates; a curate step keeps the best fill of every region. Pixels whose alpha is 0 are never written.
//!
//! A photo and a mask come in, the photo without the marked object goes out. This crate knows no HTTP and no database, and
//! no plugin by name: it gets the list of those in the program, and finds those of the user ([`Plugins`]).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod alternatives;
mod cache;
mod candidate;
mod composite;
mod crop;
mod curve;
mod cutout;
pub mod embeddings;
mod error;
pub mod full_size;
mod gather;
mod grid;
mod lru;
pub mod manifest;
pub mod models;
mod observer;
pub mod parameter;
mod planes;
mod plugin;
mod runner;
mod set;
mod shot;
mod timing;
pub mod transparency;
mod typed;
pub mod user;
mod view;
mod work;

pub use alternatives::Alternative;
pub use cache::{ExecutableCache, ExecutableKey, is_memory};
pub use candidate::{Candidate, Choice, Region, Score, regions};
pub use crop::{
    AlphaFill, BUCKET_PX, Crop, CropPlan, Fill, Planned, fill_pixels_max, plan, plan_within,
};
pub use embeddings::{Embeddings, Maps};
pub use error::PluginError;
pub use gather::{Answer, CropRequest, Gather, GatherError, Seat};
pub use grid::{Grid, Pixel};
pub use observer::{NoObserver, Observer};
pub use plugin::PluginInfo;
pub use runner::{Outcome, Request, RunLimits, Runner, WHOLE_SHARE};
pub use set::{Pipeline, PipelineSet, Step};
pub use shot::{FieldKey, Frame, Shot};
pub use timing::StageTiming;
pub use transparency::Transparency;
pub use user::{PluginRef, Plugins};
pub use view::View;
pub use work::{ModelUse, Prompts, Sharing, Stage, Work};
