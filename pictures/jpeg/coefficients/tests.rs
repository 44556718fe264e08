//! Files of a foreign encoder come back coefficient by coefficient; damaged ones are refused, never guessed at.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use std::time::Duration;

use super::frame::Part;
use super::*;
use crate::deadline::Deadline;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// How a test file is coded.
#[derive(Debug, Clone, Copy)]
struct Kind {
    size: (u16, u16),
    gray: bool,
    sampling: (u8, u8),
    progressive_scans: u8,
    optimised: bool,
    restart_mcus: u16,
    quality: u8,
}

/// A picture with edges, ramps and noise, coded as asked.
fn file(kind: Kind) -> Vec<u8> {
    let (width, height) = kind.size;
    let count = if kind.gray { 1 } else { 3 };
    let mut pixels = Vec::new();
    for i in 0..usize::from(width) * usize::from(height) * count {
        let (at, channel) = (i / count, i % count);
        let (x, y) = (at % usize::from(width), at / usize::from(width));
        let noise = (x * 7919 + y * 104_729 + channel * 31) % 29;
        let edge = if (x / 11 + y / 7) % 2 == 0 { 90 } else { 0 };
        pixels.push(((x * 3 + y * 2 + channel * 40 + edge + noise) % 256) as u8);
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, kind.quality);
    let (h, v) = kind.sampling;
    encoder.set_sampling_factor(SamplingFactor::from_factors(h, v).unwrap());
    // With restarts, that encoder's own tables lack codes that its data use.
    encoder.set_optimized_huffman_tables(kind.optimised && kind.restart_mcus == 0);
    encoder.set_restart_interval(kind.restart_mcus);
    if kind.progressive_scans > 0 {
        encoder.set_progressive_scans(kind.progressive_scans);
    }
    let colour = if kind.gray {
        ColorType::Luma
    } else {
        ColorType::Rgb
    };
    encoder.encode(&pixels, width, height, colour).unwrap();
    out
}

fn kinds() -> impl Strategy<Value = Kind> {
    let sampling = prop::sample::select(vec![(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)]);
    let scans = prop::sample::select(vec![0u8, 0, 2, 5, 33]);
    (
        (1u16..90, 1u16..70),
        any::<bool>(),
        sampling,
        scans,
        any::<bool>(),
        prop::sample::select(vec![0u16, 1, 3, 8]),
        1u8..=100,
    )
        .prop_map(
            |(size, gray, sampling, progressive_scans, optimised, restart_mcus, quality)| Kind {
                size,
                gray,
                sampling,
                progressive_scans,
                optimised,
                restart_mcus,
                quality,
            },
        )
}

/// Splits a progressive file's scans so that every coefficient comes bit by bit, which the foreign encoder never does.
fn refine(coded: &mut Coded) {
    let mut scans = Vec::new();
    let planes = coded.frame.planes.len();
    let scan = |parts: Vec<usize>, band, bits| Scan {
        parts: parts
            .into_iter()
            .map(|plane| Part {
                plane,
                tables: [0; 2],
            })
            .collect(),
        band,
        bits,
        restart_mcus: coded.scans[0].restart_mcus,
        tables: Tables::default(),
    };
    let all = || (0..planes).collect::<Vec<_>>();
    scans.push(scan(all(), (0, 0), (0, 2)));
    for plane in 0..planes {
        scans.push(scan(vec![plane], (1, 5), (0, 2)));
        scans.push(scan(vec![plane], (6, 63), (0, 1)));
        scans.push(scan(vec![plane], (1, 5), (2, 1)));
        scans.push(scan(vec![plane], (1, 63), (1, 0)));
    }
    scans.push(scan(all(), (0, 0), (2, 1)));
    scans.push(scan(all(), (0, 0), (1, 0)));
    coded.scans = scans;
}

fn zune(bytes: &[u8]) -> Vec<u8> {
    let bytes = zune_jpeg::zune_core::bytestream::ZCursor::new(bytes);
    zune_jpeg::JpegDecoder::new(bytes).decode().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_kind_comes_back_with_its_coefficients_and_size(kind in kinds()) {
        let bytes = file(kind);
        let first = read(&bytes, 100, soon()).unwrap();
        let out = first.write(&[]).unwrap();
        let second = read(&out, 100, soon()).unwrap();
        prop_assert!(first.blocks == second.blocks && first.steps == second.steps && first.frame == second.frame);
        let script = |coded: &Coded| {
            let scans = coded.scans.iter();
            scans.map(|s| (s.band, s.bits, s.parts.len(), s.restart_mcus)).collect::<Vec<_>>()
        };
        prop_assert_eq!(script(&first), script(&second));
        // The same tables give the same data: all that can fall away is what no scan used.
        prop_assert!(out.len() <= bytes.len(), "{} bytes became {}", bytes.len(), out.len());
        prop_assert_eq!(out.clone(), second.write(&[]).unwrap());
    }

    #[test]
    fn bit_by_bit_scans_come_back_and_decode_alike(kind in kinds()) {
        let bytes = file(Kind { progressive_scans: 5, ..kind });
        let mut coded = read(&bytes, 100, soon()).unwrap();
        refine(&mut coded);
        let out = coded.write(&[]).unwrap();
        let again = read(&out, 100, soon()).unwrap();
        prop_assert!(again.blocks == coded.blocks);
        prop_assert_eq!(zune(&out), zune(&bytes));
    }

    #[test]
    fn damaged_files_never_panic_and_never_take_more_than_they_announce(
        kind in kinds(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = file(kind);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(coded) = read(&bytes, 100, soon()) {
            let samples: usize = coded.blocks.iter().map(|blocks| blocks.len() * 64).sum();
            prop_assert!(samples <= (coded.frame.width + 31) * (coded.frame.height + 31) * 4);
            // What is accepted can be written and means the same.
            if let Ok(out) = coded.write(&[]) {
                prop_assert!(read(&out, 100, soon()).unwrap().blocks == coded.blocks);
            }
        }
    }

    #[test]
    fn noise_is_no_file(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&bytes, 100, soon()).is_err());
    }
}

#[test]
fn a_short_file_makes_no_room_for_a_large_picture() {
    let mut bytes = file(Kind {
        size: (16, 16),
        gray: false,
        sampling: (1, 1),
        progressive_scans: 0,
        optimised: false,
        restart_mcus: 0,
        quality: 80,
    });
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
    assert_eq!(
        read(&bytes, 100, soon()).unwrap_err(),
        Obstacle("it is too short for its size")
    );
}

#[test]
fn scans_that_repeat_a_coefficient_are_refused() {
    let kind = Kind {
        size: (16, 16),
        gray: true,
        sampling: (1, 1),
        progressive_scans: 2,
        optimised: true,
        restart_mcus: 0,
        quality: 80,
    };
    let late = Deadline::after(Duration::ZERO);
    assert_eq!(read(&file(kind), 100, late).unwrap_err(), SLOW);
    let mut coded = read(&file(kind), 100, soon()).unwrap();
    let last = coded.scans[1].clone();
    coded.scans.push(last);
    let out = coded.write(&[]).unwrap();
    assert!(read(&out, 100, soon()).unwrap_err().0.contains("twice"));
    assert_eq!(
        read(&out, 1, soon()).unwrap_err(),
        Obstacle("it has too many scans")
    );
}
