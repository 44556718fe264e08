//! The data folder: layout, secrets, signed addresses, results.

mod dirs;
mod inputs;
mod publish;
mod range;
mod secrets;
mod signed;
mod sweep;

pub use dirs::{Dirs, FilesError};
pub use inputs::{Inputs, remove as remove_inputs, remove_ended as remove_ended_inputs};
pub use publish::publish;
pub use range::{ByteRange, parse_range};
pub use secrets::UrlKeys;
pub use signed::{Refused, Signed, sign, verify};
pub use sweep::{remove_orphans, sweep_expired};
