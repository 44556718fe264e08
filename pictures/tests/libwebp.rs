//! What libwebp takes: its memory passes by Rust's allocator, so it is read from the process. A binary of its own, for the same reason.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cleanplate_pictures::{EncodeOptions, Format, Limits, Photo, decode, probe};

/// Bytes for each pixel that whoever budgets a conversion counts for writing it (`CONVERSION_BYTES` of the daemon).
const CONVERSION_BYTES: usize = 16;
/// The same with an alpha plane (`ALPHA_CONVERSION_BYTES` there).
const ALPHA_CONVERSION_BYTES: usize = 44;

/// `VmRSS` or `VmHWM` of this process, bytes.
fn resident(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.unwrap().trim_matches([':', ' ', '\t', 'k', 'B']);
    kib.parse::<usize>().unwrap() << 10
}

/// What comes besides while `photo` is written as `options` say, the most of it at a time.
fn used(photo: &Photo, options: EncodeOptions) -> (Vec<u8>, usize) {
    // From here on the peak counts anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = resident("VmRSS");
    let bytes = photo.encode(&options).unwrap();
    (bytes, resident("VmHWM") - before)
}

/// Noise on a gradient, RGB or RGBA.
fn picture(width: u32, height: u32, channels: usize) -> Vec<u8> {
    let mut state = 1u32;
    let samples: Vec<u8> = (0..width as usize * height as usize * channels)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (at / 4_512) as u8 / 4 + (state >> 28) as u8
        })
        .collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(if channels == 4 {
        png::ColorType::Rgba
    } else {
        png::ColorType::Rgb
    });
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&samples)
        .unwrap();
    out
}

#[test]
fn it_takes_no_more_than_is_counted_for_it() {
    // Whatever is large is mapped for itself and goes back once freed: memory that lay about would be used unseen.
    // SAFETY: it sets a parameter of the allocator.
    assert_eq!(
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10) },
        1
    );
    let limits = Limits::default();
    let (width, height) = (3_000, 2_000);
    for channels in [3, 4] {
        let photo = decode(&picture(width, height, channels), &limits).unwrap();
        for quality in [10, 80, 100] {
            let options = EncodeOptions {
                format: Some(Format::WebP),
                quality: Some(quality),
            };
            let (file, took) = used(&photo, options);
            let pixels = (width * height) as usize;
            println!(
                "{channels} channels, quality {quality}: {:.1} bytes a pixel",
                took as f64 / pixels as f64
            );
            let counted = [CONVERSION_BYTES, ALPHA_CONVERSION_BYTES][channels - 3];
            assert!(took <= counted * pixels, "{took}");
            // Written again as its own type.
            let again = decode(&file, &limits).unwrap();
            let counted = probe(&file, &limits).unwrap().need.encode_bytes_max as usize;
            let (_, took) = used(&again, EncodeOptions::default());
            println!(
                "  again: {:.1} of {:.1} that are counted",
                took as f64 / pixels as f64,
                counted as f64 / pixels as f64
            );
            assert!(took <= counted, "{took} of {counted}");
        }
    }
}
