//! Pictures in and out: types by content, limits before decoding, full depth, metadata and coding kept.
//!
//! What each format keeps:
//! - **JPEG** (8-bit gray, YCbCr and RGB, baseline and progressive): every coefficient of the blocks that no changed pixel
//!   touches, and with them tables, subsampling, scans, restart markers and the stored orientation; a quality that is asked
//!   for means a new encoding, upright. CMYK, 12-bit, lossless and arithmetic-coded files are refused.
//! - **PNG** (1 to 16 bits, gray, RGB, palette, alpha, interlaced): bit depth, channels, palette order and indices outside
//!   the mask. New colours take the palette's free places, then the nearest colours; a fill that is too far from all of them
//!   promotes the file to 8-bit RGB or RGBA. Grays of 1, 2 or 4 bits and palettes of 1 bit stay as they are; a transparent colour key becomes an alpha channel. Interlaced files are written without interlacing.
//! - **WebP** (lossy, lossless, alpha): lossless stays lossless; lossy is coded again at about its own quality.
//! - Animated PNG and WebP are refused: silently keeping one frame would lose data. Those of one frame are still pictures.
//!
//! Metadata is kept but for pictures of the original, and what refers to parts of the file that are left out; what was left
//! out is told in [`Metadata::warnings`].
//!
//! EXIF orientation is applied to the pixels once; the carried EXIF and XMP then say "upright". A JPEG that is written into its
//! own file keeps its pixels as they are stored, and its EXIF and XMP say what they said: turning them would move every pixel.

mod deadline;
pub mod distance;
mod embedded;
mod error;
mod exif;
mod io;
mod jpeg;
mod limits;
mod mask;
mod memory;
mod metadata;
mod need;
mod notes;
mod orientation;
mod photo;
mod photoshop;
mod png;
pub mod resample;
mod webp;
mod xmp;

pub use error::ImageError;
pub use io::{EncodeOptions, Header, decode, decode_mask, probe};
pub use limits::Limits;
pub use mask::{Mask, Rect};
pub use metadata::{JpegOriginal, JpegSource, Metadata, Palette, PngSource, Source, WebPSource};
pub use need::Need;
pub use orientation::Orientation;
pub use photo::{Channels, Photo, Samples};

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
}

impl Format {
    /// The usual file name extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            Format::Png => "png",
            Format::WebP => "webp",
        }
    }
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
            Format::WebP => "image/webp",
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
        })
    }
}

impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s.to_ascii_lowercase().as_str() {
            "jpeg" | "jpg" => Ok(Format::Jpeg),
            "png" => Ok(Format::Png),
            "webp" => Ok(Format::WebP),
            other => Err(format!(
                "unknown image format {other:?}; one of jpeg, png, webp"
            )),
        }
    }
}
