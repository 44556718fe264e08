//! Photos with transparent pixels through the API: what was removed becomes what is around it, transparent or not, in every kind
//! of file that has alpha; hidden colours are in no fill; what a JPEG cannot hold is refused before any work.

use crate::common::{Daemon, Form, REMOVAL, mask, png};
use cleanplate_pictures::{Channels, EncodeOptions, Format, Limits, Photo, Samples, decode};
use image::ImageFormat;

const CONFIG: &str = "[pipelines]\nallowed = [\"patchmatch\"]\n";

/// Two dots on nothing.
const SIZE: [u32; 2] = [120, 64];
const DOTS: [i32; 2] = [30, 88];
/// What removes the second.
const HOLE: [u32; 4] = [66, 10, 111, 55];

fn dotted(x: u32, y: u32) -> [u8; 4] {
    let near = |cx: &&i32| (x as i32 - **cx).pow(2) + (y as i32 - 32).pow(2) <= 18 * 18;
    match DOTS.iter().find(near) {
        Some(_) => [220, 120, 20, 255],
        None => [0, 0, 0, 0],
    }
}

/// The dots as files of every kind with alpha.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let [w, h] = SIZE;
    let rgba = image::RgbaImage::from_fn(w, h, |x, y| image::Rgba(dotted(x, y)));
    let gray = image::GrayAlphaImage::from_fn(w, h, |x, y| {
        let [r, _, _, a] = dotted(x, y);
        image::LumaA([r, a])
    });
    let deep: image::ImageBuffer<image::Rgba<u16>, Vec<u16>> =
        image::ImageBuffer::from_fn(w, h, |x, y| {
            image::Rgba(dotted(x, y).map(|v| u16::from(v) * 257))
        });
    let webp = crate::common::encode(rgba.clone(), ImageFormat::WebP);
    let (rgba, deep) = (png(rgba), png(deep));
    vec![
        ("rgba.tif", as_tiff(&rgba)),
        ("deep.tif", as_tiff(&deep)),
        ("rgba.png", rgba),
        ("gray.png", png(gray)),
        ("deep.png", deep),
        ("palette.png", palette()),
        ("key.png", key()),
        ("lossless.webp", webp),
    ]
}

fn as_tiff(bytes: &[u8]) -> Vec<u8> {
    let options = EncodeOptions {
        format: Some(Format::Tiff),
        quality: None,
    };
    let photo = decode(bytes, &Limits::default()).unwrap();
    photo.encode(&options).unwrap()
}

fn palette() -> Vec<u8> {
    indexed(
        png::ColorType::Indexed,
        Some(&[20, 220, 5, 220, 120, 20]),
        &[0, 255],
        |p| u8::from(p[3] > 0),
    )
}

/// Gray with a transparent colour.
fn key() -> Vec<u8> {
    indexed(png::ColorType::Grayscale, None, &[0, 7], |p| match p[3] {
        0 => 7,
        _ => 160,
    })
}

fn indexed(
    color: png::ColorType,
    table: Option<&[u8]>,
    transparent: &[u8],
    value: impl Fn([u8; 4]) -> u8,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, SIZE[0], SIZE[1]);
    encoder.set_color(color);
    if let Some(table) = table {
        encoder.set_palette(table.to_vec());
    }
    encoder.set_trns(transparent.to_vec());
    let data: Vec<u8> = (0..SIZE[0] * SIZE[1])
        .map(|at| value(dotted(at % SIZE[0], at / SIZE[0])))
        .collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    drop(writer);
    out
}

/// Each pixel's samples, as 16 bits.
fn pixels(photo: &Photo) -> Vec<Vec<u16>> {
    let wide: Vec<u16> = match &photo.samples {
        Samples::U8(v) => v.iter().map(|v| u16::from(*v) * 257).collect(),
        Samples::U16(v) => v.clone(),
    };
    wide.chunks_exact(photo.channels.count())
        .map(<[u16]>::to_vec)
        .collect()
}

fn removed(
    daemon: &Daemon,
    key: &str,
    query: &str,
    image: &[u8],
    hole: &[u8],
) -> (Vec<u8>, serde_json::Value) {
    let form = Form::pair(image, hole);
    let reply = daemon.post(&format!("{REMOVAL}{query}"), Some(key), &form);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 200, "{query}: {text}");
    let result = reply.json()["result"].clone();
    let url = result["output_url"].as_str().unwrap();
    (daemon.get(url, None).body, result)
}

#[test]
fn an_object_on_nothing_leaves_nothing_in_every_kind_of_file() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let [w, h] = SIZE;
    let hole = png(mask(w, h, HOLE));
    for (name, bytes) in kinds() {
        for query in ["", "?pipeline=patchmatch"] {
            let (out, result) = removed(&daemon, &key, query, &bytes, &hole);
            let share = result["mask_share"].as_f64().unwrap();
            let sent = f64::from(45 * 45) / f64::from(w * h);
            assert!(share >= sent && share < 0.5, "{name}: {share}");
            let limits = Limits::default();
            let (before, after) = (
                decode(&bytes, &limits).unwrap(),
                decode(&out, &limits).unwrap(),
            );
            assert!(after.channels.has_alpha(), "{name}");
            assert_eq!(before.channels, after.channels, "{name}");
            assert_eq!(before.bits(), after.bits(), "{name}");
            let (was, is) = (pixels(&before), pixels(&after));
            for at in 0..is.len() {
                let (x, y) = (at as u32 % w, at as u32 / w);
                let inside = (HOLE[0]..HOLE[2]).contains(&x) && (HOLE[1]..HOLE[3]).contains(&y);
                let far = x + 12 < HOLE[0];
                let opaque = *is[at].last().unwrap();
                assert!(
                    !inside || opaque == 0,
                    "{name} {query}: ({x}, {y}) has alpha {opaque}"
                );
                assert!(
                    !far || was[at] == is[at],
                    "{name} {query}: ({x}, {y}) changed"
                );
            }
        }
    }
}

#[test]
fn a_hidden_colour_is_in_no_fill() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let grain = |x: u32, y: u32| ((x * 7919 + y * 104_729) % 13) as u8;
    let sticker = image::RgbaImage::from_fn(160, 120, |x, y| {
        image::Rgba(match (x, y) {
            (50..=84, 45..=74) => [200, 40, 40, 255],
            (..85, _) => [84 + grain(x, y), 154 + grain(x, y), 214 + grain(x, y), 255],
            _ => [0, 0, 0, 0],
        })
    });
    let hole = png(mask(160, 120, [48, 43, 85, 77]));
    let image = png(sticker.clone());
    for query in [
        "?dilate=0&feather=0",
        "?dilate=0&feather=0&pipeline=patchmatch",
    ] {
        let (out, _) = removed(&daemon, &key, query, &image, &hole);
        let after = image::load_from_memory(&out).unwrap().to_rgba8();
        let mut opaque = 0;
        for (x, y, p) in after.enumerate_pixels() {
            let inside = (48..85).contains(&x) && (43..77).contains(&y);
            if !inside {
                assert_eq!(p, sticker.get_pixel(x, y), "{query}: ({x}, {y})");
            } else if p[3] > 0 {
                // Every pixel of the sticker is blue; black or red would be less.
                assert!(p[2] > 150 && p[0] < 140, "{query}: ({x}, {y}) is {p:?}");
                opaque += u32::from(p[3] == 255);
            }
        }
        assert!(
            opaque > 37 * 34 * 99 / 100,
            "{query}: {opaque} pixels are opaque"
        );
    }
}

#[test]
fn a_jpeg_of_transparent_pixels_is_refused_before_anything_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let [w, h] = SIZE;
    let hole = png(mask(w, h, HOLE));
    for (name, bytes) in kinds() {
        for query in ["", "&dry_run=true", "&async=true"] {
            let form = Form::pair(&bytes, &hole);
            let path = format!("{REMOVAL}?output_format=jpeg{query}");
            let reply = daemon.post(&path, Some(&key), &form);
            assert_eq!(reply.status, 422, "{name} {query}");
            let detail = &reply.json()["detail"][0];
            assert_eq!(detail["type"], "value_error.image.encode", "{name}");
            assert!(detail["msg"].as_str().unwrap().contains("transparent"));
            assert_eq!(reply.header("X-Credits-Remaining"), Some("100"));
        }
    }
    // An alpha channel that hides nothing is no reason.
    let opaque = image::RgbaImage::from_fn(w, h, |x, y| image::Rgba([x as u8, y as u8, 9, 255]));
    let path = "?output_format=jpeg";
    let (out, _) = removed(&daemon, &key, path, &png(opaque), &hole);
    assert_eq!(
        decode(&out, &Limits::default()).unwrap().channels,
        Channels::Rgb
    );
}

/// A photo with a blot, as a picture of colours or gray with an alpha channel that hides nothing, and without one.
fn opaque_twins() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let rgb = image::RgbImage::from_fn(96, 72, |x, y| {
        let grain = ((x * 7919 + y * 104_729) % 23) as u8;
        image::Rgb(match ((30..50).contains(&x), (24..44).contains(&y)) {
            (true, true) => [210, 30, 40],
            _ => [60 + x as u8, 90 + y as u8, 120 + grain],
        })
    });
    let rgb = image::DynamicImage::from(rgb);
    let webp = |picture: image::DynamicImage| crate::common::encode(picture, ImageFormat::WebP);
    let (with, without) = (png(rgb.to_rgba8()), png(rgb.to_rgb8()));
    vec![
        ("8.tif", as_tiff(&with), as_tiff(&without)),
        ("8.png", with, without),
        ("16.png", png(rgb.to_rgba16()), png(rgb.to_rgb16())),
        ("gray.png", png(rgb.to_luma_alpha8()), png(rgb.to_luma8())),
        (
            "8.webp",
            webp(rgb.to_rgba8().into()),
            webp(rgb.to_rgb8().into()),
        ),
    ]
}

#[test]
fn an_alpha_channel_that_hides_nothing_changes_no_byte_of_the_colours() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let hole = png(mask(96, 72, [28, 22, 52, 46]));
    for (name, with, without) in opaque_twins() {
        for query in ["", "?pipeline=patchmatch"] {
            let of = |file: &[u8]| {
                let (out, _) = removed(&daemon, &key, query, file, &hole);
                decode(&out, &Limits::default()).unwrap()
            };
            let (with, without) = (of(&with), of(&without));
            let colours: Vec<Vec<u16>> = pixels(&with)
                .into_iter()
                .map(|pixel| pixel[..with.channels.colours()].to_vec())
                .collect();
            assert!(!with.is_transparent(), "{name} {query}");
            assert!(
                colours == pixels(&without),
                "{name} {query}: the colours differ"
            );
        }
    }
}

#[test]
fn a_lossy_webp_with_alpha_keeps_its_coding_and_every_alpha_outside() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let path = crate::common::root().join("pictures/tests/fixtures/alpha.webp");
    let bytes = std::fs::read(path).unwrap();
    let before = decode(&bytes, &Limits::default()).unwrap();
    let inside = |at: usize| (20..32).contains(&(at % 60)) && (14..26).contains(&(at / 60));
    let hole = png(mask(60, 45, [20, 14, 32, 26]));
    let query = "?dilate=0&feather=0";
    let (out, result) = removed(&daemon, &key, query, &bytes, &hole);
    assert!(result["warnings"].to_string().contains("coded again"));
    let is_lossy = |bytes: &[u8]| bytes.windows(4).any(|w| w == b"VP8 ");
    assert!(is_lossy(&bytes) && is_lossy(&out));
    assert!(out.len() < bytes.len() * 3 / 2 + 600, "{} bytes", out.len());
    let after = decode(&out, &Limits::default()).unwrap();
    assert_eq!(after.channels, Channels::Rgba);
    let (was, is) = (pixels(&before), pixels(&after));
    for at in (0..was.len()).filter(|at| !inside(*at)) {
        assert_eq!(was[at][3], is[at][3], "alpha of pixel {at}");
    }
}
