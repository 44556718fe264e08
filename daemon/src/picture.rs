//! Pictures at the edge of the daemon: limits from the configuration, masks as files.

use cleanplate_plugins::image::{Channels, EncodeOptions, Format, ImageError, Limits, Mask, Metadata, Photo, PngSource, Samples, Source};

use crate::config;

/// Limits on pictures, as configured.
pub fn limits(config: &config::Limits) -> Limits {
    Limits { pixels_max: config.pixels_max, side_max: config.side_max, profile_bytes_max: config.profile_bytes_max, ..Limits::default() }
}

/// A mask as a gray PNG.
pub fn mask_png(mask: &Mask) -> Result<Vec<u8>, ImageError> {
    let photo = Photo {
        width: mask.width,
        height: mask.height,
        format: Format::Png,
        channels: Channels::Gray,
        samples: Samples::U8(mask.data.clone()),
        metadata: Metadata::default(),
        source: Source::Png(PngSource { bit_depth: 8, palette: None }),
    };
    photo.encode(&EncodeOptions { format: Some(Format::Png), quality: None })
}
