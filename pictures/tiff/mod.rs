//! TIFF: the walk over its directory, decoding at full depth, and writing back into the file's own strips or tiles.
//!
//! Byte order, strips or tiles, planes, coding and predictor stay as they are. A strip or tile whose pixels did not change is
//! copied as it lies in the file; in a changed one only the changed pixels are new before it is coded again. Directories are
//! written anew, so nothing of the old file travels on that no entry stands for.

mod carried;
mod coding;
mod decode;
mod encode;
mod layout;
mod nearest;
mod parse;
mod raw;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use carried::{metadata, orientation};
pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use layout::Layout;
pub(super) use parse::{TiffFile, parse};

/// Numbers of the tags that this program reads or writes.
mod tag {
    pub const SUBFILE: u16 = 254;
    pub const OLD_SUBFILE: u16 = 255;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const SUB_IFDS: u16 = 330;
    pub const INK_SET: u16 = 332;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const XMP: u16 = 700;
    pub const IPTC: u16 = 33_723;
    pub const PHOTOSHOP: u16 = 34_377;
    pub const EXIF_IFD: u16 = 34_665;
    pub const ICC: u16 = 34_675;
    pub const GPS_IFD: u16 = 34_853;
    pub const LAYERS: u16 = 37_724;
    pub const INTEROPERABILITY_IFD: u16 = 40_965;
    pub const DNG_VERSION: u16 = 50_706;
}
