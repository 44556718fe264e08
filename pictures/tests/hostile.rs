//! Files made to hurt: refused before decoding, or decoded in bounded memory, and never a panic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use cleanplate_pictures::{ImageError, Limits, MaskChannel, decode, decode_mask, probe};
use proptest::prelude::*;

const FIXTURES: &[&str] = &[
    "q85_420.jpg",
    "q92_444_progressive.jpg",
    "rgba.png",
    "palette_transparent.png",
    "interlaced.png",
    "lossy.webp",
    "alpha.webp",
    "lossless_alpha.webp",
];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/tests/fixtures/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let crc = crc32fast::hash(&[kind.as_slice(), body].concat());
    [
        &(body.len() as u32).to_be_bytes()[..],
        kind,
        body,
        &crc.to_be_bytes(),
    ]
    .concat()
}

fn png(width: u32, height: u32, bits: u8, color: u8, extra: &[Vec<u8>]) -> Vec<u8> {
    let header = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[bits, color, 0, 0, 0],
    ]
    .concat();
    let data = if width <= 64 {
        miniz_oxide::deflate::compress_to_vec_zlib(
            &vec![0; (width as usize * 3 + 1) * height as usize],
            6,
        )
    } else {
        vec![]
    };
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        extra.concat(),
        chunk(b"IDAT", &data),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

fn jpeg(side: u16, frame: u8, ac_scans: usize) -> Vec<u8> {
    let segment = |marker: u8, body: &[u8]| {
        [
            &[0xff, marker][..],
            &(body.len() as u16 + 2).to_be_bytes(),
            body,
        ]
        .concat()
    };
    let table = |class: u8| [&[class, 0, 1][..], &[0; 14], &[0]].concat();
    let [s1, s0] = side.to_be_bytes();
    let mut out = vec![0xff, 0xd8];
    out.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    out.extend(segment(
        frame,
        &[8, s1, s0, s1, s0, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0],
    ));
    out.extend([segment(0xc4, &table(0)), segment(0xc4, &table(0x10))].concat());
    let last = if frame == 0xc2 { 0 } else { 63 };
    out.extend(segment(0xda, &[3, 1, 0, 2, 0, 3, 0, 0, last, 0]));
    out.extend([0; 10]);
    for i in 0..ac_scans {
        out.extend(segment(0xda, &[1, 1 + (i % 3) as u8, 0, 1, 63, 0]));
        out.extend([0; 10]);
    }
    out.extend([0xff, 0xd9]);
    out
}

/// Refused by probe and decode alike, and at once.
fn refused(name: &str, bytes: &[u8], wanted: fn(&ImageError) -> bool) {
    let started = Instant::now();
    for error in [
        probe(bytes, &Limits::default()).unwrap_err(),
        decode(bytes, &Limits::default()).unwrap_err(),
        decode_mask(bytes, &Limits::default(), MaskChannel::Luma).unwrap_err(),
    ] {
        assert!(wanted(&error), "{name}: {error}");
    }
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{name} took {:?}",
        started.elapsed()
    );
}

#[test]
fn sizes_over_the_limits_are_refused_from_the_header() {
    let size = |e: &ImageError| {
        matches!(
            e,
            ImageError::TooManyPixels { .. } | ImageError::SideTooLong { .. }
        )
    };
    refused("PNG 13,000 squared", &png(13_000, 13_000, 8, 2, &[]), size);
    refused(
        "PNG 2^31 squared",
        &png(0x7fff_ffff, 0x7fff_ffff, 16, 6, &[]),
        size,
    );
    refused("PNG 17,000 x 1", &png(17_000, 1, 8, 2, &[]), size);
    refused("JPEG 12,000 squared", &jpeg(12_000, 0xc0, 0), size);
    refused("JPEG 65,500 squared", &jpeg(65_500, 0xc0, 0), size);
    let canvas = [
        &b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"[..],
        &[0xff, 0x3f, 0, 0xff, 0x3f, 0],
    ]
    .concat();
    refused("WebP 16,384 squared", &canvas, size);
    refused("PNG 0 x 5", &png(0, 5, 8, 2, &[]), |e| {
        matches!(e, ImageError::Corrupt { .. })
    });
    refused("JPEG 0 squared", &jpeg(0, 0xc0, 0), |e| {
        matches!(e, ImageError::Corrupt { .. })
    });
}

#[test]
fn profiles_scans_and_text_that_inflate_are_bounded() {
    let limit = |e: &ImageError| matches!(e, ImageError::Limit { .. });
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 64 << 20], 6);
    let icc = chunk(b"iCCP", &[&b"x\0\0"[..], &bomb].concat());
    refused(
        "PNG with a 64 MiB profile",
        &png(64, 64, 8, 2, &[icc]),
        limit,
    );
    refused("JPEG with 3,000 scans", &jpeg(2_000, 0xc2, 3_000), limit);
    let texts: Vec<Vec<u8>> = (0..40)
        .map(|i| chunk(b"zTXt", &[format!("k{i}\0\0").as_bytes(), &bomb].concat()))
        .collect();
    let photo = decode(&png(64, 64, 8, 2, &texts), &Limits::default()).unwrap();
    assert!(
        photo.metadata.png_chunks.is_empty(),
        "a text that inflates past the limit is dropped"
    );
}

#[test]
fn many_scans_within_the_limit_decode_in_bounded_time() {
    let started = Instant::now();
    decode(&jpeg(2_000, 0xc2, 90), &Limits::default()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn decoding_ends_when_its_time_is_up() {
    let limits = |decode_max| Limits {
        decode_max,
        ..Limits::default()
    };
    for name in FIXTURES {
        let bytes = fixture(name);
        let error = decode(&bytes, &limits(Duration::ZERO)).unwrap_err();
        assert!(
            matches!(error, ImageError::TooSlow { .. }),
            "{name}: {error}"
        );
        let error = decode_mask(&bytes, &limits(Duration::ZERO), MaskChannel::Auto).unwrap_err();
        assert!(
            matches!(error, ImageError::TooSlow { .. }),
            "{name}: {error}"
        );
    }
    // 49 million pixels in 100 scans that send nothing.
    let started = Instant::now();
    let limits = limits(Duration::from_millis(200));
    let error = decode(&jpeg(7_000, 0xc2, 99), &limits).unwrap_err();
    assert!(matches!(error, ImageError::TooSlow { .. }), "{error}");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn truncated_files_are_corrupt_unless_all_pixels_are_there() {
    for name in [
        "q85_420.jpg",
        "q92_444_progressive.jpg",
        "rgba.png",
        "lossy.webp",
        "lossless_alpha.webp",
    ] {
        let whole = fixture(name);
        let full = decode(&whole, &Limits::default()).unwrap();
        for keep in (0..whole.len() - 1).step_by(whole.len() / 60) {
            // Metadata behind the pixels, and the end itself, may be missing.
            if let Ok(cut) = decode(&whole[..keep], &Limits::default()) {
                assert!(cut.samples == full.samples, "{name} cut to {keep} bytes");
                assert!(!cut.metadata.warnings.is_empty(), "{name}: says nothing");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_files_never_panic(which in 0..FIXTURES.len(), changes in prop::collection::vec((any::<u32>(), any::<u8>()), 1..16), cut in prop::option::of(any::<u32>())) {
        let mut bytes = fixture(FIXTURES[which]);
        for (at, value) in changes {
            // Half of the changes hit the first 600 bytes, where headers and metadata are.
            let span = if at % 2 == 0 { bytes.len().min(600) } else { bytes.len() };
            let at = (at / 2) as usize % span;
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut as usize % bytes.len());
        }
        let limits = Limits { pixels_max: 1_000_000, ..Limits::default() };
        let _ = probe(&bytes, &limits);
        if let Ok(photo) = decode(&bytes, &limits) {
            prop_assert!(photo.encode(&Default::default()).is_ok());
        }
    }

    #[test]
    fn random_bytes_behind_a_signature_never_panic(kind in 0..3usize, body in prop::collection::vec(any::<u8>(), 0..400)) {
        let head = [&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b"RIFF\x90\x01\0\0WEBP"][kind];
        let bytes = [head, &body].concat();
        let _ = probe(&bytes, &Limits::default());
        prop_assert!(decode(&bytes, &Limits::default()).is_err());
    }
}
