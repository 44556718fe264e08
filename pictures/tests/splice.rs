//! JPEG into its own file: outside of the blocks that changed pixels reach, nothing moves by a single level.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cleanplate_pictures::{
    Channels, EncodeOptions, Format, Header, Limits, Photo, Rect, Samples, Source, decode, probe,
};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

fn photo(bytes: &[u8]) -> Photo {
    decode(bytes, &Limits::default()).unwrap()
}

fn samples(photo: &Photo) -> &[u8] {
    let Samples::U8(samples) = &photo.samples else {
        panic!("8 bits")
    };
    samples
}

/// Fills a rectangle with stripes of other colours.
fn paint(photo: &mut Photo, rect: Rect) {
    let (width, n) = (photo.width, photo.channels.count());
    let Samples::U8(samples) = &mut photo.samples else {
        panic!("8 bits")
    };
    for (x, y) in (rect.y0..rect.y1).flat_map(|y| (rect.x0..rect.x1).map(move |x| (x, y))) {
        for c in 0..n {
            let at = (y * width + x) * n + c;
            samples[at] = samples[at].wrapping_add(70 + 20 * c as u8 + (x as u8 / 8) * 5);
        }
    }
}

/// Where the pixel displayed at `(x, y)` is stored, and the stored size, by EXIF's words: row 0 is stored as ...
fn stored(photo: &Photo, orientation: u8, x: usize, y: usize) -> (usize, usize) {
    let (right, bottom) = (photo.width - 1 - x, photo.height - 1 - y);
    match orientation {
        2 => (right, y),
        3 => (right, bottom),
        4 => (x, bottom),
        5 => (y, x),
        6 => (y, right),
        7 => (bottom, right),
        8 => (bottom, x),
        _ => (x, y),
    }
}

/// Whether a block of `step` pixels holds both a changed pixel and, within `reach`, this one.
fn shares_block(
    changed: &[(usize, usize)],
    at: (usize, usize),
    step: (usize, usize),
    reach: (usize, usize),
) -> bool {
    let touches = |pixel: usize, change: usize, step: usize, reach: usize| {
        let first = change / step * step;
        pixel + reach >= first && pixel < first + step + reach
    };
    changed
        .iter()
        .any(|c| touches(at.0, c.0, step.0, reach.0) && touches(at.1, c.1, step.1, reach.1))
}

/// Encodes after painting `rect`; checks all that is promised.
fn check(name: &str, bytes: &[u8], rect: Rect) {
    let before = photo(bytes);
    let header = probe(bytes, &Limits::default()).unwrap();
    let mut painted = before.clone();
    paint(&mut painted, rect);
    let mut warnings = Vec::new();
    let out = painted
        .encode_with_warnings(&EncodeOptions::default(), &mut warnings)
        .unwrap();
    assert_eq!(warnings, Vec::<String>::new(), "{name}");
    let is = probe(&out, &Limits::default()).unwrap();
    let need = is.need;
    assert_eq!(Header { need, ..header }, is, "{name}");
    let after = photo(&out);
    assert_eq!(after.metadata, before.metadata, "{name}");
    let (Source::Jpeg(was), Source::Jpeg(is)) = (&before.source, &after.source) else {
        panic!("{name}: no JPEG")
    };
    assert_eq!(
        (was.luma, was.chroma, was.subsampling, was.progressive),
        (is.luma, is.chroma, is.subsampling, is.progressive),
        "{name}"
    );
    let orientation = header.orientation;
    let (h, v) = orientation.displayed(was.subsampling.0, was.subsampling.1);
    let (h, v) = (usize::from(h), usize::from(v));
    // Decoders smooth chroma across one pixel where a sample stands for two.
    let reach = (usize::from(h == 2), usize::from(v == 2));
    let n = before.channels.count();
    let places =
        |rect: Rect| (rect.y0..rect.y1).flat_map(move |y| (rect.x0..rect.x1).map(move |x| (x, y)));
    let at = |(x, y)| stored(&before, orientation.exif(), x, y);
    let changed: Vec<(usize, usize)> = places(rect).map(at).collect();
    let whole = Rect {
        x0: 0,
        y0: 0,
        x1: before.width,
        y1: before.height,
    };
    let (mut kept, mut error, mut inside) = (0, 0u32, 0u32);
    for (x, y) in places(whole) {
        let pixel = |photo: &Photo| samples(photo)[(y * photo.width + x) * n..][..n].to_vec();
        let may_move = shares_block(&changed, at((x, y)), (8, 8), (0, 0))
            || n == 3 && shares_block(&changed, at((x, y)), (8 * h, 8 * v), reach);
        if !may_move {
            assert_eq!(pixel(&after), pixel(&before), "{name} at {x}, {y}");
            kept += 1;
        }
        if rect.x0 <= x && x < rect.x1 && rect.y0 <= y && y < rect.y1 {
            let (is, wanted) = (pixel(&after), pixel(&painted));
            let off = is.iter().zip(wanted).map(|(a, b)| a.abs_diff(b));
            error += off.map(u32::from).sum::<u32>();
            inside += n as u32;
        }
    }
    assert!(kept > 0, "{name}: nothing had to stay");
    assert!(
        error / inside < 24,
        "{name}: the fill is off by {}",
        error / inside
    );
}

fn rect(x0: usize, y0: usize, x1: usize, y1: usize) -> Rect {
    Rect { x0, y0, x1, y1 }
}

/// 3-component noise on ramps, by a foreign encoder.
fn made(size: (u16, u16), colour: ColorType, set: impl Fn(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let n = if matches!(colour, ColorType::Luma) {
        1
    } else {
        3
    };
    let pixels: Vec<u8> = (0..usize::from(size.0) * usize::from(size.1) * n)
        .map(|i| {
            let (x, y, c) = (
                i / n % usize::from(size.0),
                i / n / usize::from(size.0),
                i % n,
            );
            (x + 2 * y * (c + 1) / 2 + (x * 7919 + y * 104_729) % 17 + 40 * c) as u8 / 2 + 30
        })
        .collect();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 90);
    set(&mut encoder);
    encoder.encode(&pixels, size.0, size.1, colour).unwrap();
    out
}

#[test]
fn files_of_libjpeg_keep_every_other_pixel() {
    for name in [
        "q85_420.jpg",
        "q92_444_progressive.jpg",
        "q75_422_optimised.jpg",
        "q80_gray.jpg",
    ] {
        let bytes = fixture(name);
        check(name, &bytes, rect(101, 70, 140, 95));
        check(name, &bytes, rect(383, 290, 400, 300));
    }
}

#[test]
fn turned_files_keep_every_other_pixel_and_stay_turned() {
    for orientation in 1..=8 {
        let name = format!("orientation_{orientation}.jpg");
        check(&name, &fixture(&name), rect(19, 10, 30, 17));
        check(&name, &fixture(&name), rect(52, 40, 60, 45));
    }
}

#[test]
fn samplings_odd_sizes_restarts_and_scan_orders_keep_every_other_pixel() {
    use SamplingFactor::{R_4_1_1, R_4_2_0, R_4_2_2, R_4_4_0, R_4_4_4};
    for sampling in [R_4_4_4, R_4_2_2, R_4_2_0, R_4_4_0, R_4_1_1] {
        for (progressive, optimised) in [(false, false), (false, true), (true, true)] {
            for (size, restart) in [((101, 83), 0), ((96, 80), 2), ((90, 95), 5)] {
                let bytes = made(size, ColorType::Rgb, |encoder| {
                    encoder.set_sampling_factor(sampling);
                    encoder.set_progressive(progressive);
                    // With restarts, that encoder's own tables lack codes that its data use.
                    encoder.set_optimized_huffman_tables(optimised && restart == 0);
                    encoder.set_restart_interval(restart);
                });
                let name = format!(
                    "{sampling:?} progressive {progressive} optimised {optimised} {size:?} restart {restart}"
                );
                check(&name, &bytes, rect(35, 30, 50, 41));
                check(
                    &name,
                    &bytes,
                    rect(80, 70, usize::from(size.0), usize::from(size.1)),
                );
            }
        }
    }
}

#[test]
fn restart_intervals_and_scans_stay() {
    let bytes = made((96, 80), ColorType::Rgb, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.set_progressive_scans(5);
        encoder.set_restart_interval(3);
    });
    let mut changed = photo(&bytes);
    paint(&mut changed, rect(20, 20, 30, 30));
    let out = changed.encode(&EncodeOptions::default()).unwrap();
    let count = |bytes: &[u8], low: u8, high: u8| {
        let pairs = bytes.windows(2);
        pairs
            .filter(|pair| pair[0] == 0xff && (low..=high).contains(&pair[1]))
            .count()
    };
    for (low, high) in [(0xda, 0xda), (0xd0, 0xd7), (0xdd, 0xdd)] {
        assert_eq!(count(&out, low, high), count(&bytes, low, high), "{low:x}");
    }
}

#[test]
fn one_scan_per_component_is_read_like_one_scan_for_all() {
    for size in [(96, 80), (101, 83), (17, 9)] {
        let [joint, separate] = [false, true].map(|optimised| {
            made(size, ColorType::Rgb, |encoder| {
                encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
                encoder.set_optimized_huffman_tables(optimised);
            })
        });
        assert!(
            photo(&joint).samples == photo(&separate).samples,
            "{size:?}"
        );
    }
}

#[test]
fn rgb_files_are_not_taken_for_luma_and_chroma() {
    let mut bytes = made((64, 48), ColorType::Rgb, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    });
    // Names the components as files do that hold red, green and blue themselves.
    let marker = |bytes: &[u8], code: u8| {
        bytes
            .windows(2)
            .position(|pair| pair == [0xff, code])
            .unwrap()
    };
    let (frame, scan) = (marker(&bytes, 0xc0), marker(&bytes, 0xda));
    for (i, name) in b"RGB".iter().enumerate() {
        bytes[frame + 10 + 3 * i] = *name;
        bytes[scan + 5 + 2 * i] = *name;
    }
    check("RGB", &bytes, rect(19, 10, 40, 30));
}

#[test]
fn photos_cut_from_their_file_and_wanted_qualities_are_encoded_whole_and_say_so() {
    let mut warnings = Vec::new();
    let whole = photo(&fixture("q85_420.jpg"));
    let options = EncodeOptions {
        format: None,
        quality: Some(60),
    };
    whole.encode_with_warnings(&options, &mut warnings).unwrap();
    assert!(
        warnings[0].contains("quality 60 was asked for"),
        "{warnings:?}"
    );
    warnings.clear();
    let mut cut = whole.clone();
    cut.height = 200;
    cut.samples = Samples::U8(samples(&whole)[..400 * 200 * 3].to_vec());
    let out = cut
        .encode_with_warnings(&EncodeOptions::default(), &mut warnings)
        .unwrap();
    assert!(warnings[0].contains("another size or kind"), "{warnings:?}");
    assert_eq!(photo(&out).height, 200);
    warnings.clear();
    let options = EncodeOptions {
        format: Some(Format::Png),
        quality: None,
    };
    let png = whole.encode_with_warnings(&options, &mut warnings).unwrap();
    assert!(
        warnings
            .iter()
            .all(|w| w.starts_with("comments") || w.starts_with("IPTC")),
        "{warnings:?}"
    );
    assert!(photo(&png).samples == whole.samples);
    assert_eq!(photo(&png).channels, Channels::Rgb);
}
