//! The site word: what a pixel is to the fill.
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 | [`KNOWN`]: a pixel of the photo that may be read |
//! | 1 | [`HOLE`]: to be filled |
//! | 2 | [`TARGET`]: its patch touches the hole, so it gets a source |
//! | 3 | [`SOURCE`]: its patch may be copied |
//! | 8..16 | sum of the tap weights of its patch, see [`weight`] |
//! | 16..32 | distance to the nearest pixel outside the hole, in 1/16 pixel |
//!
//! A pixel that is neither known nor hole is void: never read, never written (another hole, transparent).

/// A pixel of the photo that may be read.
pub const KNOWN: u32 = 1;
/// To be filled.
pub const HOLE: u32 = 2;
/// Its patch touches the hole.
pub const TARGET: u32 = 4;
/// Its patch lies fully on known pixels and may be copied.
pub const SOURCE: u32 = 8;
/// Steps of [`distance`] per pixel.
pub const DISTANCE_STEPS: u32 = 16;

/// Packs a site.
pub fn pack(flags: u32, weight: u32, distance: u32) -> u32 {
    flags | weight.min(255) << 8 | distance.min(0xffff) << 16
}
/// Sum of the tap weights of the pixel's patch: a distance divided by it is a mean square.
pub fn weight(site: u32) -> u32 {
    site >> 8 & 0xff
}
/// Distance to the nearest pixel outside the hole, in 1/16 pixel.
pub fn distance(site: u32) -> u32 {
    site >> 16
}
/// Factor of a tap's difference: `known` on known pixels, 1 in the hole, 0 on void ones. Its square is the tap's weight.
#[inline(always)]
pub(crate) fn tap(site: u32, known: i16) -> i16 {
    if site & KNOWN != 0 {
        known
    } else {
        i16::from(site & HOLE != 0)
    }
}
