//! Networks of Cleanplate: weight files in every form people have them, and graphs built from them.
//!
//! [`import`] reads weight files into [`Weights`], one folder per family ([`registry::ARCHS`]) builds engine graphs from them,
//! [`weights`] lists the models known by name, [`store`] keeps them on disk (find, import, verify, pull), [`golden`] compares a
//! backend with stored answers of the reference implementations. Nothing here knows jobs or HTTP clients.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod arch;
pub mod bench;
pub mod error;
pub mod golden;
pub mod import;
pub mod lama;
pub mod manifest;
pub mod migan;
pub mod registry;
pub mod sam;
mod source;
pub mod store;
pub mod weights;

pub use arch::{Network, Role};
pub use error::{ImportError, ModelError};
pub use import::{Limits, Weights};
pub use store::{ModelInfo, ModelStore};
pub use weights::MODELS;
