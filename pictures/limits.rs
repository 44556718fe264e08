//! What is accepted, checked against headers before any pixel is decoded.

use std::time::Duration;

use super::{Format, ImageError};

/// Bounds on one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (width times height).
    pub pixels_max: u64,
    /// Longest side in pixels.
    pub side_max: u32,
    /// Most bytes of an ICC profile, after inflating it.
    pub profile_bytes_max: usize,
    /// Most bytes of EXIF, XMP, text and everything else besides profile and pixels. Texts that inflate past it are left out.
    pub metadata_bytes_max: usize,
    /// Most scans of a JPEG: each scan may touch every pixel again.
    pub jpeg_scans_max: usize,
    /// Most segments of a JPEG or chunks of a PNG or WebP, image data included.
    pub pieces_max: usize,
    /// Longest time that decoding one picture may take; the readers look at it.
    pub decode_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            pixels_max: 50_000_000,
            side_max: 16_384,
            profile_bytes_max: 1 << 20,
            metadata_bytes_max: 12 << 20,
            jpeg_scans_max: 100,
            pieces_max: 65_536,
            decode_max: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// Refuses sizes over the limits and empty pictures.
    pub(crate) fn check_size(
        &self,
        format: Format,
        width: u64,
        height: u64,
    ) -> Result<(), ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::corrupt(
                format,
                format!("its size is {width}x{height}"),
            ));
        }
        let pixels = width.saturating_mul(height);
        if pixels > self.pixels_max {
            return Err(ImageError::TooManyPixels {
                width,
                height,
                pixels,
                pixels_max: self.pixels_max,
            });
        }
        if width.max(height) > u64::from(self.side_max) {
            return Err(ImageError::SideTooLong {
                width,
                height,
                side_max: self.side_max,
            });
        }
        Ok(())
    }
}

/// Counts what a walker meets, so that no number and no size of small parts adds up to much.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    format: Format,
    limits: &'a Limits,
    pieces: usize,
    metadata_bytes: usize,
    profile_bytes: usize,
}

impl<'a> Tally<'a> {
    pub fn new(format: Format, limits: &'a Limits) -> Self {
        Tally {
            format,
            limits,
            pieces: 0,
            metadata_bytes: 0,
            profile_bytes: 0,
        }
    }

    /// One more segment or chunk.
    pub fn piece(&mut self, what: &'static str) -> Result<(), ImageError> {
        self.pieces += 1;
        self.within(self.pieces, self.limits.pieces_max, what)
    }

    /// More bytes beside profile and pixels.
    pub fn metadata(&mut self, bytes: usize) -> Result<(), ImageError> {
        self.metadata_bytes += bytes;
        let max = self.limits.metadata_bytes_max;
        self.within(self.metadata_bytes, max, "bytes of metadata")
    }

    /// More bytes of the colour profile.
    pub fn profile(&mut self, bytes: usize) -> Result<(), ImageError> {
        self.profile_bytes += bytes;
        let max = self.limits.profile_bytes_max;
        self.within(self.profile_bytes, max, "bytes of ICC profile")
    }

    /// An error when `got` is more than `max`.
    pub fn within(&self, got: usize, max: usize, what: &'static str) -> Result<(), ImageError> {
        if got <= max {
            return Ok(());
        }
        Err(ImageError::Limit {
            format: self.format,
            what,
            got: got as u64,
            max: max as u64,
        })
    }
}
