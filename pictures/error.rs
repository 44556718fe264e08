//! Errors of reading and writing images.

use super::{ACCEPTED, Format};

/// Why a picture was refused. The variants are what callers tell apart: type, size, damage, missing feature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The first bytes are none of the accepted types.
    #[error("{}", unsupported_type(*.found))]
    UnsupportedType {
        /// What it is instead, when that can be told.
        found: Option<&'static str>,
    },
    /// The header announces more pixels than allowed; nothing was decoded.
    #[error("image has {width}x{height} = {pixels} pixels, at most {pixels_max} are accepted")]
    TooManyPixels {
        /// Width in the header.
        width: u64,
        /// Height in the header.
        height: u64,
        /// Their product.
        pixels: u64,
        /// The limit.
        pixels_max: u64,
    },
    /// One side is longer than allowed; nothing was decoded.
    #[error("image is {width}x{height}, each side may have at most {side_max} pixels")]
    SideTooLong {
        /// Width in the header.
        width: u64,
        /// Height in the header.
        height: u64,
        /// The limit.
        side_max: u32,
    },
    /// The file breaks its own format, ends early, or its decoder failed.
    #[error("{format} image cannot be decoded: {detail}")]
    Corrupt {
        /// The type its first bytes announce.
        format: Format,
        /// What was wrong.
        detail: String,
    },
    /// A valid file that uses something this program does not read.
    #[error("{format} image uses {feature}, which is not supported; {remedy}")]
    Unsupported {
        /// The type.
        format: Format,
        /// The feature.
        feature: String,
        /// What the user can do.
        remedy: &'static str,
    },
    /// Another limit on the file's structure was passed (scans, profile size, metadata size).
    #[error("{format} image has {got} {what}, at most {max} are accepted")]
    Limit {
        /// The type.
        format: Format,
        /// What is limited, with its unit.
        what: &'static str,
        /// Found, or the bound at which counting stopped.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// There is no memory for it.
    #[error("no memory for {bytes} bytes of this image; try again later or send a smaller one")]
    OutOfMemory {
        /// What was asked for.
        bytes: u64,
    },
    /// Decoding took longer than allowed.
    #[error("{format} image took longer than {} s to decode; save it without progressive or interlaced coding", max.as_secs_f32())]
    TooSlow {
        /// The type.
        format: Format,
        /// The limit.
        max: std::time::Duration,
    },
    /// A mask that cannot have been meant as it would be read.
    #[error("{detail}")]
    Mask {
        /// Kind of the fault, as clients tell them apart.
        kind: &'static str,
        /// What was seen, and what to send.
        detail: String,
    },
    /// The result cannot be written in the wanted format.
    #[error("cannot write {format}: {detail}")]
    Encode {
        /// The wanted type.
        format: Format,
        /// Why.
        detail: String,
    },
}

fn unsupported_type(found: Option<&str>) -> String {
    match found {
        Some(found) => format!("{found} is not read; send {ACCEPTED}"),
        None => format!("not a {ACCEPTED} image (judged by its content, not its name)"),
    }
}

impl ImageError {
    /// What is said of bytes that are none of the accepted types; names the type when it is known.
    pub fn unknown(bytes: &[u8]) -> Self {
        ImageError::UnsupportedType {
            found: crate::embedded::foreign(bytes),
        }
    }
    pub(crate) fn corrupt(format: Format, detail: impl std::fmt::Display) -> Self {
        ImageError::Corrupt {
            format,
            detail: detail.to_string(),
        }
    }
    pub(crate) fn encode(format: Format, detail: impl std::fmt::Display) -> Self {
        ImageError::Encode {
            format,
            detail: detail.to_string(),
        }
    }
}
