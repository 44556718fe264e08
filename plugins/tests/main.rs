//! The pipeline with the plugins of the program: one feature a module.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod curate;
mod micro_batch;
mod networks;
mod patchmatch;
mod pipeline;
mod refine;
mod sam;
mod transparency;
mod user_plugins;

/// The plugins of the program.
fn builtin() -> cleanplate_pipeline::Plugins {
    cleanplate_plugins::plugins::<&str>(&[]).unwrap()
}
