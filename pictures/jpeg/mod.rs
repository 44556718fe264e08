//! JPEG: the header walk, decoding, and encoding into the input's own file or with its tables.

mod carried;
mod coefficients;
mod decode;
mod encode;
mod inks;
mod parse;
mod splice;
mod timed;

pub(crate) use carried::metadata;
pub(crate) use decode::{check_whole, pixels};
pub(crate) use encode::encode;
pub(crate) use parse::{JpegFile, parse};
