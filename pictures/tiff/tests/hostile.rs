//! Files made to hurt: refused at once, with the reason.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::make::Made;
use crate::tiff::layout::{Alpha, Photometric};
use crate::tiff::tag;
use crate::tiff::tree::Tree;
use crate::{ImageError, Limits, MaskChannel, decode, decode_mask, probe};

/// A small file with one entry set otherwise.
fn with(tag: u16, kind: u16, numbers: &[u32]) -> Vec<u8> {
    set(Made::new(8, Photometric::Rgb, None), tag, kind, numbers)
}

fn set(made: Made, tag: u16, kind: u16, numbers: &[u32]) -> Vec<u8> {
    let bytes = made.bytes();
    let (_, mut tree) = Tree::of_block(&bytes).unwrap();
    let mut out = bytes.clone();
    tree.set_numbers(tag, kind, true, numbers);
    tree.write(true, &mut out);
    out
}

fn refused(bytes: &[u8], wanted: &str) {
    let started = Instant::now();
    for error in [
        probe(bytes, &Limits::default()).unwrap_err(),
        decode(bytes, &Limits::default()).unwrap_err(),
        decode_mask(bytes, &Limits::default(), MaskChannel::Luma).unwrap_err(),
    ] {
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
    }
    assert!(started.elapsed() < Duration::from_millis(500), "{wanted}");
}

#[test]
fn what_is_not_read_is_refused_with_its_name() {
    let rgb = || Made::new(16, Photometric::Rgb, None);
    refused(&with(tag::COMPRESSION, 3, &[7]), "JPEG coding inside");
    refused(&with(tag::COMPRESSION, 3, &[4]), "CCITT");
    refused(&with(tag::COMPRESSION, 3, &[50_000]), "Zstandard");
    refused(&with(tag::PHOTOMETRIC, 3, &[3]), "a palette with 3 samples");
    let indexed = || Made::new(8, Photometric::Palette, None);
    refused(&indexed().bytes(), "its palette has 0 of 768 values");
    refused(
        &set(indexed(), tag::COLOR_MAP, 3, &[9; 700]),
        "its palette has 700 of 768 values",
    );
    refused(&with(tag::PHOTOMETRIC, 3, &[6]), "YCbCr");
    refused(&with(tag::PHOTOMETRIC, 3, &[8]), "Lab");
    refused(&with(tag::BITS, 3, &[32, 32, 32]), "samples of 32 bits");
    refused(&with(tag::BITS, 3, &[1, 1, 1]), "samples of 1 bits");
    refused(&with(tag::BITS, 3, &[8, 16, 8]), "different depths");
    refused(
        &set(rgb(), tag::SAMPLE_FORMAT, 3, &[3]),
        "floating-point samples of 16 bits",
    );
    refused(&with(tag::SAMPLES, 3, &[60_000]), "60000 samples per pixel");
    refused(&with(tag::FILL_ORDER, 3, &[2]), "reversed order");
    refused(
        &set(rgb().coded(8, true), tag::PREDICTOR, 3, &[3]),
        "predictor 3",
    );
    refused(
        b"II+\0\x08\0\0\0\0\0\0\0\0\0\0\0",
        "BigTIFF is not read; send JPEG",
    );
}

#[test]
fn camera_raws_are_no_tiffs() {
    let raw = |bytes: &[u8], name: &str| {
        let error = decode(bytes, &Limits::default()).unwrap_err();
        assert!(
            matches!(&error, ImageError::UnsupportedType { found: Some(found) } if found.contains(name)),
            "{error}"
        );
    };
    raw(&with(tag::DNG_VERSION, 1, &[1]), "DNG");
    raw(&with(tag::PHOTOMETRIC, 3, &[32_803]), "raw");
    raw(&with(tag::COMPRESSION, 3, &[34_713]), "NEF");
    let mut cr2 = Made::new(8, Photometric::Rgb, None).bytes();
    cr2[8..10].copy_from_slice(b"CR");
    raw(&cr2, "CR2");
    // A preview in front, the sensor's picture below it.
    let mut bytes = Made::new(8, Photometric::Rgb, None).bytes();
    let (_, mut tree) = Tree::of_block(&bytes).unwrap();
    let mut sensor = Tree::default();
    sensor.set_numbers(tag::PHOTOMETRIC, 3, true, &[32_803]);
    sensor.write(true, &mut bytes);
    let at = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    tree.set_numbers(tag::SUB_IFDS, 4, true, &[at]);
    tree.write(true, &mut bytes);
    raw(&bytes, "raw");
}

#[test]
fn sizes_places_and_counts_are_held_against_the_file() {
    refused(&with(tag::WIDTH, 4, &[4_000_000_000]), "pixels");
    refused(&with(tag::WIDTH, 4, &[40_000]), "each side");
    refused(&with(tag::WIDTH, 4, &[0]), "size is 0x");
    refused(
        &with(tag::STRIP_OFFSETS, 4, &[8, 8, 8, u32::MAX]),
        "outside of the file",
    );
    refused(
        &with(tag::STRIP_BYTES, 4, &[8, 8, 8, u32::MAX]),
        "outside of the file",
    );
    refused(&with(tag::STRIP_OFFSETS, 4, &[8]), "1 of 4 strips");
    let all = Made::new(8, Photometric::Rgb, None).bytes().len() as u32 - 8;
    let overlapping = set(
        Made::new(8, Photometric::Rgb, None),
        tag::STRIP_BYTES,
        4,
        &[all; 4],
    );
    let overlapping = {
        let (_, mut tree) = Tree::of_block(&overlapping).unwrap();
        let mut out = overlapping.clone();
        tree.set_numbers(tag::STRIP_OFFSETS, 4, true, &[8; 4]);
        tree.write(true, &mut out);
        out
    };
    refused(&overlapping, "overlap");
    let tiles = |width, height| {
        let (_, mut tree) =
            Tree::of_block(&Made::new(8, Photometric::Rgb, None).tiled().bytes()).unwrap();
        let mut out = b"II*\0\0\0\0\0".to_vec();
        tree.set_numbers(tag::TILE_WIDTH, 4, true, &[width]);
        tree.set_numbers(tag::TILE_HEIGHT, 4, true, &[height]);
        tree.write(true, &mut out);
        out
    };
    refused(&tiles(u32::MAX - 15, u32::MAX - 15), "pixels in its tiles");
    refused(&tiles(16, 1 << 20), "pixels in its tiles");
    refused(&tiles(0, 16), "tiles have no size");
    let mut small = Made::new(8, Photometric::Gray, None);
    small.layout.chunk.1 = 1;
    (small.layout.width, small.layout.chunk.0) = (1, 1);
    small.layout.height = 70_000;
    let limits = Limits {
        side_max: 100_000,
        ..Limits::default()
    };
    let error = probe(&small.bytes(), &limits).unwrap_err();
    assert!(error.to_string().contains("strips or tiles"), "{error}");
}

#[test]
fn missing_pixels_are_refused_while_decoding() {
    for compression in [1, 5, 8, 32_773] {
        let bytes = set(
            Made::new(8, Photometric::Rgb, None).coded(compression, false),
            tag::STRIP_BYTES,
            4,
            &[20; 4],
        );
        let error = decode(&bytes, &Limits::default()).unwrap_err();
        assert!(
            matches!(error, ImageError::Corrupt { .. }),
            "{compression}: {error}"
        );
    }
}

#[test]
fn circles_and_endless_directories_are_cut_short() {
    let bytes = Made::new(8, Photometric::Rgb, None).bytes();
    let at = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let link = at + 2 + count * 12;
    let mut circle = bytes.clone();
    circle[link..link + 4].copy_from_slice(&(at as u32).to_le_bytes());
    refused(&circle, "circle");
    // Empty directories, each pointing at the next.
    let mut many = bytes.clone();
    many[link..link + 4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    for i in 0..200_000u32 {
        let next = bytes.len() as u32 + (i + 1) * 6;
        many.extend([0, 0]);
        many.extend(next.to_le_bytes());
    }
    refused(&many, "pages or more");
    // One value that many entries stand for.
    let mut alias = bytes.clone();
    let place = alias.len() as u32;
    alias.resize(alias.len() + (4 << 20), 7);
    let (_, mut tree) = Tree::of_block(&bytes).unwrap();
    let mut directory: Vec<u8> = Vec::new();
    tree.values.truncate(0);
    for i in 0..5000u16 {
        directory.extend((36_864 + i % 200).to_le_bytes());
        directory.extend(7u16.to_le_bytes());
        directory.extend((4u32 << 20).to_le_bytes());
        directory.extend(place.to_le_bytes());
    }
    let exif = alias.len() as u32;
    alias.extend(5000u16.to_le_bytes());
    alias.extend(directory);
    alias.extend([0; 4]);
    let (_, mut tree) = Tree::of_block(&bytes).unwrap();
    let mut linked = Tree::default();
    linked.set_numbers(tag::EXIF_IFD, 4, true, &[exif]);
    tree.values.extend(linked.values);
    tree.write(true, &mut alias);
    refused(&alias, "bytes of metadata");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damage_never_panics(kind in 0usize..4, at in prop::collection::vec((0usize..40_000, any::<u8>()), 1..10), cut in 0usize..40_000) {
        let made = match kind {
            0 => Made::new(8, Photometric::Rgb, None).coded(5, true),
            1 => Made::new(16, Photometric::Rgb, Some(Alpha::Associated)).coded(8, true).tiled(),
            2 => Made::new(8, Photometric::Gray, None).coded(32_773, false),
            _ => super::make::Made { little: false, ..Made::new(16, Photometric::Gray, None) },
        };
        let mut bytes = made.bytes();
        let directory = bytes.len().saturating_sub(300);
        for (i, (place, byte)) in at.into_iter().enumerate() {
            // Half of the damage in the directory, which lies at the end.
            let place = if i % 2 == 0 { place % bytes.len() } else { directory + place % (bytes.len() - directory) };
            bytes[place] = byte;
        }
        if let Ok(photo) = decode(&bytes, &Limits::default()) {
            let _ = photo.encode(&Default::default()).unwrap();
        }
        let _ = decode(&bytes[..cut.min(bytes.len())], &Limits::default());
    }
}
