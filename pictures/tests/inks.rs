//! CMYK in JPEG and TIFF: seen as sRGB through the profile, written back as inks in the hole only.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cleanplate_pictures::{Channels, EncodeOptions, Format, Limits, Photo, Samples, decode, probe};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const SIDE: usize = 96;
/// The hole: columns and rows.
const HOLE: std::ops::Range<usize> = 40..46;
/// What is filled in.
const FILL: [u8; 3] = [150, 120, 110];

/// A profile whose inks are linear in Lab, both ways: L = 100 - 30c - 30m - 10y - 30k, a = 60(m - c), b = 50y - 25(c + m).
fn profile() -> Vec<u8> {
    let lab = |[c, m, y, k]: [f64; 4]| {
        let l = 100.0 - 30.0 * c - 30.0 * m - 10.0 * y - 30.0 * k;
        [l, 60.0 * (m - c), 50.0 * y - 25.0 * (c + m)]
    };
    // Without black: s = c + m and d = m - c follow from L and b, and from a.
    let inks = |[l, a, b]: [f64; 3]| {
        let d = a / 60.0;
        let s = (100.0 - l - b / 5.0) / 35.0;
        let y = (b + 25.0 * s) / 50.0;
        [(s - d) / 2.0, (s + d) / 2.0, y, 0.0].map(|v: f64| v.clamp(0.0, 1.0))
    };
    let table = |kind: (usize, usize), grid: usize, at: &dyn Fn(&[f64]) -> Vec<f64>| {
        let mut out = b"mft2\0\0\0\0".to_vec();
        out.extend([kind.0 as u8, kind.1 as u8, grid as u8, 0]);
        for i in 0..9 {
            out.extend((if i % 4 == 0 { 65_536u32 } else { 0 }).to_be_bytes());
        }
        out.extend([0, 2, 0, 2]);
        let line = [0u8, 0, 0xff, 0xff];
        out.extend(line.repeat(kind.0));
        for i in 0..grid.pow(kind.0 as u32) {
            let place: Vec<f64> = (0..kind.0)
                .map(|axis| i / grid.pow((kind.0 - 1 - axis) as u32) % grid)
                .map(|step| step as f64 / (grid - 1) as f64)
                .collect();
            for v in at(&place) {
                out.extend(((v * 65_535.0).round() as u16).to_be_bytes());
            }
        }
        out.extend(line.repeat(kind.1));
        out
    };
    let coded = |[l, a, b]: [f64; 3]| {
        vec![
            l / 100.0 * 65_280.0,
            (a + 128.0) * 256.0,
            (b + 128.0) * 256.0,
        ]
        .into_iter()
        .map(|v| v / 65_535.0)
        .collect::<Vec<f64>>()
    };
    let a2b = table((4, 3), 2, &|v| coded(lab([v[0], v[1], v[2], v[3]])));
    let b2a = table((3, 4), 33, &|v| {
        let v: Vec<f64> = v.iter().map(|v| v * 65_535.0).collect();
        inks([v[0] / 652.8, v[1] / 256.0 - 128.0, v[2] / 256.0 - 128.0]).to_vec()
    });
    let mut out = vec![0; 128];
    out[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    out[12..24].copy_from_slice(b"prtrCMYKLab ");
    out[36..40].copy_from_slice(b"acsp");
    for (at, v) in [(68, 0xf6d6u32), (72, 0x10000), (76, 0xd32d)] {
        out[at..at + 4].copy_from_slice(&v.to_be_bytes());
    }
    out.extend(2u32.to_be_bytes());
    let first = out.len() + 24;
    for (name, at, table) in [(b"A2B0", first, &a2b), (b"B2A0", first + a2b.len(), &b2a)] {
        out.extend(name);
        out.extend((at as u32).to_be_bytes());
        out.extend((table.len() as u32).to_be_bytes());
    }
    out.extend(a2b);
    out.extend(b2a);
    let length = out.len() as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// sRGB of Lab (D50), by the standards' formulas.
fn srgb([l, a, b]: [f64; 3]) -> [f64; 3] {
    let fy = (l + 16.0) / 116.0;
    let f = |t: f64| {
        if t > 6.0 / 29.0 {
            t.powi(3)
        } else {
            (t - 4.0 / 29.0) * 108.0 / 841.0
        }
    };
    let (x, y, z) = (
        0.9642 * f(fy + a / 500.0),
        f(fy),
        0.8249 * f(fy - b / 200.0),
    );
    [
        3.133_856_1 * x - 1.616_866_7 * y - 0.490_614_6 * z,
        -0.978_768_4 * x + 1.916_141_5 * y + 0.033_454_0 * z,
        0.071_945_3 * x - 0.228_991_4 * y + 1.405_242_7 * z,
    ]
    .map(|v| {
        if v <= 0.003_130_8 {
            12.92 * v
        } else {
            1.055 * v.powf(1.0 / 2.4) - 0.055
        }
    })
    .map(|v| v * 255.0)
}

/// Inks of a pixel, 255 is all of it.
fn inks(x: usize, y: usize) -> [u8; 4] {
    [(x * 2) as u8, (y * 2) as u8, ((x + y) / 2) as u8 + 10, 20]
}

fn all_inks() -> Vec<u8> {
    (0..SIDE * SIDE)
        .flat_map(|i| inks(i % SIDE, i / SIDE))
        .collect()
}

fn jpeg(kind: ColorType, sampling: SamplingFactor, profile: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 95);
    encoder.set_sampling_factor(sampling);
    if let Some(profile) = profile {
        encoder.add_icc_profile(profile).unwrap();
    }
    encoder
        .encode(&all_inks(), SIDE as u16, SIDE as u16, kind)
        .unwrap();
    out
}

/// A TIFF of inks in one plain strip.
fn tiff(deep: bool, profile: Option<&[u8]>) -> Vec<u8> {
    let data: Vec<u8> = match deep {
        false => all_inks(),
        true => all_inks()
            .iter()
            .flat_map(|&v| (u16::from(v) * 257).to_le_bytes())
            .collect(),
    };
    let mut out = [b"II*\0", &(8 + data.len() as u32).to_le_bytes()[..], &data].concat();
    let bits: u16 = if deep { 16 } else { 8 };
    let after = out.len() as u32 + 2 + 10 * 12 + 4;
    let mut entries: Vec<(u16, u16, u32, u32)> = vec![
        (256, 4, 1, SIDE as u32),
        (257, 4, 1, SIDE as u32),
        (258, 3, 4, after),
        (259, 3, 1, 1),
        (262, 3, 1, 5),
        (273, 4, 1, 8),
        (277, 3, 1, 4),
        (278, 4, 1, SIDE as u32),
        (279, 4, 1, data.len() as u32),
    ];
    let profile = profile.unwrap_or(b"no profile");
    entries.push((34_675, 7, profile.len() as u32, after + 8));
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out.extend([bits; 4].map(u16::to_le_bytes).concat());
    out.extend(profile);
    out
}

fn rgb(photo: &Photo, x: usize, y: usize) -> [f64; 3] {
    let at = (y * photo.width + x) * 3;
    match &photo.samples {
        Samples::U8(v) => [0, 1, 2].map(|c| f64::from(v[at + c])),
        Samples::U16(v) => [0, 1, 2].map(|c| f64::from(v[at + c]) / 257.0),
    }
}

/// Puts [`FILL`] into the hole.
fn edited(photo: &Photo, options: &EncodeOptions) -> (Vec<u8>, Vec<String>) {
    let mut photo = photo.clone();
    for (x, y) in HOLE.flat_map(|y| HOLE.map(move |x| (x, y))) {
        let at = (y * SIDE + x) * 3;
        match &mut photo.samples {
            Samples::U8(v) => v[at..at + 3].copy_from_slice(&FILL),
            Samples::U16(v) => v[at..at + 3].copy_from_slice(&FILL.map(|v| u16::from(v) * 257)),
        }
    }
    let mut warnings = photo.metadata.warnings.clone();
    let out = photo.encode_with_warnings(options, &mut warnings).unwrap();
    (out, warnings)
}

/// The four components as they are stored.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let decode = |space| {
        let options = DecoderOptions::default().jpeg_set_out_colorspace(space);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().unwrap();
        (decoder.input_colorspace() == Some(space)).then(|| decoder.decode().unwrap())
    };
    decode(ColorSpace::CMYK)
        .or_else(|| decode(ColorSpace::YCCK))
        .unwrap()
}

fn far(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_jpeg_of_inks_keeps_every_coefficient_outside_and_its_inks() {
    let profile = profile();
    for (kind, sampling, reach) in [
        (ColorType::Cmyk, SamplingFactor::R_4_4_4, 8),
        (ColorType::CmykAsYcck, SamplingFactor::R_4_4_4, 8),
        (ColorType::CmykAsYcck, SamplingFactor::R_4_2_0, 17),
    ] {
        let bytes = jpeg(kind, sampling, Some(&profile));
        let photo = decode(&bytes, &Limits::default()).unwrap();
        assert_eq!((photo.channels, photo.bits()), (Channels::Rgb, 8));
        let (out, warnings) = edited(&photo, &EncodeOptions::default());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("through its profile"), "{warnings:?}");
        assert!(holds(&out, &profile[..1000]) && holds(&out, b"Adobe"));
        let (was, is) = (stored(&bytes), stored(&out));
        let near = HOLE.start - reach..HOLE.end + reach;
        for i in 0..SIDE * SIDE {
            let (x, y) = (i % SIDE, i / SIDE);
            if !(near.contains(&x) && near.contains(&y)) {
                assert_eq!(
                    was[i * 4..i * 4 + 4],
                    is[i * 4..i * 4 + 4],
                    "{kind:?} at {x}, {y}"
                );
            }
        }
        let back = decode(&out, &Limits::default()).unwrap();
        let off = far(&rgb(&back, 42, 42), &FILL.map(f64::from));
        assert!(off < 14.0, "{kind:?} {sampling:?}: {off} from the fill");
        assert_eq!(
            probe(&out, &Limits::default()).unwrap().format,
            Format::Jpeg
        );
        let size = out.len() as f64 / bytes.len() as f64;
        assert!((0.97..1.1).contains(&size), "{size} of its size");
    }
}

#[test]
fn inks_are_seen_as_their_profile_says() {
    let profile = profile();
    let lab = |[c, m, y, k]: [u8; 4]| {
        let [c, m, y, k] = [c, m, y, k].map(|v| f64::from(v) / 255.0);
        let l = 100.0 - 30.0 * c - 30.0 * m - 10.0 * y - 30.0 * k;
        [l, 60.0 * (m - c), 50.0 * y - 25.0 * (c + m)]
    };
    for deep in [false, true] {
        let photo = decode(&tiff(deep, Some(&profile)), &Limits::default()).unwrap();
        assert_eq!(photo.bits(), if deep { 16 } else { 8 });
        for (x, y) in [(0, 0), (20, 30), (50, 50), (70, 40), (90, 90)] {
            let off = far(&rgb(&photo, x, y), &srgb(lab(inks(x, y))));
            assert!(off < 2.5, "{deep} at {x}, {y}: off by {off}");
        }
    }
}

#[test]
fn a_tiff_of_inks_changes_in_the_hole_only() {
    let profile = profile();
    for (deep, profile) in [
        (false, Some(&*profile)),
        (true, Some(&*profile)),
        (false, None),
    ] {
        let bytes = tiff(deep, profile);
        let photo = decode(&bytes, &Limits::default()).unwrap();
        let (out, warnings) = edited(&photo, &EncodeOptions::default());
        let words = if profile.is_some() {
            "through its profile"
        } else {
            "plainly"
        };
        assert!(
            warnings.len() == 1 && warnings[0].contains(words),
            "{warnings:?}"
        );
        let n = if deep { 8 } else { 4 };
        // Both files have their one plain strip behind the header.
        for i in 0..SIDE * SIDE {
            let inside = HOLE.contains(&(i % SIDE)) && HOLE.contains(&(i / SIDE));
            let pixel = 8 + i * n..8 + i * n + n;
            assert_eq!(
                bytes[pixel.clone()] != out[pixel],
                inside,
                "{deep} {}, {}",
                i % SIDE,
                i / SIDE
            );
        }
        let back = decode(&out, &Limits::default()).unwrap();
        let off = far(&rgb(&back, 42, 42), &FILL.map(f64::from));
        assert!(
            off < 3.0,
            "{deep} {}: {off} from the fill",
            profile.is_some()
        );
        assert!(holds(&out, profile.unwrap_or(b"no profile")));
    }
}

#[test]
fn other_types_get_srgb_and_say_so() {
    let profile = profile();
    let photo = decode(&tiff(false, Some(&profile)), &Limits::default()).unwrap();
    let png = EncodeOptions {
        format: Some(Format::Png),
        quality: None,
    };
    let (out, warnings) = edited(&photo, &png);
    assert!(
        warnings.iter().any(|w| w.contains("became sRGB")),
        "{warnings:?}"
    );
    let back = decode(&out, &Limits::default()).unwrap();
    assert!(back.metadata.icc.is_none());
    assert_eq!(rgb(&back, 5, 9), rgb(&photo, 5, 9));
    let jpeg = jpeg(ColorType::Cmyk, SamplingFactor::R_4_4_4, None);
    let photo = decode(&jpeg, &Limits::default()).unwrap();
    assert!(photo.metadata.warnings[0].contains("plainly, because it has no profile"));
    let quality = EncodeOptions {
        format: None,
        quality: Some(90),
    };
    let (out, warnings) = edited(&photo, &quality);
    assert!(
        warnings.iter().any(|w| w.contains("and became RGB")),
        "{warnings:?}"
    );
    let back = decode(&out, &Limits::default()).unwrap();
    assert!(far(&rgb(&back, 5, 9), &rgb(&photo, 5, 9)) < 8.0);
}
