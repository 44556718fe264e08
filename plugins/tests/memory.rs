//! How much memory a patch fill takes, counted at the allocator, against what it says before it starts.

#![allow(clippy::unwrap_used, clippy::expect_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cleanplate_engine::{BackendChoice, EngineOptions, Graph, Tensor, TensorSpec, open};
use cleanplate_kernels::migan_input::MiganInput;
use cleanplate_kernels::patchmatch::hash;
use cleanplate_kernels::to_rgb::ToRgb;
use cleanplate_pictures::{Limits, Mask, Photo, decode};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::models::{InpaintNetwork, Networks};
use cleanplate_pipeline::{NoObserver, Outcome, Prompts, Request, RunLimits, Runner};
use cleanplate_plugins::patchmatch::{FILL_BYTES_MAX, factor, filling_bytes_max, memory_bytes};
use cleanplate_plugins::sam::FOUND_BYTES;

/// Counts bytes in use and their peak.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(used, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory of the callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may exist side by side for a moment.
        grown(size);
        let moved = unsafe { System.realloc(pointer, layout, size) };
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct NoNetworks;

impl Networks for NoNetworks {
    fn inpaint(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        panic!("{name} was asked for")
    }
}

fn photo(width: usize, height: usize) -> Photo {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let value = |i: usize| {
        80 + (hash((i / 3 % width / 3) as u32, (i / 3 / width / 3) as u32, 1) >> 26) as u8
    };
    let data: Vec<u8> = (0..width * height * 3).map(value).collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&data)
        .unwrap();
    decode(&bytes, &Limits::default()).unwrap()
}

/// Runs the pipeline `patchmatch`; returns the bytes that were used above those held before.
fn peak(width: usize, height: usize, mask: Mask, overrides: &[(&str, &str)]) -> usize {
    let photo = photo(width, height);
    let (used, outcome) = peak_of("patchmatch", Arc::new(NoNetworks), photo, mask, overrides);
    let odd = |w: &&String| !w.starts_with("the mask covers");
    assert_eq!(outcome.warnings.iter().find(odd), None);
    used
}

/// Runs a pipeline; the bytes that were used above those held before, and what came of it.
fn peak_of(
    pipeline: &str,
    networks: Arc<dyn Networks>,
    photo: Photo,
    mask: Mask,
    overrides: &[(&str, &str)],
) -> (usize, Outcome) {
    let backend = open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let runner = Runner::new(backend, networks, RunLimits::default());
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
    let set = cleanplate_plugins::pipelines::<&str>(&builtin(), &[]).unwrap();
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let outcome = runner.run(set.get(pipeline).unwrap(), request, &NoObserver);
    (PEAK.load(Ordering::Relaxed) - before, outcome.unwrap())
}

/// The left half.
fn half(width: usize, height: usize) -> Mask {
    let mut mask = Mask::empty(width, height);
    (0..height).for_each(|y| mask.data[y * width..y * width + width / 2].fill(255));
    mask
}

#[test]
fn a_fill_takes_no_more_memory_than_it_says_before() {
    let _alone = ALONE.lock().unwrap();
    let mut figures = Vec::new();
    // One after the other: the counters are those of the whole process.
    for (width, height, pixels_max) in [
        (640, 480, 6_000_000),
        (1500, 1000, 6_000_000),
        (1500, 1000, 500_000),
        (3000, 2000, 700_000),
    ] {
        let set = pixels_max.to_string();
        let used = peak(
            width,
            height,
            half(width, height),
            &[("patchmatch.pixels_max", &set), ("grow.radius_px", "0")],
        );
        let factor = factor(
            (width, height),
            width * height / 2,
            (pixels_max, FILL_BYTES_MAX),
            false,
        );
        // The run keeps two masks beside the one that it was given.
        let said =
            memory_bytes(width * height, width * height / 2, factor, false) + 2 * width * height;
        println!(
            "{width}x{height} / {factor}: {used} bytes used, {said} said, {:.2}; {:.1} per pixel",
            used as f64 / said as f64,
            used as f64 / (width * height) as f64
        );
        figures.push((width, height, factor, used, said));
    }
    for (width, height, factor, used, said) in figures {
        assert!(
            used <= said,
            "{width}x{height} / {factor}: {used} bytes used, {said} said"
        );
        assert!(
            said < used * 3 / 2,
            "{width}x{height} / {factor}: {used} bytes used, {said} said"
        );
    }
}

#[test]
fn half_of_fifty_megapixels_stays_below_a_gibibyte_and_a_half() {
    let (width, height) = (8660, 5773);
    // The photo, the mask that was given, and two more of the run.
    let others = width * height * 6;
    for hole_px in [width * height / 100, width * height / 2, width * height] {
        let factor = factor((width, height), hole_px, (6_000_000, FILL_BYTES_MAX), false);
        let fill = memory_bytes(width * height, hole_px, factor, false);
        assert!(
            fill <= FILL_BYTES_MAX && fill + others < 3 << 29,
            "1/{factor}: {} MiB",
            (fill + others) >> 20
        );
        assert!(factor <= 4, "{factor}");
    }
}

/// A network that says gray.
struct Gray;

impl InpaintNetwork for Gray {
    fn name(&self) -> &str {
        "gray"
    }
    fn sha256(&self) -> &str {
        "00"
    }
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, PluginError> {
        let mut graph = Graph::new();
        let image = graph.input(TensorSpec::u8(&[batch, height, width, 3]));
        let mask = graph.input(TensorSpec::u8(&[batch, height, width]));
        let seen = Arc::new(MiganInput { multiple: 1 });
        let seen = graph.add("seen", seen, &[image, mask]).unwrap();
        let nothing = Tensor::f32(&[3, 4, 1, 1], vec![0.0; 12]);
        let gray = Arc::new(ToRgb::new(&nothing, &[0.0; 3], false, true).unwrap());
        let out = graph.add("gray", gray, &[seen]).unwrap();
        graph.output(out);
        Ok(graph)
    }
}

impl Networks for Gray {
    fn inpaint(&self, _name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        Ok(Arc::new(Gray))
    }
}

#[test]
fn fills_of_many_near_holes_take_no_more_than_is_set_aside() {
    let _alone = ALONE.lock().unwrap();
    let (width, height) = (1984, 1344);
    let mut mask = Mask::empty(width, height);
    for (i, value) in mask.data.iter_mut().enumerate() {
        let hole = |at: usize| (76..308).contains(&(at % 320));
        if hole(i % width) && hole(i / width) {
            *value = 255;
        }
    }
    let overrides = [("grow.radius_px", "0"), ("patchmatch.pixels_max", "65536")];
    let (used, outcome) = peak_of(
        "default",
        Arc::new(Gray),
        photo(width, height),
        mask,
        &overrides,
    );
    let pixels = width * height;
    // Beside the fills, the run keeps two masks and the judge looks at one region at a time.
    let said = filling_bytes_max(pixels) + 2 * pixels;
    println!("{used} bytes used, {said} said; {:?}", outcome.warnings);
    assert!(used <= said, "{used} bytes used, {said} said");
    assert!(said < 2 * used, "{used} bytes used, {said} said");
    assert!(
        outcome
            .warnings
            .iter()
            .any(|w| w.contains("with less detail"))
    );
}

/// Peak bytes of finding what a click means in a photo of this size, the photo left out.
fn peak_of_click(width: usize, height: usize) -> usize {
    let options = EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let models = cleanplate_models::ModelStore::open(dir.path()).unwrap();
    let runner = Runner::new(
        open(&options).unwrap(),
        Arc::new(models),
        RunLimits::default(),
    );
    let points = vec![(width as f64 / 2.0, height as f64 / 2.0, 1)];
    let request = Request {
        photo: photo(width, height),
        mask: None,
        prompts: Some(Prompts {
            points,
            boxes: None,
            others: Vec::new(),
        }),
        overrides: Vec::new(),
        frame: None,
    };
    let set = cleanplate_plugins::pipelines::<&str>(&builtin(), &[]).unwrap();
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let pipeline = set.get("default").unwrap();
    runner.segment(pipeline, request, &NoObserver).unwrap();
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn finding_an_object_takes_no_more_for_a_pixel_than_is_set_aside() {
    let _alone = ALONE.lock().unwrap();
    let sizes = [(1500, 1000), (3000, 2000)];
    let [small, large] = sizes.map(|(width, height)| peak_of_click(width, height));
    let pixels = 3000 * 2000 - 1500 * 1000;
    let each = (large - small) as f64 / f64::from(pixels);
    println!("{small} and {large} bytes: {each:.1} for each pixel");
    assert!(each > 1.0 && each <= FOUND_BYTES as f64, "{each}");
}

/// Allocations are counted for the whole process: one test at a time.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The plugins of the program.
fn builtin() -> cleanplate_pipeline::Plugins {
    cleanplate_plugins::plugins::<&str>(&[]).unwrap()
}
