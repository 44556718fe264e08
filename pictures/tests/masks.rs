//! Masks as people have them: what is read from each, and what is said of those that were meant otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cleanplate_pictures::{ImageError, Limits, MaskChannel, MaskFile, decode_mask};
use png::{BitDepth, ColorType};

const SIDE: usize = 40;

/// A PNG of `SIDE` x `SIDE` pixels with the bytes that `pixel` gives for each.
fn file(
    color: ColorType,
    depth: BitDepth,
    table: Option<(&[u8], &[u8])>,
    pixel: impl Fn(usize, usize) -> Vec<u8>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, SIDE as u32, SIDE as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if let Some((colours, alpha)) = table {
        encoder.set_palette(colours.to_vec());
        encoder.set_trns(alpha.to_vec());
    }
    let data: Vec<u8> = (0..SIDE * SIDE)
        .flat_map(|at| pixel(at % SIDE, at / SIDE))
        .collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    drop(writer);
    out
}

/// Whether a pixel is in the middle square.
fn middle(x: usize, y: usize) -> bool {
    (12..28).contains(&x) && (12..28).contains(&y)
}

fn read(bytes: &[u8], channel: MaskChannel) -> Result<MaskFile, ImageError> {
    decode_mask(bytes, &Limits::default(), channel)
}

/// Kind and text of the refusal.
fn refused(bytes: &[u8], channel: MaskChannel) -> (&'static str, String) {
    match read(bytes, channel).unwrap_err() {
        ImageError::Mask { kind, detail } => (kind, detail),
        other => panic!("{other}"),
    }
}

/// Whether the middle square is what removes, without a remark.
fn assert_middle(bytes: &[u8], channel: MaskChannel) {
    let read = read(bytes, channel).unwrap();
    assert_eq!(read.warnings, Vec::<String>::new());
    for (at, v) in read.mask.data.iter().enumerate() {
        assert_eq!(*v == 255, middle(at % SIDE, at / SIDE), "pixel {at}");
    }
}

fn rgba(inside: [u8; 4], outside: [u8; 4]) -> Vec<u8> {
    file(ColorType::Rgba, BitDepth::Eight, None, |x, y| {
        if middle(x, y) { inside } else { outside }.to_vec()
    })
}

#[test]
fn strokes_of_any_colour_are_taken_from_alpha_when_asked_for() {
    for stroke in [
        [189, 255, 1, 115],
        [0, 0, 0, 255],
        [255, 0, 0, 40],
        [9, 9, 9, 128],
    ] {
        assert_middle(&rgba(stroke, [0, 0, 0, 0]), MaskChannel::Alpha);
    }
    let deep = file(
        ColorType::GrayscaleAlpha,
        BitDepth::Sixteen,
        None,
        |x, y| {
            if middle(x, y) {
                vec![0, 0, 0xff, 0xff]
            } else {
                vec![0xff, 0xff, 0, 0]
            }
        },
    );
    assert_middle(&deep, MaskChannel::Alpha);
    let palette = file(
        ColorType::Indexed,
        BitDepth::Eight,
        Some((&[0, 0, 0, 200, 0, 0], &[0, 255])),
        |x, y| vec![u8::from(middle(x, y))],
    );
    assert_middle(&palette, MaskChannel::Alpha);
    // The soft edge of a half opaque stroke ends where the stroke is half of itself.
    let soft = file(ColorType::Rgba, BitDepth::Eight, None, |x, y| {
        let edge = x == 11 || x == 28;
        let alpha = if middle(x, y) {
            120
        } else if edge {
            50
        } else {
            0
        };
        vec![255, 0, 0, alpha]
    });
    assert_middle(&soft, MaskChannel::Alpha);
    let (kind, text) = refused(&rgba([255; 4], [0, 0, 0, 255]), MaskChannel::Alpha);
    assert_eq!(kind, "value_error.mask.no_alpha");
    assert!(text.contains("opaque everywhere"), "{text}");
}

#[test]
fn strokes_that_remove_nothing_are_told_apart() {
    let empty = "value_error.mask.empty";
    for channel in [MaskChannel::Auto, MaskChannel::Luma] {
        let said = |bytes: &[u8], words: &[&str]| {
            let (kind, text) = refused(bytes, channel);
            assert_eq!(kind, empty);
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        said(
            &rgba([0, 0, 0, 255], [0, 0, 0, 0]),
            &["alpha channel", "mask_channel=alpha"],
        );
        said(
            &rgba([255, 255, 255, 90], [0, 0, 0, 0]),
            &["alpha channel", "mask_channel=alpha"],
        );
        said(
            &rgba([189, 255, 1, 115], [0, 0, 0, 0]),
            &["#bdff01", "mask_channel=alpha"],
        );
        said(
            &rgba([255, 0, 0, 255], [0, 0, 0, 255]),
            &["#ff0000", "paint in white"],
        );
        let gray = |inside: u8| {
            file(ColorType::Grayscale, BitDepth::Eight, None, move |x, y| {
                vec![if middle(x, y) { inside } else { 0 }]
            })
        };
        said(&gray(1), &["1 of 255", "0 and 1"]);
        said(&gray(100), &["100 of 255", "128"]);
        let deep = |inside: [u8; 2]| {
            file(
                ColorType::Grayscale,
                BitDepth::Sixteen,
                None,
                move |x, y| {
                    if middle(x, y) {
                        inside.to_vec()
                    } else {
                        vec![0, 0]
                    }
                },
            )
        };
        said(&deep([0, 1]), &["1 of 65535", "0 and 1"]);
        said(&deep([0, 255]), &["255 of 65535", "257"]);
        let palette = file(
            ColorType::Indexed,
            BitDepth::Eight,
            Some((&[0, 0, 0, 1, 1, 1], &[])),
            |x, y| vec![u8::from(middle(x, y))],
        );
        said(&palette, &["1 of 255"]);
        // All black says nothing of what was meant.
        assert_eq!(read(&gray(0), channel).unwrap().mask.count(), 0);
    }
}

#[test]
fn the_kinds_of_files_that_are_meant_as_they_are_read() {
    assert_middle(&rgba([255; 4], [0, 0, 0, 255]), MaskChannel::Auto);
    assert_middle(&rgba([255; 4], [255, 255, 255, 0]), MaskChannel::Auto);
    assert_middle(&rgba([255, 255, 0, 255], [0, 0, 0, 255]), MaskChannel::Auto);
    let deep = file(ColorType::Grayscale, BitDepth::Sixteen, None, |x, y| {
        if middle(x, y) {
            vec![0x80, 0x80]
        } else {
            vec![0x7f, 0]
        }
    });
    assert_middle(&deep, MaskChannel::Auto);
    let one = {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, SIDE as u32, SIDE as u32);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(BitDepth::One);
        let row = |y: usize| -> Vec<u8> {
            (0..SIDE / 8)
                .map(|byte| (0..8).fold(0, |b, i| b << 1 | u8::from(middle(8 * byte + i, y))))
                .collect()
        };
        let data: Vec<u8> = (0..SIDE).flat_map(row).collect();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&data).unwrap();
        drop(writer);
        out
    };
    assert_middle(&one, MaskChannel::Auto);
    let palette = file(
        ColorType::Indexed,
        BitDepth::Eight,
        Some((&[0, 0, 0, 255, 255, 255], &[])),
        |x, y| vec![u8::from(middle(x, y))],
    );
    assert_middle(&palette, MaskChannel::Auto);
    // Noise of a JPEG lies near black and white.
    let mut noisy = Vec::new();
    let pixels = image::GrayImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let noise = (x * 7 + y * 13) as u8 % 25;
        image::Luma([if middle(x as usize, y as usize) {
            255 - noise
        } else {
            noise
        }])
    });
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut noisy, 60)
        .encode_image(&pixels)
        .unwrap();
    let noisy = read(&noisy, MaskChannel::Auto).unwrap();
    let wrong =
        (0..SIDE * SIDE).filter(|at| (noisy.mask.data[*at] == 255) != middle(at % SIDE, at / SIDE));
    assert!(noisy.warnings.is_empty() && wrong.count() < 20);
}

#[test]
fn a_photo_and_an_inverted_mask_are_told_apart() {
    let scene = file(ColorType::Rgb, BitDepth::Eight, None, |x, y| {
        vec![
            (40 + x * 4) as u8,
            (60 + y * 3) as u8,
            (30 + (x * y) % 180) as u8,
        ]
    });
    let (kind, text) = refused(&scene, MaskChannel::Auto);
    assert_eq!(kind, "value_error.mask.photo");
    assert!(
        text.contains("looks like a photo") && text.contains("mask_channel=luma"),
        "{text}"
    );
    assert!(read(&scene, MaskChannel::Luma).unwrap().mask.count() > 0);
    // A blurred brush is no photo.
    let soft = file(ColorType::Grayscale, BitDepth::Eight, None, |x, y| {
        let far = ((x as f64 - 20.0).hypot(y as f64 - 20.0) - 8.0).max(0.0);
        vec![(255.0 * (1.0 - far / 8.0)).max(0.0) as u8]
    });
    assert!(read(&soft, MaskChannel::Auto).unwrap().warnings.is_empty());
    let inverted = rgba([0, 0, 0, 255], [255; 4]);
    let read_inverted = read(&inverted, MaskChannel::Auto).unwrap();
    assert!(
        read_inverted.warnings[0].contains("looks inverted"),
        "{:?}",
        read_inverted.warnings
    );
    assert_eq!(read_inverted.mask.count(), SIDE * SIDE - 256);
    // A large object at one side is not inverted.
    let half = file(ColorType::Grayscale, BitDepth::Eight, None, |x, _| {
        vec![if x < 26 { 255 } else { 0 }]
    });
    assert!(read(&half, MaskChannel::Auto).unwrap().warnings.is_empty());
}

#[test]
fn names_of_channels_are_read() {
    assert_eq!("alpha".parse(), Ok(MaskChannel::Alpha));
    assert!(
        "red"
            .parse::<MaskChannel>()
            .unwrap_err()
            .contains("auto, luma, alpha")
    );
}
