//! What is accepted, checked against headers before any pixel is decoded.

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
    /// Most bytes of EXIF, XMP and text together, after inflating them. What exceeds it is an error for EXIF and XMP in
    /// their own segments; surplus text chunks are dropped.
    pub metadata_bytes_max: usize,
    /// Most scans of a JPEG: each scan may touch every pixel again.
    pub jpeg_scans_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            pixels_max: 50_000_000,
            side_max: 16_384,
            profile_bytes_max: 1 << 20,
            metadata_bytes_max: 4 << 20,
            jpeg_scans_max: 100,
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
