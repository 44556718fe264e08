//! PNG: the chunk walk, decoding at full depth, encoding in the input's kind.

mod carried;
mod decode;
mod encode;
mod palette;
mod parse;

pub(super) use carried::{metadata, orientation};
pub(super) use decode::{decode, decode_cut};
pub(super) use encode::encode;
pub(super) use parse::{PngFile, parse};
