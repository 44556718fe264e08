//! Pictures at the edge of the daemon: limits from the configuration, masks as files.

use cleanplate_pictures::resample::shrink_seen;
use cleanplate_pictures::{
    Channels, EncodeOptions, Format, ImageError, Limits, Mask, Metadata, Photo, PngSource, Rect,
    Samples, Source,
};

use crate::config;

/// Limits on pictures, as configured.
pub fn limits(config: &config::Limits) -> Limits {
    Limits {
        pixels_max: config.pixels_max,
        side_max: config.side_max,
        profile_bytes_max: config.profile_bytes_max,
        ..Limits::default()
    }
}

/// What is behind a photo where it is transparent: a light and a dark picture both stand out from it.
const GROUND: [f32; 3] = [0.5; 3];

/// A photo brought down to a longer side of at most `side_px_max`, sRGB of 8 bits, without metadata; what is transparent becomes
/// gray. A smaller photo keeps its size.
pub fn reduced(photo: &Photo, side_px_max: usize) -> Photo {
    let side = photo.width.max(photo.height).max(1);
    let scaled = |length: usize| {
        if side > side_px_max {
            (length * side_px_max).div_ceil(side).max(1)
        } else {
            length
        }
    };
    let (width, height) = (scaled(photo.width), scaled(photo.height));
    let rect = Rect {
        x0: 0,
        y0: 0,
        x1: photo.width,
        y1: photo.height,
    };
    let mut rgb = shrink_seen(photo, rect, (width, height), GROUND);
    if let Ok(Some(colours)) = photo.colours() {
        // One that cannot be converted is shown as it is: it is a small picture to recognise the photo by.
        let _ = colours.to_srgb(&mut rgb);
    }
    let samples = rgb
        .iter()
        .map(|value| (value * 255.0).round().clamp(0.0, 255.0) as u8)
        .collect();
    of_rgb8((width, height), samples)
}

/// A photo of 8-bit samples, `[height, width, 3]`.
pub fn of_rgb8((width, height): (usize, usize), samples: Vec<u8>) -> Photo {
    Photo {
        width,
        height,
        format: Format::Png,
        channels: Channels::Rgb,
        samples: Samples::U8(samples),
        metadata: Metadata::default(),
        source: Source::Png(PngSource {
            bit_depth: 8,
            palette: None,
        }),
    }
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
        source: Source::Png(PngSource {
            bit_depth: 8,
            palette: None,
        }),
    };
    photo.encode(&EncodeOptions {
        format: Some(Format::Png),
        quality: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduced_photos_keep_their_shape_and_colours() {
        let samples = (0..400 * 100)
            .flat_map(|i| [if i % 400 < 200 { 250 } else { 10 }, 90, 30, 255])
            .collect();
        let metadata = Metadata::default();
        let source = Source::Png(PngSource {
            bit_depth: 8,
            palette: None,
        });
        let (width, height, format, channels) = (400, 100, Format::Png, Channels::Rgba);
        let photo = Photo {
            width,
            height,
            format,
            channels,
            samples: Samples::U8(samples),
            metadata,
            source,
        };
        let small = reduced(&photo, 40);
        assert_eq!(
            (small.width, small.height, small.channels),
            (40, 10, Channels::Rgb)
        );
        let Samples::U8(pixels) = &small.samples else {
            panic!("8 bits")
        };
        assert_eq!(
            (&pixels[..3], &pixels[39 * 3..40 * 3]),
            (&[250, 90, 30][..], &[10, 90, 30][..])
        );
        assert_eq!(
            (reduced(&photo, 4_000).width, reduced(&photo, 1).height),
            (400, 1)
        );
    }

    #[test]
    fn reduced_photos_show_nothing_that_is_transparent() {
        let samples = (0..64 * 64).flat_map(|i| match i % 64 {
            ..32 => [255, 0, 255, 0],
            _ => [20, 200, 40, 255],
        });
        let photo = Photo {
            width: 64,
            height: 64,
            format: Format::Png,
            channels: Channels::Rgba,
            samples: Samples::U8(samples.collect()),
            metadata: Metadata::default(),
            source: Source::Png(PngSource {
                bit_depth: 8,
                palette: None,
            }),
        };
        for side in [64, 15, 1] {
            let Samples::U8(pixels) = reduced(&photo, side).samples else {
                panic!("8 bits")
            };
            let pink = |p: &[u8]| p[0] > 140 && p[2] > 140;
            assert!(!pixels.chunks_exact(3).any(pink), "{side}: {pixels:?}");
            assert_eq!(pixels.len(), side * side * 3);
        }
    }
}
