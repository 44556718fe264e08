use moxcms::{ColorProfile, ToneReprCurve};
use proptest::prelude::*;

use super::*;

fn colours(profile: &ColorProfile) -> Option<Colours> {
    Colours::of(&profile.encode().unwrap()).unwrap()
}

#[test]
fn wide_spaces_meet_srgb_where_colorimetry_says() {
    // What an sRGB red of (200, 50, 50) is called elsewhere, from the standards' primaries and curves.
    for (name, profile, want) in [
        (
            "Display P3",
            ColorProfile::new_display_p3(),
            [184.0, 63.0, 57.0],
        ),
        (
            "Adobe RGB",
            ColorProfile::new_adobe_rgb(),
            [170.8, 53.6, 54.2],
        ),
    ] {
        let colours = colours(&profile).unwrap();
        let srgb = [200.0, 50.0, 50.0].map(|v| v / 255.0);
        let mut rgb = srgb;
        colours.from_srgb(&mut rgb).unwrap();
        for (is, want) in rgb.iter().zip(want) {
            assert!((is * 255.0 - want).abs() < 1.5, "{name}: {rgb:?}");
        }
        colours.to_srgb(&mut rgb).unwrap();
        for (is, was) in rgb.iter().zip(srgb) {
            assert!((is - was).abs() < 0.5 / 255.0, "{name}: {rgb:?}");
        }
    }
}

#[test]
fn gray_gammas_are_followed_and_srgb_is_nothing_to_do() {
    assert!(colours(&ColorProfile::new_srgb()).is_none());
    for (gamma, curve) in [
        (1.0, ToneReprCurve::Lut(vec![])),
        (1.8, ToneReprCurve::Parametric(vec![1.8])),
        (2.2, ToneReprCurve::Parametric(vec![2.2])),
    ] {
        let mut profile = ColorProfile::new_gray_with_gamma(2.2);
        profile.gray_trc = Some(curve);
        let colours = colours(&profile).unwrap();
        for gray in [0.1f32, 0.4, 0.7, 0.95] {
            let light = gray.powf(gamma);
            let want = match light <= 0.003_130_8 {
                true => 12.92 * light,
                false => 1.055 * light.powf(1.0 / 2.4) - 0.055,
            };
            let mut rgb = [gray; 3];
            colours.to_srgb(&mut rgb).unwrap();
            for v in rgb {
                assert!(
                    (v - want).abs() < 1.0 / 255.0,
                    "gamma {gamma}: {v} for {want}"
                );
            }
            colours.from_srgb(&mut rgb).unwrap();
            for v in rgb {
                assert!(
                    (v - gray).abs() < 1.0 / 255.0,
                    "gamma {gamma}: {v} for {gray}"
                );
            }
        }
    }
}

#[test]
fn inks_without_a_profile_are_what_they_take_from_white() {
    let (cmyk, said) = Cmyk::of(None);
    assert!(
        said.contains("plainly, because it has no profile"),
        "{said}"
    );
    let mut rgb = [0.0; 6];
    cmyk.to_rgb(&[0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.75], &mut rgb);
    assert_eq!(rgb, [1.0, 0.0, 0.5, 0.25, 0.25, 0.25]);
    let mut inks = [9.0; 8];
    cmyk.to_inks(&rgb, &mut inks);
    assert_eq!(inks, [0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.75]);
}

proptest! {
    #[test]
    fn hostile_profiles_never_panic(at in prop::collection::vec((0usize..600, any::<u8>()), 1..12), cut in 0usize..600) {
        let mut profile = ColorProfile::new_display_p3().encode().unwrap();
        let length = profile.len();
        for (place, byte) in at {
            profile[place % length] = byte;
        }
        let _ = Colours::of(&profile);
        let _ = Colours::of(&profile[..cut.min(length)]);
        profile[16..20].copy_from_slice(b"CMYK");
        let _ = Cmyk::of(Some(&profile));
    }
}
