//! The quantised coefficients of a JPEG: read from a file, written back with the file's own scans.
//!
//! What is written decodes to what was read, coefficient by coefficient: frame, sampling, scan script and restart intervals
//! stay, and so do the Huffman tables wherever they have a code for everything that must be said. Baseline, extended and
//! progressive Huffman coding with 8 bits are read; anything out of the ordinary is an [`Obstacle`], never a guess.
//!
//! Memory: two bytes a sample of the padded planes, computed and held against the file's length before it is taken. Time:
//! every bit of every coefficient is read at most once, because scans that send one twice are refused.

mod bits;
mod codes;
mod dct;
mod frame;
mod optimal;
mod read;
mod scan_read;
mod scan_write;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

pub use dct::Dct;
pub use frame::{Block, Frame, Plane};
pub use read::read;

use codes::Codes;
use frame::Scan;

/// Why coefficients cannot be carried over, as the end of a sentence about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Obstacle(pub &'static str);

/// Reading was given up.
pub const SLOW: Obstacle = Obstacle("reading its coefficients takes too long");

/// Huffman tables by class (0 = DC, 1 = AC) and number.
type Tables = [[Option<Arc<Codes>>; 4]; 2];

/// A file as coefficients.
#[derive(Debug, Clone)]
pub struct Coded {
    /// Size, components, blocks.
    pub frame: Frame,
    /// Quantisation table of each component, zigzag order.
    pub steps: Vec<[u16; 64]>,
    /// Blocks of each component, row by row with the padding to whole MCUs.
    pub blocks: Vec<Vec<Block>>,
    scans: Vec<Scan>,
    /// Whether the components are red, green and blue.
    pub rgb: bool,
    /// The Adobe segment, which names the colour transform.
    adobe: Option<Vec<u8>>,
}

/// Natural (row by row) position of each zigzag position.
pub const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
