//! The patch fill on the processor: what it reproduces, that it is deterministic, what it does when there is nothing to copy.

use std::sync::Arc;

use cleanplate_engine::{Backend, BackendChoice, EngineOptions};
use cleanplate_pictures::{Limits, Mask, Photo, decode};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::models::{InpaintNetwork, Networks};
use cleanplate_pipeline::{ExecutableCache, NoObserver, Observer, Request, RunLimits, Runner};
use cleanplate_plugins::patchmatch::{
    Device, Filled, Pixel, Scene, Settings, Start, fill, fill_from,
};

fn backend(choice: BackendChoice) -> Arc<dyn Backend> {
    cleanplate_engine::open(&EngineOptions {
        backend: choice,
        ..EngineOptions::default()
    })
    .unwrap()
}

/// Noise that repeats every 24 pixels in both directions, with a rectangular hole of gray.
fn tiles(width: usize, height: usize, hole: [usize; 4]) -> (Vec<f32>, Scene) {
    let value = |x: usize, y: usize, c: usize| {
        let n = (x % 24 * 131 + y % 24 * 977 + c * 53) as u32;
        (cleanplate_kernels::patchmatch::hash(n, 1, 2) >> 24) as f32 / 255.0
    };
    let truth: Vec<f32> = (0..width * height * 3)
        .map(|i| value(i / 3 % width, i / 3 / width, i % 3))
        .collect();
    let inside = |at: usize| {
        (hole[0]..hole[2]).contains(&(at % width)) && (hole[1]..hole[3]).contains(&(at / width))
    };
    let pixels: Vec<Pixel> = (0..width * height)
        .map(|at| {
            if inside(at) {
                Pixel::Hole
            } else {
                Pixel::Known
            }
        })
        .collect();
    let mut rgb = truth.clone();
    (0..width * height)
        .filter(|at| inside(*at))
        .for_each(|at| rgb[3 * at..3 * at + 3].fill(0.5));
    (
        truth,
        Scene {
            width,
            height,
            rgb,
            pixels,
            guide: None,
            alpha: None,
        },
    )
}

fn run(scene: Scene, settings: &Settings, backend: &dyn Backend) -> Vec<f32> {
    let executables = ExecutableCache::new(4, 1 << 30);
    fill(
        scene,
        settings,
        false,
        Device {
            backend,
            executables: &executables,
            watch: &|_| false,
        },
    )
    .unwrap()
    .rgb
}

#[test]
fn a_repeating_pattern_is_continued() {
    let (truth, scene) = tiles(160, 140, [60, 50, 96, 82]);
    let pixels = scene.pixels.clone();
    let settings = Settings {
        ring_px: 4.0,
        ..Settings::best()
    };
    let got = run(scene, &settings, &*backend(BackendChoice::Cpu));
    let error = |hole: bool| {
        let of = (0..pixels.len())
            .filter(|at| (pixels[*at] == Pixel::Hole) == hole)
            .flat_map(|at| 3 * at..3 * at + 3);
        let all: Vec<f32> = of.map(|i| (got[i] - truth[i]).abs()).collect();
        all.iter().sum::<f32>() / all.len() as f32
    };
    assert_eq!(error(false), 0.0, "pixels outside the hole changed");
    // Random colours would differ by a third on average.
    assert!(error(true) < 0.02, "mean error {} in the hole", error(true));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let once = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let (_, scene) = tiles(150, 110, [0, 40, 50, 90]);
        pool.install(|| run(scene, &Settings::mild(), &*backend(BackendChoice::Cpu)))
    };
    assert!(
        once(1) == once(3),
        "one thread and three gave different fills"
    );
}

#[test]
fn seeds_are_reproducible_and_different() {
    let with = |seed: u32| {
        let (_, mut scene) = tiles(120, 120, [40, 40, 80, 80]);
        // No repetition: many fills are equally good.
        scene.rgb.iter_mut().enumerate().for_each(|(i, v)| {
            *v = (*v + (cleanplate_kernels::patchmatch::hash(i as u32, 5, 6) >> 24) as f32 / 255.0)
                / 2.0
        });
        run(
            scene,
            &Settings {
                seed,
                ..Settings::mild()
            },
            &*backend(BackendChoice::Cpu),
        )
    };
    let first = with(1);
    assert!(first == with(1), "the same seed gave another fill");
    assert!(first != with(2), "another seed gave the same fill");
}

#[test]
fn the_shaders_find_the_same_field() {
    let field = |choice: BackendChoice| {
        let (_, scene) = tiles(100, 90, [30, 30, 60, 64]);
        let settings = Settings {
            iterations: vec![2, 1],
            rounds: vec![1],
            ..Settings::best()
        };
        let (backend, executables) = (backend(choice), ExecutableCache::new(4, 1 << 30));
        let filled = fill(
            scene,
            &settings,
            true,
            Device {
                backend: &*backend,
                executables: &executables,
                watch: &|_| false,
            },
        )
        .unwrap();
        (filled.picks.unwrap(), filled.rgb)
    };
    let (cpu, gpu) = (field(BackendChoice::Cpu), field(BackendChoice::Wgpu));
    assert!(cpu.0 == gpu.0, "the fields differ");
    assert!(cpu.1.iter().zip(&gpu.1).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn nothing_to_copy_gives_a_smooth_fill() {
    let (width, height) = (40, 30);
    // One known column on each side: dark left, bright right.
    let known = |x: usize| x == 0 || x == width - 1;
    let pixels: Vec<Pixel> = (0..width * height)
        .map(|at| {
            if known(at % width) {
                Pixel::Known
            } else {
                Pixel::Hole
            }
        })
        .collect();
    let rgb: Vec<f32> = (0..width * height * 3)
        .map(|i| if i / 3 % width == 0 { 0.1 } else { 0.9 })
        .collect();
    let (backend, executables) = (
        backend(BackendChoice::Cpu),
        ExecutableCache::new(4, 1 << 30),
    );
    let device = Device {
        backend: &*backend,
        executables: &executables,
        watch: &|_| false,
    };
    let filled = fill(
        Scene {
            width,
            height,
            rgb,
            pixels,
            guide: None,
            alpha: None,
        },
        &Settings::best(),
        true,
        device,
    )
    .unwrap();
    assert!(filled.smooth && filled.picks.is_none());
    let row = &filled.rgb[15 * width * 3..16 * width * 3];
    for x in 0..width {
        let want = 0.1 + 0.8 * x as f32 / (width - 1) as f32;
        assert!(
            (row[3 * x] - want).abs() < 0.01,
            "{} instead of {want} at {x}",
            row[3 * x]
        );
    }
}

struct NoNetworks;

impl Networks for NoNetworks {
    fn inpaint(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        panic!("{name} was asked for")
    }
}

struct Stopped;

impl Observer for Stopped {
    fn stage(&self, _name: &str, _fraction: f32) {}
    fn cancelled(&self) -> bool {
        true
    }
}

fn photo(width: usize, height: usize) -> Photo {
    let (truth, _) = tiles(width, height, [0; 4]);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let data: Vec<u8> = truth.iter().map(|v| (v * 255.0) as u8).collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&data)
        .unwrap();
    decode(&bytes, &Limits::default()).unwrap()
}

fn remove(
    photo: Photo,
    mask: Mask,
    overrides: &[(&str, &str)],
    observer: &dyn Observer,
) -> Result<Photo, PluginError> {
    let set = cleanplate_plugins::pipelines::<&str>(&crate::builtin(), &[]).unwrap();
    let runner = Runner::new(
        backend(BackendChoice::Cpu),
        Arc::new(NoNetworks),
        RunLimits::default(),
    );
    let overrides = overrides
        .iter()
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect();
    let request = Request {
        photo,
        mask: Some(mask),
        prompts: None,
        overrides,
        frame: None,
    };
    runner
        .run(set.get("patchmatch").unwrap(), request, observer)
        .map(|outcome| {
            assert!(outcome.models.is_empty());
            outcome.photo
        })
}

fn square(width: usize, height: usize, side: usize) -> Mask {
    let mut mask = Mask::empty(width, height);
    for y in height / 2 - side / 2..height / 2 + side / 2 {
        mask.data[y * width + width / 2 - side / 2..y * width + width / 2 + side / 2].fill(255);
    }
    mask
}

/// Bytes of the whole photo.
fn bytes(photo: &Photo) -> Vec<u8> {
    photo.crop_rgb8(cleanplate_pictures::Rect {
        x0: 0,
        y0: 0,
        x1: photo.width,
        y1: photo.height,
    })
}

/// The photo with its marked pixels painted over: the object.
fn painted(mut photo: Photo, mask: &Mask) -> Photo {
    let whole = cleanplate_pictures::Rect {
        x0: 0,
        y0: 0,
        x1: photo.width,
        y1: photo.height,
    };
    photo.blend_rows(whole, |y, blend| {
        (0..mask.width).for_each(|x| blend(x, [1.0, 0.0, 0.5], mask.row(y)[x]))
    });
    photo
}

#[test]
fn the_pipeline_needs_no_network_and_keeps_what_is_not_marked() {
    let (truth, mask) = (photo(260, 220), square(260, 220, 40));
    let after = remove(
        painted(truth.clone(), &mask),
        mask.clone(),
        &[("grow.radius_px", "3")],
        &NoObserver,
    )
    .unwrap();
    let (a, b) = (bytes(&truth), bytes(&after));
    let far = |at: usize| (at % 260).abs_diff(130) > 40 || (at / 260).abs_diff(110) > 40;
    let changed = (0..a.len()).filter(|i| a[*i] != b[*i]);
    assert_eq!(
        changed.filter(|i| far(i / 3)).count(),
        0,
        "pixels far from the mask changed"
    );
    // The pattern around it is continued, so the object is gone and the truth is back.
    let errors: Vec<f64> = (0..a.len())
        .filter(|i| mask.data[i / 3] > 0)
        .map(|i| f64::from(a[i].abs_diff(b[i])))
        .collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean < 3.0, "mean error {mean} of 255 in the hole");
}

#[test]
fn a_crop_over_the_limit_is_matched_smaller_and_copied_at_full_size() {
    let (before, mask) = (photo(480, 420), square(480, 420, 120));
    // The pattern's period is a multiple of the factor of 2, so the copies can be exact.
    let after = remove(
        painted(before.clone(), &mask),
        mask,
        &[("patchmatch.pixels_max", "65536")],
        &NoObserver,
    )
    .unwrap();
    let (a, b) = (bytes(&before), bytes(&after));
    let spread = |v: &[u8]| {
        let row = &v[(210 * 480 + 200) * 3..(210 * 480 + 280) * 3];
        row.windows(4)
            .map(|w| f64::from(w[0].abs_diff(w[3])))
            .sum::<f64>()
            / row.len() as f64
    };
    assert!(
        spread(&b) > 0.6 * spread(&a),
        "the fill is blurred: {} of {}",
        spread(&b),
        spread(&a)
    );
}

#[test]
fn objects_at_the_border_in_a_corner_and_far_apart_all_go() {
    let (width, height) = (960, 300);
    let truth = photo(width, height);
    let mut mask = Mask::empty(width, height);
    // A corner, the upper border, the right border, and the middle of nowhere.
    for [x0, y0, x1, y1] in [
        [0, 262, 40, 300],
        [300, 0, 345, 30],
        [930, 120, 960, 160],
        [600, 180, 640, 215],
    ] {
        for y in y0..y1 {
            mask.data[y * width + x0..y * width + x1].fill(255);
        }
    }
    let after = remove(
        painted(truth.clone(), &mask),
        mask.clone(),
        &[("grow.radius_px", "3")],
        &NoObserver,
    )
    .unwrap();
    let (a, b) = (bytes(&truth), bytes(&after));
    for quarter in 0..4 {
        let columns = [0..150, 150..450, 780..960, 450..780][quarter].clone();
        let inside =
            (0..a.len()).filter(|i| columns.contains(&(i / 3 % width)) && mask.data[i / 3] > 0);
        let errors: Vec<f64> = inside.map(|i| f64::from(a[i].abs_diff(b[i]))).collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(mean < 8.0, "object {quarter}: mean error {mean} of 255");
    }
}

#[test]
fn a_cancelled_run_says_so() {
    let photo = photo(200, 200);
    assert!(matches!(
        remove(photo, square(200, 200, 30), &[], &Stopped),
        Err(PluginError::Cancelled { .. })
    ));
}

#[test]
fn a_fill_that_goes_on_from_the_frame_before_flickers_less() {
    // Many sources are equally good: grain alone decides between them.
    let grainy = |seed: u32| {
        let (_, mut scene) = tiles(120, 120, [40, 40, 80, 80]);
        let random = |i: usize, seed: u32| {
            (cleanplate_kernels::patchmatch::hash(i as u32, seed, 6) >> 24) as f32 / 255.0
        };
        scene.rgb.iter_mut().enumerate().for_each(|(i, v)| {
            *v = 0.25 * *v + 0.55 * random(i, 5) + 0.2 * random(i, seed);
        });
        scene
    };
    let backend = backend(BackendChoice::Cpu);
    let executables = ExecutableCache::new(4, 1 << 30);
    let device = Device {
        backend: &*backend,
        executables: &executables,
        watch: &|_| false,
    };
    let settings = Settings::best();
    let run = |seed: u32, start: Start<'_>| {
        fill_from(grainy(seed), &settings, (false, start), device).unwrap()
    };
    let first = run(1, Start::First);
    let field = first.field.clone().unwrap();
    let alone = run(2, Start::Alone);
    let after = run(2, Start::After(&field));
    assert!(
        alone.field.is_none()
            && after
                .field
                .as_ref()
                .is_some_and(|next| next.len() == field.len())
    );
    let hole: Vec<usize> = (0..120 * 120)
        .filter(|at| grainy(1).pixels[*at] == Pixel::Hole)
        .collect();
    let change = |filled: &Filled| {
        let of = hole.iter().flat_map(|at| 3 * at..3 * at + 3);
        of.map(|i| (filled.rgb[i] - first.rgb[i]).abs())
            .sum::<f32>()
            / (3 * hole.len()) as f32
    };
    assert!(
        change(&after) < 0.6 * change(&alone),
        "{} going on, {} alone",
        change(&after),
        change(&alone)
    );
}
