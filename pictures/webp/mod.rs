//! WebP: the container walk, decoding (lossy and lossless), encoding.

mod carried;
mod decode;
mod encode;
mod parse;
mod quality;

pub(super) use carried::{metadata, orientation};
pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use parse::{WebPFile, parse};
pub(super) use quality::quality;
