//! How the samples of a TIFF lie in it.

use std::ops::Range;

/// What the colour samples of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Photometric {
    /// One sample, 0 is white.
    WhiteIsZero,
    /// One sample, 0 is black.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// One sample, the place of a colour in a palette.
    Palette,
    /// Cyan, magenta, yellow, black; 0 is no ink.
    Cmyk,
}

impl Photometric {
    /// Samples in the file.
    pub fn count(self) -> usize {
        match self {
            Photometric::WhiteIsZero | Photometric::Gray | Photometric::Palette => 1,
            Photometric::Rgb => 3,
            Photometric::Cmyk => 4,
        }
    }
}

/// What the sample behind the colours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpha {
    /// Colours are multiplied by it.
    Associated,
    /// Colours are whole.
    Unassociated,
}

/// How strips and tiles are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Not at all.
    Plain,
    /// LZW.
    Lzw,
    /// zlib.
    Deflate,
    /// Run lengths of bytes.
    PackBits,
}

/// The picture of a directory, held against the file: every size is known to fit, every place lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Pixels, as stored.
    pub width: usize,
    /// Pixels, as stored.
    pub height: usize,
    /// 8 or 16.
    pub bits: u8,
    /// Samples of a pixel in the file: colours, alpha, then those of unknown meaning.
    pub samples: usize,
    pub photometric: Photometric,
    pub alpha: Option<Alpha>,
    /// The 256 colours of a palette; none without one.
    pub palette: Vec<[u8; 3]>,
    /// Each sample has strips or tiles of its own.
    pub planar: bool,
    pub tiled: bool,
    /// Width and height in pixels of a strip or tile.
    pub chunk: (usize, usize),
    pub coding: Coding,
    /// Samples are differences to those of the pixel to the left.
    pub predictor: bool,
    /// Where strips or tiles lie, plane by plane, each row by row.
    pub places: Vec<Range<usize>>,
}

impl Layout {
    /// Whether its colours are inks.
    pub fn is_cmyk(&self) -> bool {
        self.photometric == Photometric::Cmyk
    }

    /// Columns and rows of strips or tiles.
    pub fn grid(&self) -> (usize, usize) {
        (
            self.width.div_ceil(self.chunk.0),
            self.height.div_ceil(self.chunk.1),
        )
    }

    /// Strips or tiles of one plane.
    pub fn positions(&self) -> usize {
        let (across, down) = self.grid();
        across * down
    }

    /// Planes of strips or tiles.
    pub fn planes(&self) -> usize {
        if self.planar { self.samples } else { 1 }
    }

    /// Samples of a pixel in one strip or tile.
    pub fn chunk_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Bytes of a sample.
    pub fn sample_bytes(&self) -> usize {
        usize::from(self.bits) / 8
    }

    /// Rows that the strip or tile at a position holds: tiles are whole, the last strip ends with the picture.
    pub fn rows(&self, position: usize) -> usize {
        let top = position / self.grid().0 * self.chunk.1;
        match self.tiled {
            true => self.chunk.1,
            false => self.chunk.1.min(self.height - top),
        }
    }

    /// Where the part of a strip or tile that shows begins, and its width and height.
    pub fn shown(&self, position: usize) -> ((usize, usize), (usize, usize)) {
        let across = self.grid().0;
        let (x, y) = (
            position % across * self.chunk.0,
            position / across * self.chunk.1,
        );
        let size = (
            self.chunk.0.min(self.width - x),
            self.chunk.1.min(self.height - y),
        );
        ((x, y), size)
    }

    /// Bytes of the largest strip or tile, all planes together, unpacked.
    pub fn chunk_bytes(&self) -> u64 {
        let pixels = self.chunk.0 as u64 * self.chunk.1 as u64;
        pixels * self.samples as u64 * self.sample_bytes() as u64
    }
}
