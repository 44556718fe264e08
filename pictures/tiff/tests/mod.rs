mod hostile;
mod make;
mod metadata;

use ::tiff::decoder::{Decoder, DecodingResult};

use super::layout::{Alpha, Photometric};
use super::{parse, tag};
use crate::{Channels, EncodeOptions, Format, Limits, Photo, Samples, decode};
use make::{HEIGHT, Made, WIDTH, fill, read};

/// What another reader makes of a file: every sample, plane after plane.
fn other_reader(bytes: &[u8]) -> Vec<u16> {
    let mut decoder = Decoder::new(std::io::Cursor::new(bytes)).unwrap();
    let mut result = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut result).unwrap();
    match result {
        DecodingResult::U8(v) => v.into_iter().map(u16::from).collect(),
        DecodingResult::U16(v) => v,
        _ => panic!("8 or 16 bits"),
    }
}

fn samples(photo: &Photo) -> Vec<u16> {
    match &photo.samples {
        Samples::U8(v) => v.iter().map(|&s| u16::from(s)).collect(),
        Samples::U16(v) => v.clone(),
    }
}

/// Every layout that is written: byte order, depth, kind, strips or tiles, planes, coding.
fn layouts() -> Vec<(String, Made)> {
    let kinds = [
        (Photometric::Gray, None),
        (Photometric::Gray, Some(Alpha::Unassociated)),
        (Photometric::Rgb, None),
        (Photometric::Rgb, Some(Alpha::Unassociated)),
    ];
    let codings = [
        (1, false),
        (5, false),
        (5, true),
        (8, true),
        (32_946, false),
        (32_773, false),
    ];
    let mut out = Vec::new();
    for (i, (photometric, alpha)) in kinds.into_iter().enumerate() {
        for (j, (compression, predictor)) in codings.into_iter().enumerate() {
            for k in 0..8 {
                let mut made = Made::new(if k & 1 == 0 { 8 } else { 16 }, photometric, alpha);
                made = made.coded(compression, predictor);
                made.layout.planar = k & 2 != 0 && made.layout.samples > 1;
                if k & 4 != 0 {
                    made = made.tiled();
                }
                made.little = (i + j + k) % 2 == 0;
                out.push((
                    format!("{photometric:?} {alpha:?} {compression} {predictor} {k}"),
                    made,
                ));
            }
        }
    }
    out
}

#[test]
fn every_layout_is_read_as_others_read_it_and_keeps_all_but_the_hole() {
    for (name, made) in layouts() {
        let bytes = made.bytes();
        let photo = read(&bytes);
        assert_eq!(photo.bits(), made.layout.bits, "{name}");
        // The other reader knows no planes of tiles, and stumbles over LZW tiles of which it needs a part only.
        let lzw_tiles = made.layout.tiled && made.compression == 5;
        let known = !made.layout.planar && !lzw_tiles;
        if known {
            assert_eq!(samples(&photo), other_reader(&bytes), "{name}");
        }
        let same = photo.encode(&EncodeOptions::default()).unwrap();
        assert!(
            read(&same) == photo || read(&same).samples == photo.samples,
            "{name}"
        );
        let mut edited = photo.clone();
        fill(&mut edited, 20..24, 12..18);
        let out = edited.encode(&EncodeOptions::default()).unwrap();
        let back = read(&out);
        assert!(back.samples == edited.samples, "{name}: pixels");
        assert_eq!(back.metadata, photo.metadata, "{name}");
        let (was, is) = (
            parse(&bytes, &Limits::default()).unwrap(),
            parse(&out, &Limits::default()).unwrap(),
        );
        assert_eq!(is.tiff.little, was.tiff.little, "{name}: byte order");
        let mut layout = is.layout.clone();
        layout.places.clone_from(&was.layout.places);
        assert_eq!(layout, was.layout, "{name}");
        // All strips and tiles but the one with the hole are the same bytes.
        let copied = was.layout.places.iter().zip(&is.layout.places);
        let copied = copied
            .filter(|(a, b)| bytes[(*a).clone()] == out[(*b).clone()])
            .count();
        assert_eq!(
            copied,
            was.layout.places.len() - was.layout.planes(),
            "{name}"
        );
        if known {
            assert_eq!(samples(&back), other_reader(&out), "{name}: written");
        }
    }
}

#[test]
fn planes_hold_what_pixels_hold() {
    for bits in [8, 16] {
        for tiled in [false, true] {
            let mut made =
                Made::new(bits, Photometric::Rgb, Some(Alpha::Unassociated)).coded(5, true);
            if tiled {
                made = made.tiled();
            }
            let chunky = read(&made.bytes());
            made.layout.planar = true;
            assert!(read(&made.bytes()).samples == chunky.samples);
        }
    }
}

#[test]
fn orientations_are_shown_upright_and_stored_as_they_were() {
    for value in 1..=8u16 {
        let made = Made::new(8, Photometric::Rgb, None).coded(5, true);
        let made = made.value(tag::ORIENTATION, 3, 1, &value.to_le_bytes());
        let photo = read(&made.bytes());
        let size = if value >= 5 {
            (HEIGHT, WIDTH)
        } else {
            (WIDTH, HEIGHT)
        };
        assert_eq!((photo.width, photo.height), size, "orientation {value}");
        let plain = read(&Made::new(8, Photometric::Rgb, None).bytes());
        let turned = crate::Orientation::from_exif(value);
        let (Samples::U8(shown), Samples::U8(stored)) = (&photo.samples, plain.samples) else {
            panic!()
        };
        assert!(
            *shown == turned.apply::<u8, 3>(stored, WIDTH).unwrap(),
            "orientation {value}"
        );
        let mut edited = photo.clone();
        fill(&mut edited, 3..6, 4..9);
        let out = edited.encode(&EncodeOptions::default()).unwrap();
        let back = read(&out);
        assert!(back.samples == edited.samples, "orientation {value}");
        let file = parse(&out, &Limits::default()).unwrap();
        assert_eq!(super::orientation(&file), turned, "orientation {value}");
        let png = edited.encode(&EncodeOptions {
            format: Some(Format::Png),
            quality: None,
        });
        let png = decode(&png.unwrap(), &Limits::default()).unwrap();
        assert!(
            png.samples == edited.samples,
            "as a PNG, orientation {value}"
        );
    }
}

#[test]
fn white_is_zero_is_turned_round_and_back() {
    let made = Made::new(8, Photometric::WhiteIsZero, None);
    let (photo, gray) = (
        read(&made.bytes()),
        read(&Made::new(8, Photometric::Gray, None).bytes()),
    );
    let inverted: Vec<u16> = samples(&gray).iter().map(|s| 255 - s).collect();
    assert_eq!(samples(&photo), inverted);
    let mut edited = photo;
    fill(&mut edited, 5..9, 5..9);
    let out = edited.encode(&EncodeOptions::default()).unwrap();
    assert!(read(&out).samples == edited.samples);
    assert_eq!(
        parse(&out, &Limits::default()).unwrap().layout.photometric,
        Photometric::WhiteIsZero
    );
}

#[test]
fn colours_that_alpha_was_multiplied_into_stay_so_and_are_exact_outside() {
    for bits in [8, 16] {
        let made = Made::new(bits, Photometric::Rgb, Some(Alpha::Associated)).coded(8, false);
        let bytes = made.bytes();
        let photo = read(&bytes);
        assert_eq!(photo.channels, Channels::Rgba);
        let mut edited = photo.clone();
        let at = (12 * WIDTH + 20) * 4;
        match &mut edited.samples {
            Samples::U8(v) => v[at..at + 4].copy_from_slice(&[200, 100, 0, 128]),
            Samples::U16(v) => v[at..at + 4].copy_from_slice(&[51_400, 25_700, 0, 32_896]),
        }
        let out = edited.encode(&EncodeOptions::default()).unwrap();
        let (before, after) = (other_reader(&bytes), other_reader(&out));
        let want: [u16; 4] = if bits == 8 {
            [100, 50, 0, 128]
        } else {
            [25_801, 12_900, 0, 32_896]
        };
        assert_eq!(after[at..at + 4], want);
        assert!(
            before
                .iter()
                .zip(&after)
                .enumerate()
                .all(|(i, (a, b))| (at..at + 4).contains(&i) || a == b)
        );
        let is = parse(&out, &Limits::default()).unwrap();
        assert_eq!(is.layout.alpha, Some(Alpha::Associated));
    }
}

#[test]
fn channels_of_unknown_meaning_stay_and_are_told() {
    let mut made = Made::new(8, Photometric::Rgb, None);
    made.layout.samples = 5;
    made.extra = vec![0, 0];
    let bytes = made.bytes();
    let mut photo = read(&bytes);
    assert_eq!(photo.channels, Channels::Rgb);
    assert!(
        photo.metadata.warnings[0].contains("further channels"),
        "{:?}",
        photo.metadata.warnings
    );
    fill(&mut photo, 5..9, 5..9);
    let out = photo.encode(&EncodeOptions::default()).unwrap();
    let raw = |bytes: &[u8]| {
        let file = parse(bytes, &Limits::default()).unwrap();
        file.layout.unpack::<u8>(bytes, true, 0).unwrap()
    };
    let (before, after) = (raw(&bytes), raw(&out));
    assert!(before != after);
    let further = |raw: &[u8]| {
        raw.chunks_exact(5)
            .map(|px| [px[3], px[4]])
            .collect::<Vec<_>>()
    };
    assert_eq!(further(&before), further(&after));
}

#[test]
fn masks_may_be_tiffs_of_both_depths() {
    for bits in [8u8, 16] {
        let bytes = Made::new(bits, Photometric::Gray, None).bytes();
        let file = crate::decode_mask(&bytes, &Limits::default(), crate::MaskChannel::Luma);
        let mask = file.unwrap().mask;
        let max = if bits == 8 { 255.0 } else { 65_535.0 };
        for (cut, sample) in mask.data.iter().zip(samples(&read(&bytes))) {
            let removes = (f64::from(sample) / max * 255.0).round() >= 128.0;
            assert_eq!(*cut != 0, removes);
        }
    }
}

#[test]
fn other_photos_become_tiffs_without_loss() {
    for name in [
        "upright.png",
        "gray_alpha.png",
        "q85_420.jpg",
        "orientation_6.jpg",
    ] {
        let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        let photo = decode(&std::fs::read(path).unwrap(), &Limits::default()).unwrap();
        let options = EncodeOptions {
            format: Some(Format::Tiff),
            quality: None,
        };
        let out = photo.encode(&options).unwrap();
        let back = read(&out);
        assert_eq!((back.width, back.height), (photo.width, photo.height));
        assert!(
            back.samples == photo.samples && back.channels == photo.channels,
            "{name}"
        );
        assert_eq!(samples(&photo), other_reader(&out), "{name}");
        assert_eq!(
            (&back.metadata.icc, &back.metadata.xmp),
            (&photo.metadata.icc, &photo.metadata.xmp)
        );
        assert_eq!(
            back.metadata.exif.is_some(),
            photo.metadata.exif.is_some(),
            "{name}"
        );
    }
}

#[test]
fn a_palette_stays_where_it_has_colours_for_the_fill() {
    // In no order, and with channels that are no copies of each other.
    let colour = |at: usize| {
        let value = (at * 77 + 13) % 256;
        [value as u8, 255 - value as u8, value as u8 / 2]
    };
    // All reds, then all greens, all blues; of 16 bits, or of 8 as some programs write it.
    let map = |unit: u16| -> Vec<u8> {
        let all = (0..768).map(|i| u16::from(colour(i % 256)[i / 256]) * unit);
        all.flat_map(u16::to_le_bytes).collect()
    };
    let made = |unit| {
        let made = Made::new(8, Photometric::Palette, None);
        made.value(tag::COLOR_MAP, 3, 768, &map(unit))
    };
    for made in [
        made(257),
        made(1),
        made(257).coded(5, true),
        made(257).coded(8, false).tiled(),
    ] {
        let bytes = made.bytes();
        let photo = read(&bytes);
        assert_eq!(photo.channels, Channels::Rgb);
        let Samples::U8(samples) = &photo.samples else {
            panic!("8 bits")
        };
        let expected: Vec<u8> = (0..WIDTH * HEIGHT)
            .flat_map(|at| colour(make::sample(at % WIDTH, at / WIDTH, 0) as usize % 256))
            .collect();
        assert!(*samples == expected);
        let edited = |colour: [u8; 3]| {
            let mut edited = samples.clone();
            let hole = 3 * (20 * WIDTH + 14);
            edited[hole..hole + 3].copy_from_slice(&colour);
            let photo = Photo {
                samples: Samples::U8(edited),
                ..photo.clone()
            };
            let mut warnings = Vec::new();
            let out = photo.encode_with_warnings(&EncodeOptions::default(), &mut warnings);
            (read(&out.unwrap()), hole, warnings)
        };
        let (near, hole, warnings) = edited([120, 135, 62]);
        assert!(warnings.is_empty(), "{warnings:?}");
        let Samples::U8(now) = &near.samples else {
            panic!("8 bits")
        };
        assert_eq!(
            now[hole..hole + 3],
            [120, 135, 60],
            "the nearest of its colours"
        );
        assert!(now[..hole] == samples[..hole] && now[hole + 3..] == samples[hole + 3..]);
        let (far, hole, warnings) = edited([250, 250, 10]);
        assert!(warnings[0].contains("became RGB"), "{warnings:?}");
        let Samples::U8(now) = &far.samples else {
            panic!("8 bits")
        };
        assert_eq!(now[hole..hole + 3], [250, 250, 10]);
        assert!(now[..hole] == samples[..hole] && now[hole + 3..] == samples[hole + 3..]);
    }
}
