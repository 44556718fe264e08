//! Pipelines on a stand-in device: what is written where, which errors, which warnings.

mod colour;
mod refusals;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cleanplate_engine::{
    Backend, DeviceInfo, EngineError, Executable, Graph, Tensor, TensorRef, TensorSpec,
};
use cleanplate_pictures::{Format, Limits, Mask, Photo, Rect, Samples, decode};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::models::{InpaintNetwork, Networks};
use cleanplate_pipeline::{NoObserver, Observer, Pipeline, Prompts, Request, RunLimits, Runner};
use proptest::prelude::*;

/// Predicts one colour everywhere; refuses graphs over `pixels_max`; remembers the sizes it ran.
struct FlatDevice {
    pixels_max: usize,
    sizes: Arc<Mutex<Vec<(usize, usize)>>>,
    compiled: AtomicUsize,
}

struct FlatRun {
    size: (usize, usize),
    sizes: Arc<Mutex<Vec<(usize, usize)>>>,
}

const COLOUR: [f32; 3] = [0.2, 0.4, 0.8];

impl Backend for FlatDevice {
    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            backend: "cpu",
            name: "flat".to_string(),
            driver: String::new(),
            kind: "cpu",
        }
    }
    fn compile(&self, graph: &Graph) -> Result<Arc<dyn Executable>, EngineError> {
        let dims = graph.spec(graph.inputs[0]).shape.dims().to_vec();
        if dims[1] * dims[2] > self.pixels_max {
            let (need_bytes, max_bytes) = ((dims[1] * dims[2]) as u64, self.pixels_max as u64);
            return Err(EngineError::Memory {
                what: "the plan".to_string(),
                need_bytes,
                limit: "the limit",
                max_bytes,
                remedy: "",
            });
        }
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(FlatRun {
            size: (dims[2], dims[1]),
            sizes: self.sizes.clone(),
        }))
    }
    fn healthy(&self) -> bool {
        true
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

impl Executable for FlatRun {
    fn run_until(
        &self,
        inputs: &[TensorRef<'_>],
        _watch: &dyn Fn(f32) -> bool,
    ) -> Result<Vec<Tensor>, EngineError> {
        let (w, h) = self.size;
        assert_eq!(
            (inputs[0].u8().len(), inputs[1].u8().len()),
            (w * h * 3, w * h)
        );
        self.sizes.lock().unwrap().push(self.size);
        let (pw, ph) = (w.next_multiple_of(8), h.next_multiple_of(8));
        Ok(vec![Tensor::f32(
            &[1, 3, ph, pw],
            COLOUR.iter().flat_map(|&c| vec![c; pw * ph]).collect(),
        )])
    }
    fn peak_bytes(&self) -> u64 {
        1000
    }
    fn flops(&self) -> u64 {
        0
    }
    fn explain(&self) -> Vec<String> {
        Vec::new()
    }
    fn profile(&self, _inputs: &[TensorRef<'_>]) -> Result<Vec<(String, f64, u64)>, EngineError> {
        Ok(Vec::new())
    }
}

struct Flat;

impl InpaintNetwork for Flat {
    fn name(&self) -> &str {
        "flat"
    }
    fn sha256(&self) -> &str {
        "00"
    }
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, PluginError> {
        let mut graph = Graph::new();
        graph.input(TensorSpec::u8(&[batch, height, width, 3]));
        graph.input(TensorSpec::u8(&[batch, height, width]));
        Ok(graph)
    }
}

impl Networks for Flat {
    fn inpaint(&self, _name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        Ok(Arc::new(Flat))
    }
}

struct Bench {
    runner: Runner,
    device: Arc<FlatDevice>,
    sizes: Arc<Mutex<Vec<(usize, usize)>>>,
}

fn bench(pixels_max: usize) -> Bench {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let device = Arc::new(FlatDevice {
        pixels_max,
        sizes: sizes.clone(),
        compiled: AtomicUsize::new(0),
    });
    Bench {
        runner: Runner::new(device.clone(), Arc::new(Flat), RunLimits::default()),
        device,
        sizes,
    }
}

fn pipeline(name: &str) -> Pipeline {
    cleanplate_plugins::pipelines::<&str>(&crate::builtin(), &[])
        .unwrap()
        .get(name)
        .unwrap()
        .clone()
}

/// A photo with a different value in every sample, opaque, through a real PNG.
fn photo(width: usize, height: usize, color: png::ColorType, depth: png::BitDepth) -> Photo {
    let bytes_per_pixel = color.samples()
        * if depth == png::BitDepth::Sixteen {
            2
        } else {
            1
        };
    let mut data: Vec<u8> = (0..width * height * bytes_per_pixel)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    if matches!(color, png::ColorType::GrayscaleAlpha | png::ColorType::Rgba) {
        let alpha = bytes_per_pixel / color.samples();
        data.chunks_exact_mut(bytes_per_pixel)
            .for_each(|pixel| pixel[bytes_per_pixel - alpha..].fill(255));
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&data)
        .unwrap();
    decode(&out, &Limits::default()).unwrap()
}

fn mask(width: usize, height: usize, rects: &[Rect]) -> Mask {
    let mut m = Mask::empty(width, height);
    for r in rects {
        for y in r.y0..r.y1 {
            m.data[y * width + r.x0..y * width + r.x1].fill(255);
        }
    }
    m
}

fn request(photo: &Photo, mask: Mask, overrides: &[(&str, &str)]) -> Request {
    let overrides = overrides
        .iter()
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect();
    Request {
        photo: photo.clone(),
        mask: Some(mask),
        prompts: None,
        overrides,
        frame: None,
    }
}

fn values(photo: &Photo) -> Vec<u16> {
    match &photo.samples {
        Samples::U8(v) => v.iter().map(|&v| u16::from(v)).collect(),
        Samples::U16(v) => v.clone(),
    }
}

const BOX: Rect = Rect {
    x0: 60,
    y0: 50,
    x1: 90,
    y1: 70,
};

#[test]
fn every_kind_is_filled_inside_and_untouched_outside() {
    use png::{BitDepth, ColorType};
    for color in [
        ColorType::Grayscale,
        ColorType::GrayscaleAlpha,
        ColorType::Rgb,
        ColorType::Rgba,
    ] {
        for depth in [BitDepth::Eight, BitDepth::Sixteen] {
            let before = photo(150, 120, color, depth);
            let outcome = bench(usize::MAX)
                .runner
                .run(
                    &pipeline("lama-small"),
                    request(&before, mask(150, 120, &[BOX]), &[]),
                    &NoObserver,
                )
                .unwrap();
            let (n, max) = (
                before.channels.count(),
                if before.bits() == 8 { 255.0 } else { 65535.0 },
            );
            let want = |c: usize| {
                if n < 3 {
                    (COLOUR.iter().sum::<f32>() / 3.0 * max + 0.5) as u16
                } else {
                    (COLOUR[c] * max + 0.5) as u16
                }
            };
            let (was, is) = (values(&before), values(&outcome.photo));
            // Grown by 3, feathered by 2: nothing further than 5 from the box may change, everything within 3 is the fill.
            let far = BOX.grown(5, 150, 120);
            for i in 0..was.len() {
                let (x, y, c) = (i / n % 150, i / n / 150, i % n);
                let inside = |r: &Rect| (r.x0..r.x1).contains(&x) && (r.y0..r.y1).contains(&y);
                if !inside(&far) || c >= before.channels.colours() {
                    assert_eq!(is[i], was[i], "{color:?} {depth:?} at {x},{y}");
                } else if inside(&BOX) {
                    assert!(
                        is[i].abs_diff(want(c)) <= 1,
                        "{color:?} {depth:?} at {x},{y}: {} {}",
                        is[i],
                        want(c)
                    );
                }
            }
            assert!((outcome.mask_share - outcome.mask.count() as f64 / 18000.0).abs() < 1e-12);
            let plugins: Vec<&str> = outcome.stages.iter().map(|s| s.plugin.as_str()).collect();
            assert_eq!(
                plugins,
                ["grow", "fill-holes", "feather", "lama", "composite"]
            );
            assert_eq!(
                (
                    outcome.models[0].name.as_str(),
                    outcome.warnings.len(),
                    outcome.photo.format
                ),
                ("flat", 0, Format::Png)
            );
        }
    }
}

#[test]
fn the_lama_pipeline_changes_exactly_the_mask() {
    let before = photo(150, 120, png::ColorType::Rgb, png::BitDepth::Eight);
    let outcome = bench(usize::MAX)
        .runner
        .run(
            &pipeline("lama"),
            request(
                &before,
                mask(150, 120, &[BOX]),
                &[("lama.working_px_max", "512")],
            ),
            &NoObserver,
        )
        .unwrap();
    let after = values(&outcome.photo);
    for (i, was) in values(&before).iter().enumerate() {
        let (x, y) = (i / 3 % 150, i / 3 / 150);
        let inside = (BOX.x0..BOX.x1).contains(&x) && (BOX.y0..BOX.y1).contains(&y);
        let want = if inside {
            (COLOUR[i % 3] * 255.0 + 0.5) as u16
        } else {
            *was
        };
        assert_eq!(after[i], want, "{x},{y}");
    }
}

#[test]
fn large_holes_are_scaled_and_equal_sizes_are_compiled_once() {
    let before = photo(1600, 700, png::ColorType::Grayscale, png::BitDepth::Eight);
    let far_apart = [
        Rect {
            x0: 100,
            y0: 300,
            x1: 130,
            y1: 330,
        },
        Rect {
            x0: 1400,
            y0: 300,
            x1: 1430,
            y1: 330,
        },
    ];
    let b = bench(usize::MAX);
    b.runner
        .run(
            &pipeline("lama"),
            request(
                &before,
                mask(1600, 700, &far_apart),
                &[("lama.working_px_max", "512")],
            ),
            &NoObserver,
        )
        .unwrap();
    assert_eq!(*b.sizes.lock().unwrap(), [(320, 320), (320, 320)]);
    assert_eq!(b.device.compiled.load(Ordering::Relaxed), 1);
    let wide = [Rect {
        x0: 100,
        y0: 200,
        x1: 1500,
        y1: 500,
    }];
    let outcome = b
        .runner
        .run(
            &pipeline("lama"),
            request(
                &before,
                mask(1600, 700, &wide),
                &[("lama.working_px_max", "256")],
            ),
            &NoObserver,
        )
        .unwrap();
    assert_eq!(b.sizes.lock().unwrap()[2].0, 256);
    let level = values(&outcome.photo)[350 * 1600 + 800];
    assert_eq!(
        level,
        (COLOUR.iter().sum::<f32>() / 3.0 * 255.0 + 0.5) as u16
    );
}

#[test]
fn tiny_photos_are_padded_for_the_network() {
    for (w, h) in [(2, 1), (5, 3), (9, 40)] {
        let before = photo(w, h, png::ColorType::Rgb, png::BitDepth::Eight);
        let one = mask(
            w,
            h,
            &[Rect {
                x0: 0,
                y0: 0,
                x1: 1,
                y1: 1,
            }],
        );
        let outcome = bench(usize::MAX)
            .runner
            .run(&pipeline("lama"), request(&before, one, &[]), &NoObserver)
            .unwrap();
        assert_eq!(values(&outcome.photo)[..3], [51, 102, 204]);
        assert_eq!(values(&outcome.photo)[3..], values(&before)[3..]);
    }
}

/// Cancels once the named stage has reported progress.
struct CancelAfter(&'static str, AtomicBool);

impl Observer for CancelAfter {
    fn stage(&self, name: &str, fraction: f32) {
        if name == self.0 && fraction > 0.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
    fn cancelled(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any mask and any settings: only pixels near the mask change, and no mask breaks the run.
    #[test]
    fn nothing_far_from_the_mask_ever_changes(
        width in 1usize..220, height in 1usize..180, seeds in prop::collection::vec((any::<u16>(), any::<u16>(), 1usize..40, 1usize..40), 1..6),
        grow in 0usize..12, feather in 0usize..8, working in 128usize..300,
    ) {
        let rects: Vec<Rect> = seeds.iter().map(|&(x, y, w, h)| {
            let (x0, y0) = (usize::from(x) % width, usize::from(y) % height);
            Rect { x0, y0, x1: (x0 + w).min(width), y1: (y0 + h).min(height) }
        }).collect();
        let before = photo(width, height, png::ColorType::Rgb, png::BitDepth::Eight);
        let settings = [("grow.radius_px", grow.to_string()), ("feather.width_px", feather.to_string()), ("lama.working_px_max", working.to_string())];
        let settings: Vec<(&str, &str)> = settings.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let user = mask(width, height, &rects);
        match bench(usize::MAX).runner.run(&pipeline("lama-small"), request(&before, user.clone(), &settings), &NoObserver) {
            Err(PluginError::WholeImageMask) => {}
            Err(other) => prop_assert!(false, "{other}"),
            Ok(outcome) => {
                let reach = grow + feather;
                let (was, is) = (values(&before), values(&outcome.photo));
                for (i, pair) in was.chunks(3).zip(is.chunks(3)).enumerate() {
                    let (x, y) = (i % width, i / width);
                    let near = rects.iter().any(|r| x + reach >= r.x0 && x < r.x1 + reach && y + reach >= r.y0 && y < r.y1 + reach);
                    prop_assert!(near || pair.0 == pair.1, "({x}, {y}) changed");
                    // A scaled fill is interpolated with the photo at the rim of the hole, up to four pixels inside it.
                    if user.data[i] != 0 && reach >= 5 {
                        prop_assert_eq!(pair.1, &[51u16, 102, 204][..]);
                    }
                }
            }
        }
    }
}
