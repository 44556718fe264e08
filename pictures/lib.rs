//! Pictures in and out: types by content, limits before decoding, full depth, metadata and coding kept.
//!
//! What each format keeps:
//! - **JPEG** (8-bit gray, YCbCr and RGB, baseline and progressive): every coefficient of the blocks that no changed pixel
//!   touches, and with them tables, subsampling, scans, restart markers and the stored orientation; a quality that is asked
//!   for means a new encoding, upright. CMYK is seen as sRGB through the file's profile and written back as inks in the hole. 12-bit,
//!   lossless and arithmetic-coded files are refused.
//! - **PNG** (1 to 16 bits, gray, RGB, palette, alpha, interlaced): bit depth, channels, palette order and indices outside
//!   the mask. New colours take the palette's free places, then the nearest colours; a fill that is too far from all of them
//!   promotes the file to 8-bit RGB or RGBA. Grays of 1, 2 or 4 bits and palettes of 1 bit stay as they are; a transparent colour key becomes an alpha channel. Interlaced files are written without interlacing.
//! - **TIFF** (8 and 16 bits, gray, RGB, CMYK, alpha, palettes of 8 bits, strips or tiles, one page; plain, LZW, deflate, PackBits): everything about
//!   how its samples lie, and every strip or tile without a changed pixel.
//! - **BMP** is read only: its result is a PNG.
//! - **WebP** (lossy, lossless, alpha): lossless stays lossless; lossy is coded again at about its own quality.
//! - Animated PNG and WebP are refused: silently keeping one frame would lose data. Those of one frame are still pictures.
//!
//! Metadata is kept but for pictures of the original, and what refers to parts of the file that are left out; what was left
//! out is told in [`Metadata::warnings`].
//!
//! EXIF orientation is applied to the pixels once; the carried EXIF and XMP then say "upright". A JPEG that is written into its
//! own file keeps its pixels as they are stored, and its EXIF and XMP say what they said: turning them would move every pixel.

mod bmp;
mod colour;
pub mod components;
mod deadline;
pub mod distance;
mod embedded;
mod error;
mod exif;
mod file;
mod io;
mod jpeg;
mod limits;
mod mask;
mod mask_file;
mod memory;
mod metadata;
mod need;
mod notes;
mod orientation;
mod photo;
mod photoshop;
mod png;
pub mod resample;
mod structure;
mod tiff;
mod transparency;
mod webp;
mod xmp;

pub use colour::Colours;
pub use error::ImageError;
pub use io::{EncodeOptions, Header, decode, decode_mask, probe};
pub use limits::Limits;
pub use mask::{Mask, Rect};
pub use mask_file::{MaskChannel, MaskFile};
pub use memory::ask;
pub use metadata::{
    JpegOriginal, JpegSource, Metadata, Palette, PngSource, Source, TiffSource, WebPSource,
};
pub use need::Need;
pub use orientation::Orientation;
pub use photo::{Channels, Photo, Samples};

/// Largest mean distance, per sample on the 8-bit scale, of changed pixels from the colours of a file's palette; above, the picture
/// is no palette picture any more.
const PALETTE_DISTANCE_MAX: f64 = 8.0;

/// The accepted file types, for messages.
pub const ACCEPTED: &str = "JPEG, PNG, WebP, TIFF or BMP";

/// The accepted file types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// TIFF.
    Tiff,
    /// Windows bitmap; never written.
    Bmp,
}

impl Format {
    /// Types that are written.
    pub const WRITTEN: [Format; 4] = [Format::Jpeg, Format::Png, Format::WebP, Format::Tiff];

    /// The type of a result of which nothing else was said: the photo's own, PNG for one that is not written.
    pub fn written(self) -> Format {
        match self {
            Format::Bmp => Format::Png,
            own => own,
        }
    }

    /// The usual file name extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            Format::Png => "png",
            Format::WebP => "webp",
            Format::Tiff => "tif",
            Format::Bmp => "bmp",
        }
    }
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
            Format::WebP => "image/webp",
            Format::Tiff => "image/tiff",
            Format::Bmp => "image/bmp",
        }
    }
    /// Recognises a type by its first bytes (12 are enough).
    pub fn of(bytes: &[u8]) -> Option<Format> {
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Format::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Format::Png)
        } else if bytes.len() >= 12 && bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP" {
            Some(Format::WebP)
        } else if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") {
            Some(Format::Tiff)
        } else if bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]) {
            Some(Format::Bmp)
        } else {
            None
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WebP",
            Format::Tiff => "TIFF",
            Format::Bmp => "BMP",
        })
    }
}

/// Types that are written, by name.
impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s.to_ascii_lowercase().as_str() {
            "jpeg" | "jpg" => Ok(Format::Jpeg),
            "png" => Ok(Format::Png),
            "webp" => Ok(Format::WebP),
            "tiff" | "tif" => Ok(Format::Tiff),
            other => Err(format!(
                "unknown image format {other:?}; one of jpeg, png, webp, tiff"
            )),
        }
    }
}
