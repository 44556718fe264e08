//! What goes in comes out, through the API: kind, depth, metadata, orientation, coding, size; and what is refused.

use crate::common::{Daemon, Form, REMOVAL, mask, png, root};
use cleanplate_pictures::{EncodeOptions, Format, Limits, Photo, Samples, Source, decode, probe};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(root().join("pictures/tests/fixtures").join(name)).unwrap()
}

/// 16-bit RGB noise on a ramp.
fn deep() -> Vec<u8> {
    let value = |x: u32, y: u32, c: u32| {
        (x * 700 + y * 300 + c * 5000 + (x * 7919 + y * 104_729) % 997) as u16
    };
    png(image::ImageBuffer::from_fn(64, 48, |x, y| {
        image::Rgb([value(x, y, 0), value(x, y, 1), value(x, y, 2)])
    }))
}

/// The same photo as a TIFF.
fn tiff(bytes: &[u8]) -> Vec<u8> {
    let photo = decode(bytes, &Limits::default()).unwrap();
    let options = EncodeOptions {
        format: Some(Format::Tiff),
        quality: None,
    };
    photo.encode(&options).unwrap()
}

/// The hole: a few pixels near the middle.
const HOLE: [u32; 4] = [24, 18, 32, 26];

/// Farthest that the hole of a file reaches, in pixels: dilation and feather where nothing is said of them, else the 16 pixels
/// of a chroma block and the one beside it that decoders smooth.
fn reach(name: &str) -> usize {
    if name.ends_with(".jpg") { 17 } else { 12 }
}

/// Removes the hole; returns the result's bytes. JPEGs lose nothing but the hole itself.
fn removed(daemon: &Daemon, key: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let header = probe(bytes, &Limits::default()).unwrap();
    let hole = png(mask(header.width as u32, header.height as u32, HOLE));
    let form = Form::new()
        .file("image", name, bytes)
        .file("mask", "mask.png", &hole);
    let exact = format!("{REMOVAL}?dilate=0&feather=0");
    let path = if name.ends_with(".jpg") {
        &exact
    } else {
        REMOVAL
    };
    let reply = daemon.post(path, Some(key), &form);
    assert_eq!(
        reply.status,
        200,
        "{name}: {}",
        String::from_utf8_lossy(&reply.body)
    );
    let result = &reply.json()["result"];
    let size = (
        result["output_width"].as_u64().unwrap() as usize,
        result["output_height"].as_u64().unwrap() as usize,
    );
    assert_eq!(
        size,
        (header.width, header.height),
        "{name}: sizes are those of the displayed photo"
    );
    daemon
        .get(result["output_url"].as_str().unwrap(), None)
        .body
}

/// The samples that are `reach` pixels and more from the hole.
fn far(photo: &Photo, reach: usize) -> Vec<u16> {
    let n = photo.channels.count();
    let near =
        |v: usize, low: u32, high: u32| v + reach > low as usize && v < high as usize + reach;
    let outside = |i: usize| {
        let (x, y) = (i / n % photo.width, i / n / photo.width);
        !(near(x, HOLE[0], HOLE[2]) && near(y, HOLE[1], HOLE[3]))
    };
    match &photo.samples {
        Samples::U8(v) => v
            .iter()
            .enumerate()
            .filter(|(i, _)| outside(*i))
            .map(|(_, v)| u16::from(*v))
            .collect(),
        Samples::U16(v) => v
            .iter()
            .enumerate()
            .filter(|(i, _)| outside(*i))
            .map(|(_, v)| *v)
            .collect(),
    }
}

#[test]
fn every_kind_of_file_comes_back_in_kind() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[rate_limits]\nremoval_per_minute = 600\n");
    let key = daemon.key();
    let lossless = [
        "upright.png",
        "rgba.png",
        "gray.png",
        "gray_alpha.png",
        "palette.png",
        "palette_transparent.png",
        "interlaced.png",
        "lossy.webp",
        "lossless_alpha.webp",
    ];
    let jpegs = [
        "q85_420.jpg",
        "q92_444_progressive.jpg",
        "q75_422_optimised.jpg",
        "q80_gray.jpg",
        "cmyk.jpg",
    ];
    let mut files: Vec<(String, Vec<u8>)> = lossless
        .iter()
        .chain(&jpegs)
        .map(|name| (name.to_string(), fixture(name)))
        .collect();
    files.push(("deep.png".to_string(), deep()));
    for name in ["upright.png", "rgba.png", "gray.png", "gray_alpha.png"] {
        files.push((format!("{name}.tif"), tiff(&fixture(name))));
    }
    files.push(("deep.tif".to_string(), tiff(&deep())));
    for (name, bytes) in files {
        let was = decode(&bytes, &Limits::default()).unwrap();
        let out = removed(&daemon, &key, &name, &bytes);
        let is = decode(&out, &Limits::default()).unwrap();
        assert_eq!(
            (is.format, is.channels, is.bits()),
            (was.format, was.channels, was.bits()),
            "{name}"
        );
        assert_eq!(is.metadata, was.metadata, "{name}: profile, EXIF and XMP");
        let (kept, before) = (far(&is, reach(&name)), far(&was, reach(&name)));
        if name == "lossy.webp" {
            // Coded once more at its own quality: near, and not a six times larger file without loss.
            let apart: u64 = kept
                .iter()
                .zip(&before)
                .map(|(a, b)| u64::from(a.abs_diff(*b)))
                .sum();
            let mean = apart as f64 / before.len() as f64;
            assert!(mean < 3.0, "{name}: {mean} levels on average");
            assert!(
                out.len() < bytes.len() * 3 / 2,
                "{name}: {} bytes",
                out.len()
            );
            continue;
        }
        assert!(kept == before, "{name}: pixels far from the hole changed");
        if let (Source::Jpeg(is), Source::Jpeg(was)) = (&is.source, &was.source) {
            assert_eq!(
                (is.luma, is.chroma, is.subsampling, is.progressive),
                (was.luma, was.chroma, was.subsampling, was.progressive),
                "{name}: tables, sampling and scans"
            );
            let ratio = out.len() as f64 / bytes.len() as f64;
            assert!(
                (0.97..=1.03).contains(&ratio),
                "{name}: {} bytes became {}",
                bytes.len(),
                out.len()
            );
        }
        assert!(is.samples != was.samples, "{name}: nothing was removed");
    }
}

#[test]
fn masks_are_in_the_displayed_orientation_whatever_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[rate_limits]\nremoval_per_minute = 600\n");
    let key = daemon.key();
    for o in 1..=8 {
        let name = format!("orientation_{o}.jpg");
        let bytes = fixture(&name);
        let was = decode(&bytes, &Limits::default()).unwrap();
        let out = removed(&daemon, &key, &name, &bytes);
        let header = probe(&out, &Limits::default()).unwrap();
        // A JPEG stays turned as it is stored: turning it would move every pixel.
        assert_eq!(
            (header.width, header.height, header.orientation.exif()),
            (was.width, was.height, o),
            "{name}"
        );
        let is = decode(&out, &Limits::default()).unwrap();
        assert!(
            far(&is, reach(&name)) == far(&was, reach(&name)),
            "{name}: pixels far from the hole changed"
        );
        assert!(is.samples != was.samples, "{name}: nothing was removed");
    }
    // The others are written upright.
    for name in ["orientation_6.png", "orientation_6.webp"] {
        let bytes = fixture(name);
        let was = decode(&bytes, &Limits::default()).unwrap();
        let out = removed(&daemon, &key, name, &bytes);
        let header = probe(&out, &Limits::default()).unwrap();
        assert_eq!(
            (header.width, header.height, header.orientation.exif()),
            (was.width, was.height, 1),
            "{name}"
        );
        let is = decode(&out, &Limits::default()).unwrap();
        assert!(
            far(&is, reach(name)) == far(&was, reach(name)),
            "{name}: pixels far from the hole changed"
        );
        assert!(is.samples != was.samples, "{name}: nothing was removed");
    }
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    for (name, words) in [
        ("animated.png", "animation"),
        ("animated.webp", "animation"),
    ] {
        let form = Form::new().file("image", name, &fixture(name)).file(
            "mask",
            "mask.png",
            &png(mask(60, 45, HOLE)),
        );
        let reply = daemon.post(REMOVAL, Some(&key), &form);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, 422, "{name}: {text}");
        assert!(
            text.contains(words) && text.contains("\"image\""),
            "{name}: {text}"
        );
        assert_eq!(reply.header("X-Credits-Charged"), Some("0"), "{name}");
    }
}

#[test]
fn tiff_and_bmp_come_in_and_their_results_say_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let photo = fixture("upright.png");
    let hole = png(mask(60, 45, HOLE));
    let bmp = crate::common::encode(
        image::load_from_memory(&photo).unwrap().to_rgb8(),
        image::ImageFormat::Bmp,
    );
    // The file, its mask, what is asked for, and what comes.
    let cases: [(&[u8], &[u8], &str, &str); 5] = [
        (&tiff(&photo), &hole, "", "image/tiff"),
        (&tiff(&photo), &tiff(&hole), "", "image/tiff"),
        (&tiff(&photo), &hole, "?output_format=png", "image/png"),
        (&photo, &hole, "?output_format=tiff", "image/tiff"),
        (&bmp, &hole, "", "image/png"),
    ];
    for (image, mask, query, media_type) in cases {
        let form = Form::new()
            .file("image", "photo", image)
            .file("mask", "mask", mask);
        let reply = daemon.post(&format!("{REMOVAL}{query}"), Some(&key), &form);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, 200, "{media_type} {query}: {text}");
        let url = reply.json()["result"]["output_url"]
            .as_str()
            .unwrap()
            .to_string();
        let file = daemon.get(&url, None);
        assert_eq!(file.header("Content-Type"), Some(media_type), "{query}");
        let (was, is) = (
            decode(image, &Limits::default()).unwrap(),
            decode(&file.body, &Limits::default()).unwrap(),
        );
        assert_eq!(is.format.media_type(), media_type);
        assert!(
            far(&was, 12) == far(&is, 12),
            "{media_type} {query}: pixels outside changed"
        );
        assert!(was.samples != is.samples, "{media_type} {query}");
    }
}

#[test]
fn other_types_are_named_with_those_that_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let hole = png(mask(60, 45, HOLE));
    let box_of = |brand: &[u8]| [&b"\0\0\0\x1cftyp"[..], brand, &[0; 40]].concat();
    for (bytes, name) in [
        (box_of(b"avif"), "AVIF"),
        (box_of(b"heic"), "HEIC"),
        (b"\0\0\0\x0cJXL \r\n\x87\n........".to_vec(), "JPEG XL"),
        (b"GIF89a..............".to_vec(), "GIF"),
        (b"8BPS\0\x01............".to_vec(), "PSD"),
        (b"II+\0\x08\0\0\0............".to_vec(), "BigTIFF"),
        // A TIFF that says it is a DNG.
        (
            b"II*\0\x08\0\0\0\x01\0\x12\xc6\x01\0\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec(),
            "DNG",
        ),
    ] {
        let form = Form::new()
            .file("image", "photo.jpg", &bytes)
            .file("mask", "mask.png", &hole);
        let reply = daemon.post(REMOVAL, Some(&key), &form);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, 415, "{name}: {text}");
        assert!(
            text.contains(name) && text.contains("JPEG, PNG, WebP, TIFF or BMP"),
            "{name}: {text}"
        );
        assert_eq!(reply.header("X-Credits-Charged"), Some("0"), "{name}");
    }
}
