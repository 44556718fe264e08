//! PNG: the chunk walk, decoding at full depth, encoding in the input's kind.

mod decode;
mod encode;
mod palette;
mod parse;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use parse::{PngFile, parse};
