//! Pipelines: which plugins run, in which order, on what shared state.
//!
//! Order of a run: segment (prompts to mask), mask (grow, fill, feather), inpaint (a fill per crop), refine and finish
//! (better fills), then the fills are blended into the photo. Pixels whose alpha is 0 are never written.

mod cache;
mod composite;
mod crop;
mod gather;
mod grid;
mod observer;
mod runner;
mod set;
mod work;

pub(crate) use cache::is_memory;
pub use cache::{ExecutableCache, ExecutableKey};
pub use crop::{Crop, CropPlan, Fill, Planned, plan};
pub use gather::{Answer, Ask, Gather, Refusal, Seat};
pub use grid::Grid;
pub use observer::{NoObserver, Observer};
pub use runner::{Outcome, Request, RunLimits, Runner, StageTiming};
pub use set::{Pipeline, PipelineSet, Step};
pub use work::{ModelUse, Prompts, Sharing, Stage, Work};
