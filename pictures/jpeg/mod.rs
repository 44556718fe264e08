//! JPEG: the header walk, decoding, and encoding with the input's own tables.

mod decode;
mod encode;
mod parse;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use parse::{JpegFile, parse};
