//! Kinds of pictures that stay what they are: lossy WebP, palettes, one bit.

use cleanplate_pictures::{Channels, EncodeOptions, Limits, Rect, Samples, Source, probe};

use crate::make::{edited, fixture, holds, read, riff, webp};

#[test]
fn a_lossy_webp_stays_lossy_at_about_its_size_and_quality_is_heeded() {
    for name in ["lossy.webp", "alpha.webp"] {
        let bytes = fixture(name);
        let (out, said) = edited(&bytes, &EncodeOptions::default());
        assert!(holds(&out, b"VP8 ") && !holds(&out, b"VP8L"), "{name}");
        let ratio = out.len() as f64 / bytes.len() as f64;
        println!("{name}: {} -> {} bytes, {ratio:.2}", bytes.len(), out.len());
        assert!((0.7..=1.4).contains(&ratio), "{name}: {ratio}");
        assert!(said.contains("lossy WebP"), "{said}");
        let (was, is) = (read(&bytes), read(&out));
        assert_eq!(
            (was.channels, &was.metadata.icc),
            (is.channels, &is.metadata.icc)
        );
        assert_eq!(
            (was.metadata.exif, was.metadata.xmp),
            (is.metadata.exif, is.metadata.xmp)
        );
        let sized = |quality| {
            edited(
                &bytes,
                &EncodeOptions {
                    format: None,
                    quality: Some(quality),
                },
            )
            .0
            .len()
        };
        assert!(sized(20) < sized(60) && sized(60) < sized(95), "{name}");
    }
    let (out, _) = edited(&fixture("lossless_alpha.webp"), &EncodeOptions::default());
    assert!(holds(&out, b"VP8L"));
}

/// The lossy WebP with an EXIF block that says so.
fn turned(orientation: u8) -> Vec<u8> {
    let mut chunks = riff(&fixture("lossy.webp"));
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    let exif = [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat();
    chunks.retain(|(kind, _)| kind != b"EXIF");
    let at = chunks.iter().position(|(kind, _)| kind == b"XMP ");
    chunks.insert(at.unwrap_or(chunks.len()), (*b"EXIF", exif));
    webp(&chunks)
}

#[test]
fn a_lossy_webp_that_is_turned_stays_lossy_and_is_shown_the_same_way() {
    let upright = read(&fixture("lossy.webp"));
    let mut unturned = None;
    for orientation in 1..=8 {
        let bytes = turned(orientation);
        let was = read(&bytes);
        let sides = match orientation {
            5.. => (upright.height, upright.width),
            _ => (upright.width, upright.height),
        };
        assert_eq!((was.width, was.height), sides, "{orientation}");
        let (out, said) = edited(&bytes, &EncodeOptions::default());
        let ratio = out.len() as f64 / bytes.len() as f64;
        assert!((0.7..1.3).contains(&ratio), "{orientation}: {ratio}");
        assert!(
            holds(&out, b"VP8 ") && said.contains("lossy WebP"),
            "{said}"
        );
        let header = probe(&out, &Limits::default()).unwrap();
        let is = read(&out);
        assert_eq!((is.width, is.height), sides, "{orientation}");
        assert_eq!((header.width, header.height), sides, "{orientation}");
        let (Samples::U8(a), Samples::U8(b)) = (&was.samples, &is.samples) else {
            panic!("8 bits")
        };
        // What was shown at a place is shown there still, but for the spot and what coding moves.
        let n = was.channels.count();
        let spot = |i: usize| i / n % was.width < 24 && i / n / was.width < 24;
        let apart = |i: usize| u64::from(a[i].abs_diff(b[i]));
        let outside: Vec<u64> = (0..a.len()).filter(|i| !spot(*i)).map(apart).collect();
        let mean = outside.iter().sum::<u64>() as f64 / outside.len() as f64;
        // Unturned, the blocks lie where they lay; else the same coding moves more, but nothing like a picture that lies otherwise.
        let bound = *unturned.get_or_insert(mean) * 2.0;
        assert!(mean <= bound, "{orientation}: {mean}");
        let painted = &b[(12 * was.width + 12) * n..][..3];
        assert!(
            painted[0] > 190 && painted[1] < 110,
            "{orientation}: {painted:?}"
        );
    }
}

#[test]
fn palettes_stay_palettes_and_one_bit_stays_one_bit() {
    // Sixteen colours, dithered, and a fill of many more.
    let colours: Vec<u8> = (0..16u8)
        .flat_map(|i| [i * 16, 255 - i * 12, 40 + i * 8])
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 64, 64);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette(colours);
    let indices: Vec<u8> = (0..64 * 32).map(|i| (i % 255) as u8).collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&indices)
        .unwrap();
    let was = read(&bytes);
    let mut photo = was.clone();
    let half = Rect {
        x0: 0,
        y0: 0,
        x1: 64,
        y1: 32,
    };
    photo.blend_rows(half, |y, blend| {
        (0..64).for_each(|x| blend(x, [x as f32 / 63.0, y as f32 / 31.0, 0.5], 255))
    });
    let mut warnings = Vec::new();
    let out = photo
        .encode_with_warnings(&EncodeOptions::default(), &mut warnings)
        .unwrap();
    let is = read(&out);
    let (Source::Png(old), Source::Png(new)) = (was.source, is.source) else {
        panic!("no PNG")
    };
    let (old, new) = (old.palette.unwrap(), new.palette.unwrap());
    assert_eq!(new.colours[..16], old.colours, "{warnings:?}");
    assert_eq!(new.indices[64 * 32..], old.indices[64 * 32..]);
    let (Samples::U8(a), Samples::U8(b)) = (&is.samples, &photo.samples) else {
        panic!("8 bits")
    };
    let off: u32 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    assert!(f64::from(off) / (a.len() as f64) < 4.0, "{off}");

    let (out, _) = edited(&fixture("gray_1bit.png"), &EncodeOptions::default());
    let header = probe(&out, &Limits::default()).unwrap();
    assert_eq!((header.bits, header.channels), (1, Channels::Gray));
    assert!(out.len() < 2 * fixture("gray_1bit.png").len());
}
