//! Photos with transparent pixels: hidden colours are never seen and never shown, and alpha is filled like a colour.

use std::sync::Arc;

use cleanplate_engine::{BackendChoice, EngineOptions};
use cleanplate_kernels::patchmatch::hash;
use cleanplate_models::ModelStore;
use cleanplate_pictures::{Limits, Mask, Photo, Rect, Samples, decode};
use cleanplate_pipeline::{
    BUCKET_PX, Crop, CropPlan, Fill, NoObserver, Outcome, Pipeline, PluginInfo, Plugins, Request,
    RunLimits, Runner, Stage, Work, plan,
};
use cleanplate_pipeline::{Pixel, PluginError};

/// The colour under transparent pixels.
const HIDDEN: [u8; 3] = [255, 0, 255];

/// A PNG of these pixels, decoded.
fn photo(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 4]) -> Photo {
    let data: Vec<u8> = (0..width * height)
        .flat_map(|at| pixel(at % width, at / width))
        .collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    drop(writer);
    decode(&out, &Limits::default()).unwrap()
}

fn hole(photo: &Photo, rect: [usize; 4]) -> Mask {
    let mut mask = Mask::empty(photo.width, photo.height);
    for y in rect[1]..rect[3] {
        mask.data[y * photo.width + rect[0]..y * photo.width + rect[2]].fill(255);
    }
    mask
}

/// Blue with grain.
fn blue(x: usize, y: usize) -> [u8; 4] {
    let grain = (hash(x as u32, y as u32, 9) >> 28) as u8;
    [80 + grain, 150 + grain, 210 + grain, 255]
}

/// Looks whether a stage is shown a hidden colour, then fills with middle gray: a plugin that knows nothing of alpha.
#[derive(serde::Deserialize)]
struct Spy {}

impl Stage for Spy {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let all = Rect {
            x0: 0,
            y0: 0,
            x1: work.photo.width,
            y1: work.photo.height,
        };
        let shown = work.photo.crop_f32(all);
        let pink = |c: &[f32]| c[0] > 0.9 && c[1] < 0.2 && c[2] > 0.9;
        assert!(!shown.chunks_exact(3).any(pink), "a hidden colour is shown");
        let wish = CropPlan {
            side_px_min: 0,
            context_px_min: 40,
            context_share: 0.5,
            working_px_max: 512,
            working_px_min: 0,
            bucket_px: BUCKET_PX,
        };
        let (grid, planned) = plan(&work.alpha, &wish)?;
        for crop in planned {
            let (width, height) = (crop.rect.width(), crop.rect.height());
            work.crops.push(Crop {
                rect: crop.rect,
                group: crop.group,
                grid: Arc::clone(&grid),
                fill: Fill {
                    width,
                    height,
                    rgb: vec![0.5; 3 * width * height],
                },
                alpha: None,
            });
            let crop = work.crops.last().unwrap();
            let pixels = work.pixels(crop, crop.rect);
            let alpha = &work.transparency.as_ref().unwrap().alpha;
            for (at, pixel) in pixels.iter().enumerate() {
                let (x, y) = (crop.rect.x0 + at % width, crop.rect.y0 + at / width);
                let clear = alpha.pixel_f32(x, y)[0] == 0.0;
                assert!(
                    !clear || *pixel != Pixel::Known,
                    "({x}, {y}) counts as known"
                );
            }
        }
        Ok(())
    }
}

static SPY: PluginInfo = PluginInfo::builtin::<Spy>(
    "name = \"spy\"\nversion = \"1.0.0\"\nstage = \"inpaint\"\nentry = \"builtin\"\ndescription = \"x\"\n",
);

static ALL: [&PluginInfo; 7] = [
    &SPY,
    &cleanplate_plugins::grow::INFO,
    &cleanplate_plugins::feather::INFO,
    &cleanplate_plugins::patchmatch::INFO,
    &cleanplate_plugins::patchmatch_refine::INFO,
    &cleanplate_plugins::seam::INFO,
    &cleanplate_plugins::grain::INFO,
];

fn run_on(choice: BackendChoice, photo: &Photo, mask: &Mask, steps: &[&str]) -> Outcome {
    let plugins = Plugins::load::<&str>(&ALL, &[]).unwrap();
    let steps: String = steps
        .iter()
        .map(|name| format!("[[step]]\nplugin = {name:?}\n"))
        .collect();
    let text = format!("name = \"x\"\ndescription = \"x\"\n{steps}");
    let pipeline = Pipeline::parse(&plugins, "x.toml", &text).unwrap();
    let backend = cleanplate_engine::open(&EngineOptions {
        backend: choice,
        ..EngineOptions::default()
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let models = Arc::new(ModelStore::open(dir.path()).unwrap());
    let runner = Runner::new(backend, models, RunLimits::default());
    let request = Request {
        photo: photo.clone(),
        mask: Some(mask.clone()),
        prompts: None,
        overrides: Vec::new(),
        frame: None,
    };
    runner.run(&pipeline, request, &NoObserver).unwrap()
}

fn run(photo: &Photo, mask: &Mask, steps: &[&str]) -> Outcome {
    run_on(BackendChoice::Cpu, photo, mask, steps)
}

/// The pixels, 8 bits.
fn pixels(photo: &Photo) -> Vec<[u8; 4]> {
    let Samples::U8(samples) = &photo.samples else {
        panic!("8 bits")
    };
    samples.as_chunks().0.to_vec()
}

/// A sticker, a hidden colour beside it, and a hole that touches the border of both.
fn beside() -> (Photo, Mask) {
    let photo = photo(160, 120, |x, y| match (x, y) {
        (50..=84, 45..=74) => [200, 40, 40, 255],
        (..85, _) => blue(x, y),
        _ => [HIDDEN[0], HIDDEN[1], HIDDEN[2], 0],
    });
    let mask = hole(&photo, [48, 43, 85, 77]);
    (photo, mask)
}

/// Whether a colour is nearer to the hidden one than a blend with blue could be.
fn looks_hidden(p: [u8; 4]) -> bool {
    p[3] > 0 && p[0] > 130 && p[1] < 120
}

#[test]
fn a_hidden_colour_beside_the_hole_is_in_no_fill() {
    let (photo, mask) = beside();
    for steps in [
        &["patchmatch"][..],
        &["grow", "feather", "patchmatch"],
        &["spy", "seam", "grain"],
        &["spy", "patchmatch-refine"],
    ] {
        let outcome = run(&photo, &mask, steps);
        let (before, after) = (pixels(&photo), pixels(&outcome.photo));
        assert!(!after.iter().any(|p| looks_hidden(*p)), "{steps:?}");
        let inside = |at: usize| mask.data[at] != 0;
        let visible = (0..after.len()).filter(|at| inside(*at) && after[*at][3] == 255);
        let share = visible.count() as f64 / mask.count() as f64;
        assert!(share > 0.99, "{steps:?}: {share} of the hole is opaque");
        let far = |at: &usize| {
            let (x, y) = (at % 160, at / 160);
            !(30..105).contains(&x) || !(25..95).contains(&y)
        };
        for at in (0..after.len()).filter(far) {
            assert_eq!(before[at], after[at], "{steps:?}: pixel {at} outside");
        }
        if !steps.contains(&"feather") {
            let kept = (0..after.len()).filter(|at| !inside(*at));
            kept.for_each(|at| assert_eq!(before[at], after[at], "{steps:?}: pixel {at}"));
        }
    }
}

/// Distance of a pixel from the edge of a shape, in pixels, positive inside.
type Shape = fn(f64, f64) -> f64;

/// A cut-out of this shape with an antialiased edge or a hard one, an object of one colour over part of its edge, and its mask.
fn cut_out(shape: Shape, soft: bool, object: [usize; 4]) -> (Photo, Mask) {
    let photo = photo(200, 160, move |x, y| {
        let inside = shape(x as f64, y as f64);
        let share = if soft {
            (inside + 0.5).clamp(0.0, 1.0)
        } else {
            f64::from(u8::from(inside >= 0.0))
        };
        let [r, g, b, _] = blue(x, y);
        let [x0, y0, x1, y1] = object;
        match (x0..x1).contains(&x) && (y0..y1).contains(&y) {
            true => [230, 40, 40, 255],
            false if share > 0.0 => [r, g, b, (share * 255.0).round() as u8],
            false => [HIDDEN[0], HIDDEN[1], HIDDEN[2], 0],
        }
    });
    let mask = hole(&photo, object);
    (photo, mask)
}

#[test]
fn the_edge_of_a_cut_out_goes_on_through_the_hole() {
    let disc: Shape = |x, y| 60.0 - (x - 100.0).hypot(y - 80.0);
    let straight: Shape = |x, _| 84.5 - x;
    let slanted: Shape = |x, y| (x - 20.0) * 0.6 - (y - 20.0) * 0.8;
    let bar: Shape = |x, y| 12.3 - ((x - 100.0) * 0.28 - (y - 80.0) * 0.96).abs();
    let ring: Shape = |x, y| 14.0 - ((x - 100.0).hypot(y - 80.0) - 50.0).abs();
    for (name, shape, object) in [
        ("disc", disc, [140, 60, 176, 100]),
        ("disc's top", disc, [84, 8, 118, 36]),
        ("straight", straight, [60, 50, 110, 100]),
        (
            "straight, along the hole's side",
            straight,
            [48, 43, 85, 77],
        ),
        ("slanted", slanted, [80, 60, 125, 100]),
        ("bar", bar, [80, 50, 122, 108]),
        ("ring", ring, [130, 66, 172, 96]),
    ] {
        for soft in [true, false] {
            let (photo, mask) = cut_out(shape, soft, object);
            let outcome = run(&photo, &mask, &["patchmatch"]);
            let after = pixels(&outcome.photo);
            for at in (0..after.len()).filter(|at| mask.data[*at] != 0) {
                let (x, y) = (at % 200, at / 200);
                let inside = shape(x as f64, y as f64);
                let alpha = after[at][3];
                let case =
                    format!("{name}, soft {soft}: ({x}, {y}) {inside:.2} px inside has {alpha}");
                // Near where it ran, and clean on both sides.
                assert!(inside < 2.0 || alpha == 255, "{case}");
                assert!(inside > -2.0 || alpha == 0, "{case}");
                assert!(soft || alpha == 0 || alpha == 255, "{case}");
                // What is seen is of the cut-out, without the hidden colour or the object.
                let [r, g, b, _] = after[at];
                let blue = (75..=105).contains(&r) && (140..=175).contains(&g) && b >= 200;
                assert!(alpha == 0 || blue, "{case}: {:?}", after[at]);
            }
        }
    }
}

#[test]
fn an_object_on_transparent_ground_leaves_nothing() {
    // Four dots, the hidden colour between them.
    let photo = photo(240, 90, |x, y| {
        let near = |cx: i32| (x as i32 - cx).pow(2) + (y as i32 - 40).pow(2) <= 400;
        match [35, 90, 145, 200].iter().any(|cx| near(*cx)) {
            true => [220, 120, 20, 255],
            false => [HIDDEN[0], HIDDEN[1], HIDDEN[2], 0],
        }
    });
    let mask = hole(&photo, [66, 14, 115, 66]);
    for steps in [
        &["grow", "feather", "patchmatch"][..],
        &["grow", "feather", "spy", "seam", "grain"],
    ] {
        let outcome = run(&photo, &mask, steps);
        let after = pixels(&outcome.photo);
        let left = (0..after.len()).filter(|at| mask.data[*at] != 0 && after[*at][3] > 0);
        assert_eq!(left.count(), 0, "{steps:?}: something is left of the dot");
        let smooth = outcome.warnings.iter().find(|w| w.contains("smooth"));
        assert_eq!(smooth, None);
        let hidden = (0..after.len()).filter(|at| mask.data[*at] != 0 && after[*at][..3] == HIDDEN);
        assert_eq!(
            hidden.count(),
            0,
            "{steps:?}: pixels that were removed keep their bits"
        );
        for (dot, x) in [(0, 35), (2, 145), (3, 200)] {
            assert_eq!(after[40 * 240 + x], [220, 120, 20, 255], "dot {dot}");
        }
    }
}

#[test]
fn what_fades_goes_on_fading() {
    // A shadow whose alpha falls off to the right.
    let alpha = |x: usize| (250 - x) as u8;
    let photo = photo(200, 160, |x, y| {
        match (80..110).contains(&x) && (60..90).contains(&y) {
            true => [240, 240, 30, 255],
            false => [10, 10, 12, alpha(x)],
        }
    });
    let mask = hole(&photo, [78, 58, 112, 92]);
    for steps in [&["patchmatch"][..], &["spy"]] {
        let after = pixels(&run(&photo, &mask, steps).photo);
        let inside = (0..after.len()).filter(|at| mask.data[*at] != 0);
        let wrong = inside.map(|at| f64::from(after[at][3].abs_diff(alpha(at % 200))));
        let mean = wrong.sum::<f64>() / mask.count() as f64;
        assert!(mean < 6.0, "{steps:?}: alpha is off by {mean} of 255");
    }
}

#[test]
fn nothing_visible_stays_nothing_visible() {
    let clear = photo(120, 90, |_, _| [HIDDEN[0], HIDDEN[1], HIDDEN[2], 0]);
    let mask = hole(&clear, [40, 30, 80, 60]);
    let within = photo(160, 120, |x, y| match x {
        ..20 => blue(x, y),
        _ => [HIDDEN[0], HIDDEN[1], HIDDEN[2], 0],
    });
    for (photo, mask) in [(&clear, mask), (&within, hole(&within, [90, 40, 130, 80]))] {
        for steps in [
            &["grow", "feather", "patchmatch"][..],
            &["spy", "seam", "grain"],
        ] {
            let after = pixels(&run(photo, &mask, steps).photo);
            let (before, w) = (pixels(photo), photo.width);
            for at in 0..after.len() {
                assert_eq!(
                    after[at][3],
                    before[at][3],
                    "{steps:?}: ({}, {})",
                    at % w,
                    at / w
                );
                let gone = mask.data[at] != 0 && after[at][..3] == HIDDEN;
                assert!(
                    !gone,
                    "{steps:?}: the colour of the object is left in the file"
                );
            }
        }
    }
}

#[test]
fn without_a_transparent_pixel_an_alpha_channel_changes_nothing() {
    let opaque = photo(150, 110, |x, y| {
        match (60..90).contains(&x) && (40..70).contains(&y) {
            true => [200, 40, 40, 255],
            false => blue(x, y),
        }
    });
    let mask = hole(&opaque, [58, 38, 92, 72]);
    let mut bare = opaque.clone();
    let colours = pixels(&opaque)
        .iter()
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect();
    bare.channels = cleanplate_pictures::Channels::Rgb;
    bare.samples = Samples::U8(colours);
    let steps = ["grow", "feather", "patchmatch", "seam", "grain"];
    let (with, without) = (run(&opaque, &mask, &steps), run(&bare, &mask, &steps));
    let with: Vec<u8> = pixels(&with.photo)
        .iter()
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect();
    assert!(
        Samples::U8(with) == without.photo.samples,
        "the colours differ"
    );
}

#[test]
fn one_pixel_far_away_that_is_not_opaque_does_not_change_the_fill() {
    let opaque = |clear: bool| {
        photo(150, 110, move |x, y| {
            match (60..90).contains(&x) && (40..70).contains(&y) {
                true => [200, 40, 40, 255],
                false => {
                    let [r, g, b, _] = blue(x, y);
                    [r, g, b, if clear && (x, y) == (0, 0) { 254 } else { 255 }]
                }
            }
        })
    };
    let mask = hole(&opaque(false), [58, 38, 92, 72]);
    let steps = ["grow", "feather", "patchmatch"];
    let (a, b) = (
        run(&opaque(false), &mask, &steps),
        run(&opaque(true), &mask, &steps),
    );
    let (a, b) = (pixels(&a.photo), pixels(&b.photo));
    let near = |at: &usize| at % 150 > 20 && at / 150 > 20;
    for at in (0..a.len()).filter(near) {
        assert!(
            (0..4).all(|c| a[at][c].abs_diff(b[at][c]) <= 1),
            "{:?} {:?}",
            a[at],
            b[at]
        );
    }
}

#[test]
fn the_shaders_fill_alpha_like_the_processor() {
    let (photo, mask) = beside();
    for steps in [&["patchmatch"][..], &["spy", "seam"]] {
        let cpu = pixels(&run_on(BackendChoice::Cpu, &photo, &mask, steps).photo);
        let gpu = pixels(&run_on(BackendChoice::Wgpu, &photo, &mask, steps).photo);
        for (at, (a, b)) in cpu.iter().zip(&gpu).enumerate() {
            let off = (0..4).map(|c| a[c].abs_diff(b[c])).max().unwrap();
            assert!(off <= 1, "{steps:?}: pixel {at} is {a:?} and {b:?}");
        }
    }
}
