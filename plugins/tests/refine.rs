//! The guided refine stage, with the shipped network and with guides made up: the guide decides what, the photo how it looks.

use std::sync::Arc;

use cleanplate_engine::{BackendChoice, EngineOptions, open};
use cleanplate_kernels::patchmatch::hash;
use cleanplate_models::ModelStore;
use cleanplate_pictures::{Limits, Mask, Photo, Rect, decode};
use cleanplate_pipeline::{ExecutableCache, NoObserver, Outcome, Request, RunLimits, Runner};
use cleanplate_plugins::patchmatch::{Device, Pixel, Scene, Settings, fill};

/// Noise of four brightnesses a channel, darker at the left.
fn texture(x: usize, y: usize, width: usize, dark: f32, bright: f32) -> f32 {
    let base = if x < width / 2 { dark } else { bright };
    base + (hash((x / 2) as u32, (y / 2) as u32, 3) >> 30) as f32 * 0.05
}

/// Mean of the hole of a photo, dark at the left and bright at the right, whose hole lies across the middle.
fn mean_of_hole(guide: Option<f32>, settings: &Settings) -> f32 {
    let (width, height) = (160, 120);
    let inside = |at: usize| (60..100).contains(&(at % width)) && (40..80).contains(&(at / width));
    let pixels: Vec<Pixel> = (0..width * height)
        .map(|at| {
            if inside(at) {
                Pixel::Hole
            } else {
                Pixel::Known
            }
        })
        .collect();
    let rgb: Vec<f32> = (0..width * height * 3)
        .map(|i| texture(i / 3 % width, i / 3 / width, width, 0.2, 0.6))
        .collect();
    let coarse = guide.map(|level| {
        let value = |i: usize| {
            if inside(i / 3) {
                level
            } else if i / 3 % width < width / 2 {
                0.275
            } else {
                0.675
            }
        };
        (0..width * height * 3).map(value).collect()
    });
    let scene = Scene {
        width,
        height,
        rgb,
        pixels: pixels.clone(),
        guide: coarse,
        alpha: None,
    };
    let backend = open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let executables = ExecutableCache::new(4, 1 << 30);
    let device = Device {
        backend: &*backend,
        executables: &executables,
        watch: &|_| false,
    };
    let filled = fill(scene, settings, false, device).unwrap();
    let hole: Vec<f32> = (0..pixels.len())
        .filter(|at| inside(*at))
        .map(|at| filled.rgb[3 * at])
        .collect();
    hole.iter().sum::<f32>() / hole.len() as f32
}

#[test]
fn the_guide_decides_which_of_two_materials_fills_the_hole() {
    for preset in [
        Settings {
            ring_px: 4.0,
            ..Settings::best()
        },
        Settings {
            ring_px: 4.0,
            ..Settings::mild()
        },
    ] {
        let mut apart = 0.0;
        for weight in [0.5, 1.0] {
            // Copied colours alone, so that only the choice of patches counts.
            let settings = Settings {
                guide: Some(weight),
                blend: cleanplate_plugins::patchmatch::Blend::None,
                ..preset.clone()
            };
            let (dark, bright) = (
                mean_of_hole(Some(0.275), &settings),
                mean_of_hole(Some(0.675), &settings),
            );
            println!("weight {weight}: the guides gave means of {dark} and {bright}");
            // The rim, half dark and half bright, pulls towards the middle.
            assert!(
                bright - dark > apart + 0.02,
                "weight {weight}: the guides gave means of {dark} and {bright}"
            );
            apart = bright - dark;
            let unguided = Settings {
                guide: None,
                ..settings
            };
            assert_eq!(
                mean_of_hole(Some(0.275), &unguided),
                mean_of_hole(None, &unguided),
                "a guide without weight changed the fill"
            );
        }
    }
}

/// A photo with detail at the scale of pixels, and an object in its middle.
fn photo(width: usize, height: usize) -> Photo {
    let value = |i: usize| (texture(i / 3 % width, i / 3 / width, width, 0.3, 0.4) * 255.0) as u8;
    let data: Vec<u8> = (0..width * height * 3).map(value).collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&data)
        .unwrap();
    let mut photo = decode(&out, &Limits::default()).unwrap();
    let mask = mask(width, height);
    let whole = Rect {
        x0: 0,
        y0: 0,
        x1: width,
        y1: height,
    };
    photo.blend_rows(whole, |y, blend| {
        (0..width).for_each(|x| blend(x, [1.0, 0.0, 0.5], mask.row(y)[x]))
    });
    photo
}

fn mask(width: usize, height: usize) -> Mask {
    let mut mask = Mask::empty(width, height);
    for y in height / 2 - 110..height / 2 + 110 {
        mask.data[y * width + width / 2 - 130..y * width + width / 2 + 130].fill(255);
    }
    mask
}

fn run(pipeline: &str, overrides: &[(&str, &str)]) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let runner = Runner::new(
        backend,
        Arc::new(ModelStore::open(dir.path()).unwrap()),
        RunLimits::default(),
    );
    let overrides = overrides
        .iter()
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect();
    let request = Request {
        photo: photo(700, 560),
        mask: Some(mask(700, 560)),
        prompts: None,
        overrides,
        frame: None,
    };
    runner
        .run(
            cleanplate_plugins::pipelines::<&str>(&crate::builtin(), &[])
                .unwrap()
                .get(pipeline)
                .unwrap(),
            request,
            &NoObserver,
        )
        .unwrap()
}

/// Mean difference between neighbours in the middle of the hole, over that outside.
fn sharpness(photo: &Photo) -> f64 {
    let rgb = |rect: Rect| photo.crop_rgb8(rect);
    let mean = |rect: Rect| {
        let rows = rgb(rect);
        let differences = rows
            .chunks_exact(3 * rect.width())
            .flat_map(|row| row.windows(4).map(|w| f64::from(w[0].abs_diff(w[3]))));
        differences.sum::<f64>() / rows.len() as f64
    };
    mean(Rect {
        x0: 250,
        y0: 200,
        x1: 450,
        y1: 360,
    }) / mean(Rect {
        x0: 10,
        y0: 10,
        x1: 210,
        y1: 170,
    })
}

#[test]
fn a_fill_made_small_gets_the_photo_s_own_detail_back() {
    let blurred = run("lama-small", &[("lama.working_px_max", "128")]);
    assert!(
        sharpness(&blurred.photo) < 0.35,
        "{}",
        sharpness(&blurred.photo)
    );
    let refined = run("lama-refined", &[]);
    let sharp = sharpness(&refined.photo);
    assert!(
        (0.7..1.3).contains(&sharp),
        "{sharp} of the surroundings' sharpness"
    );
    assert_eq!(refined.models.len(), 1, "the network took part");
    assert!(refined.warnings.is_empty(), "{:?}", refined.warnings);
    // Matched at a third of the size and copied at full size.
    let parted = run("lama-refined", &[("patchmatch-refine.pixels_max", "65536")]);
    let sharp = sharpness(&parted.photo);
    assert!(
        (0.6..1.3).contains(&sharp),
        "{sharp} of the surroundings' sharpness"
    );
    let full = ("lama.working_px_max", "1024");
    let kept = run(
        "lama-refined",
        &[full, ("patchmatch-refine.when", "scaled")],
    );
    let alone = run("lama-small", &[full, ("lama.context_share", "0.5")]);
    let pixels = |outcome: &Outcome| {
        outcome.photo.crop_rgb8(Rect {
            x0: 0,
            y0: 0,
            x1: 700,
            y1: 560,
        })
    };
    assert!(
        pixels(&kept) == pixels(&alone),
        "a fill of full size was refined although only scaled ones should be"
    );
}
