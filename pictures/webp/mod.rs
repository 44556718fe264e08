//! WebP: the container walk, decoding (lossy and lossless), encoding.

mod carried;
mod decode;
mod encode;
mod parse;

pub(super) use carried::{metadata, orientation};
pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use parse::{WebPFile, parse};
