//! Photos in their own colour spaces: what a network sees and says is sRGB, what is written is the photo's own.

use super::*;
use cleanplate_engine::{BackendChoice, EngineOptions, open};
use moxcms::ColorProfile;

/// Displayed as sRGB, 0 to 255.
fn shown(photo: &Photo, x: usize, y: usize) -> [f32; 3] {
    let mut rgb = photo.pixel_f32(x, y);
    if let Some(colours) = photo.colours().unwrap() {
        colours.to_srgb(&mut rgb).unwrap();
    }
    rgb.map(|v| v * 255.0)
}

#[test]
fn what_a_network_says_is_shown_in_that_colour_whatever_the_space() {
    use png::{BitDepth, ColorType};
    // The light of the colour as profiles reckon it: sRGB's primaries adapted to D50.
    let gray = COLOUR.map(|_| 0.222_5 * linear(0) + 0.716_9 * linear(1) + 0.060_6 * linear(2));
    let gray = gray.map(|v| 1.055 * v.powf(1.0 / 2.4) - 0.055);
    for (name, profile, kind, want) in [
        (
            "Display P3",
            ColorProfile::new_display_p3(),
            ColorType::Rgb,
            COLOUR,
        ),
        (
            "Adobe RGB",
            ColorProfile::new_adobe_rgb(),
            ColorType::Rgb,
            COLOUR,
        ),
        (
            "ProPhoto RGB",
            ColorProfile::new_pro_photo_rgb(),
            ColorType::Rgb,
            COLOUR,
        ),
        (
            "gray 1.8",
            ColorProfile::new_gray_with_gamma(1.8),
            ColorType::Grayscale,
            gray,
        ),
        (
            "gray 2.2",
            ColorProfile::new_gray_with_gamma(2.2),
            ColorType::Grayscale,
            gray,
        ),
        (
            "linear gray",
            ColorProfile::new_gray_with_gamma(1.0),
            ColorType::Grayscale,
            gray,
        ),
    ] {
        for depth in [BitDepth::Eight, BitDepth::Sixteen] {
            let mut before = photo(150, 120, kind, depth);
            before.metadata.icc = Some(profile.encode().unwrap());
            let outcome = bench(usize::MAX)
                .runner
                .run(
                    &pipeline("lama"),
                    request(&before, mask(150, 120, &[BOX]), &[]),
                    &NoObserver,
                )
                .unwrap();
            assert!(
                outcome.warnings.is_empty(),
                "{name}: {:?}",
                outcome.warnings
            );
            let is = shown(&outcome.photo, 75, 60);
            let off = is
                .iter()
                .zip(want)
                .map(|(is, want)| (is - want * 255.0).abs());
            let off = off.fold(0.0, f32::max);
            // Half a step of 8 bits of so wide a space is two of sRGB's where it is dark.
            let coarse = name == "ProPhoto RGB" && depth == BitDepth::Eight;
            let within = if coarse { 2.5 } else { 1.0 };
            assert!(off <= within, "{name} {depth:?}: {is:?} for {want:?}");
            assert_eq!(outcome.photo.metadata, before.metadata, "{name}");
            let (was, is) = (values(&before), values(&outcome.photo));
            let n = before.channels.count();
            for (i, (was, is)) in was.iter().zip(&is).enumerate() {
                let (x, y) = (i / n % 150, i / n / 150);
                let inside = (BOX.x0..BOX.x1).contains(&x) && (BOX.y0..BOX.y1).contains(&y);
                assert!(inside || was == is, "{name} {depth:?} at {x}, {y}");
            }
        }
    }
}

fn linear(channel: usize) -> f32 {
    ((COLOUR[channel] + 0.055) / 1.055).powf(2.4)
}

#[test]
fn a_broken_profile_is_taken_for_srgb_and_told() {
    let mut before = photo(150, 120, png::ColorType::Rgb, png::BitDepth::Eight);
    before.metadata.icc = Some(b"no profile at all".to_vec());
    let outcome = bench(usize::MAX)
        .runner
        .run(
            &pipeline("lama"),
            request(&before, mask(150, 120, &[BOX]), &[]),
            &NoObserver,
        )
        .unwrap();
    assert!(
        outcome.warnings[0].contains("taken for sRGB"),
        "{:?}",
        outcome.warnings
    );
    assert_eq!(
        values(&outcome.photo)[(60 * 150 + 75) * 3..][..3],
        [51, 102, 204]
    );
    assert_eq!(outcome.photo.metadata.icc, before.metadata.icc);
}

/// Patches and the gradient-domain blend work at the photo's depth: a slope of 16 bits stays one.
#[test]
fn a_slope_of_16_bits_has_no_steps() {
    let (width, height) = (160, 120);
    let truth = |x: usize, y: usize| (9_000 + x * 61 + y * 23) as u16;
    let mut before = photo(width, height, png::ColorType::Rgb, png::BitDepth::Sixteen);
    before.samples = Samples::U16(
        (0..width * height * 3)
            .map(|i| truth(i / 3 % width, i / 3 / width))
            .collect(),
    );
    let mut hole = before.clone();
    let Samples::U16(samples) = &mut hole.samples else {
        panic!()
    };
    for (x, y) in (BOX.y0..BOX.y1).flat_map(|y| (BOX.x0..BOX.x1).map(move |x| (x, y))) {
        samples[(y * width + x) * 3..][..3].copy_from_slice(&[60_000, 0, 60_000]);
    }
    let backend = open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    });
    let runner = Runner::new(backend.unwrap(), Arc::new(Flat), RunLimits::default());
    let outcome = runner
        .run(
            &pipeline("patchmatch"),
            request(&hole, mask(width, height, &[BOX]), &[]),
            &NoObserver,
        )
        .unwrap();
    let after = values(&outcome.photo);
    let at = |x: usize, y: usize| i32::from(after[(y * width + x) * 3]);
    let near = BOX.grown(8, width, height);
    let (mut step, mut error) = (0, 0);
    for y in near.y0..near.y1 - 1 {
        for x in near.x0..near.x1 - 1 {
            step = step.max((at(x + 1, y) - at(x, y) - 61).abs());
            step = step.max((at(x, y + 1) - at(x, y) - 23).abs());
            error = error.max((at(x, y) - i32::from(truth(x, y))).abs());
        }
    }
    println!("largest step beyond the slope: {step}, largest error: {error}");
    // A step of 8 bits is 257.
    assert!(step < 257 / 2, "a step of {step} beyond the slope");
}
