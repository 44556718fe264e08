//! Networks of Cleanplate: weight files in every form people have them, and graphs built from them.
//!
//! [`import`] reads weight files into [`Weights`], one folder per network builds engine graphs from
//! them, [`store`] keeps them on disk (find, import, verify, pull), [`golden`] compares a backend with
//! stored answers of the reference implementation. Nothing here knows jobs or HTTP clients.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod error;
pub mod golden;
pub mod import;
pub mod lama;
pub mod manifest;
pub mod sam;
mod source;
pub mod store;

pub use error::{ImportError, ModelError};
pub use import::{Limits, Weights};
pub use manifest::{Arch, MODELS};
pub use store::{ModelInfo, ModelStore};
