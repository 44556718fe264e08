//! Crops of overlapping runs: together through the network, each with the result it would have had alone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use cleanplate_engine::{
    Backend, BackendChoice, DeviceInfo, EngineError, EngineOptions, Executable, Graph, Tensor,
    TensorRef, TensorSpec, open,
};
use cleanplate_models::ModelStore;
use cleanplate_pictures::{Limits, Mask, Photo, decode};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::models::{InpaintNetwork, Networks};
use cleanplate_pipeline::{Observer, Outcome, Pipeline, Request, RunLimits, Runner};

/// A photo of noise that starts with `seed`, and a mask with a hole at a place of its own.
fn pair(width: usize, height: usize, seed: usize) -> (Photo, Mask) {
    let data: Vec<u8> = (0..width * height * 3)
        .map(|i| ((i + seed * 7919).wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&data)
        .unwrap();
    let mut mask = Mask::empty(width, height);
    let (x, y) = (20 + seed % 7 * 5, 16 + seed % 3 * 6);
    (y..y + 12).for_each(|row| mask.data[row * width + x..row * width + x + 14].fill(255));
    (decode(&out, &Limits::default()).unwrap(), mask)
}

fn request(seed: usize, size: (usize, usize)) -> Request {
    let (photo, mask) = pair(size.0, size.1, seed);
    Request {
        photo,
        mask: Some(mask),
        prompts: None,
        overrides: Vec::new(),
        frame: None,
    }
}

fn limits(micro_batch_max: usize) -> RunLimits {
    RunLimits {
        micro_batch_max,
        // A group goes once its runs are there, never because a busy machine was late with one of them.
        micro_batch_wait_max: Duration::from_secs(3600),
        ..RunLimits::default()
    }
}

/// Holds a run at its first stage until all runs are under way: from then on each waits for the others' crops.
struct Meet<'a> {
    all: &'a Barrier,
    met: AtomicBool,
    stop: AtomicBool,
}

impl<'a> Meet<'a> {
    fn at(all: &'a Barrier) -> Self {
        Meet {
            all,
            met: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        }
    }
}

impl Observer for Meet<'_> {
    fn stage(&self, _name: &str, _fraction: f32) {
        if !self.met.swap(true, Ordering::SeqCst) {
            self.all.wait();
        }
    }
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

fn pipeline() -> Pipeline {
    cleanplate_plugins::pipelines::<&str>(&crate::builtin(), &[])
        .unwrap()
        .get("lama-small")
        .unwrap()
        .clone()
}

/// Runs these requests at the same time; `None` for a run that panicked.
fn together(runner: &Runner, requests: Vec<Request>) -> Vec<Option<Result<Outcome, PluginError>>> {
    let (pipeline, all) = (pipeline(), Barrier::new(requests.len()));
    std::thread::scope(|scope| {
        let run = |request| scope.spawn(|| runner.run(&pipeline, request, &Meet::at(&all)));
        let threads: Vec<_> = requests.into_iter().map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().ok())
            .collect()
    })
}

/// As [`together`], for runs that succeed.
fn outcomes(runner: &Runner, requests: Vec<Request>) -> Vec<Outcome> {
    together(runner, requests)
        .into_iter()
        .map(|end| end.unwrap().unwrap())
        .collect()
}

#[test]
fn results_on_the_processor_are_those_of_single_runs_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let runner = |crops| {
        let backend = open(&EngineOptions {
            backend: BackendChoice::Cpu,
            ..EngineOptions::default()
        })
        .unwrap();
        Runner::new(
            backend,
            Arc::new(ModelStore::open(dir.path()).unwrap()),
            limits(crops),
        )
    };
    for size in [(96, 80), (200, 150)] {
        let single = runner(1);
        let alone: Vec<Outcome> = (0..5)
            .map(|seed| outcomes(&single, vec![request(seed, size)]).remove(0))
            .collect();
        assert_eq!(single.network_counts(), (5, 5));
        let grouped = runner(8);
        let ends = outcomes(&grouped, (0..5).map(|seed| request(seed, size)).collect());
        let (groups, crops) = grouped.network_counts();
        assert_eq!((groups, crops), (2, 5));
        let mut most = 0;
        for (alone, grouped) in alone.iter().zip(ends) {
            assert!(
                alone.photo == grouped.photo,
                "a neighbour changed the result at {size:?}"
            );
            most = most.max(
                grouped
                    .stages
                    .iter()
                    .map(|stage| stage.crops_together)
                    .max()
                    .unwrap(),
            );
            assert!(
                grouped
                    .stages
                    .iter()
                    .all(|stage| stage.waited_ms <= stage.ms)
            );
        }
        assert_eq!(most, 4);
    }
}

/// What the stand-in device does with a group whose first bytes are these.
const POISON: u8 = 255;

/// Predicts gray; refuses graphs of more than `crops_max`; fails groups with a poisoned crop; works for as long as it is held.
#[derive(Default)]
struct Odd {
    crops_max: usize,
    panics: bool,
    held: Arc<AtomicBool>,
    groups: Arc<Mutex<Vec<usize>>>,
    /// How often a group asked whether to go on.
    asked: Arc<AtomicUsize>,
}

impl Odd {
    /// Waits until a group has asked once more from begin to end.
    fn await_asked(&self) {
        let (before, until) = (self.asked.load(Ordering::SeqCst), deadline());
        while self.asked.load(Ordering::SeqCst) < before + 2 {
            assert!(Instant::now() < until, "no group is on the device");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

struct OddRun {
    dims: Vec<usize>,
    panics: bool,
    held: Arc<AtomicBool>,
    groups: Arc<Mutex<Vec<usize>>>,
    asked: Arc<AtomicUsize>,
}

/// When what is waited for has failed.
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

impl Backend for Odd {
    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            backend: "cpu",
            name: "odd".to_string(),
            driver: String::new(),
            kind: "cpu",
        }
    }
    fn compile(&self, graph: &Graph) -> Result<Arc<dyn Executable>, EngineError> {
        let dims = graph.spec(graph.inputs[0]).shape.dims().to_vec();
        if dims[0] > self.crops_max {
            let (need_bytes, max_bytes) = (dims[0] as u64, self.crops_max as u64);
            return Err(EngineError::Memory {
                what: "the plan".to_string(),
                need_bytes,
                limit: "the limit",
                max_bytes,
                remedy: "",
            });
        }
        Ok(Arc::new(OddRun {
            dims,
            panics: self.panics,
            held: self.held.clone(),
            groups: self.groups.clone(),
            asked: self.asked.clone(),
        }))
    }
    fn healthy(&self) -> bool {
        true
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

impl Executable for OddRun {
    fn run_until(
        &self,
        inputs: &[TensorRef<'_>],
        watch: &dyn Fn(f32) -> bool,
    ) -> Result<Vec<Tensor>, EngineError> {
        let [n, h, w, _] = *self.dims.as_slice() else {
            panic!()
        };
        let until = deadline();
        while self.held.load(Ordering::SeqCst) {
            if watch(0.5) {
                return Err(EngineError::Cancelled);
            }
            self.asked.fetch_add(1, Ordering::SeqCst);
            assert!(Instant::now() < until, "a group is never let go");
            std::thread::sleep(Duration::from_millis(1));
        }
        if inputs[0]
            .u8()
            .chunks(h * w * 3)
            .any(|crop| crop[..3] == [POISON; 3])
        {
            assert!(!self.panics, "poison");
            return Err(EngineError::Device {
                during: "a group".to_string(),
                detail: "poison".to_string(),
            });
        }
        self.groups.lock().unwrap().push(n);
        let (ph, pw) = (h.next_multiple_of(8), w.next_multiple_of(8));
        Ok(vec![Tensor::f32(
            &[n, 3, ph, pw],
            vec![0.5; n * 3 * ph * pw],
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

struct Plain;

impl InpaintNetwork for Plain {
    fn name(&self) -> &str {
        "plain"
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

impl Networks for Plain {
    fn inpaint(&self, _name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        Ok(Arc::new(Plain))
    }
}

/// A request whose crop makes its group fail.
fn poisoned() -> Request {
    let mut request = request(9, (64, 48));
    let cleanplate_pictures::Samples::U8(samples) = &mut request.photo.samples else {
        panic!()
    };
    samples[..3].fill(POISON);
    request
}

#[test]
fn a_crop_that_fails_its_group_fails_only_its_own_run() {
    let device = Arc::new(Odd {
        crops_max: 8,
        ..Odd::default()
    });
    let runner = Runner::new(device.clone(), Arc::new(Plain), limits(4));
    let requests = vec![
        request(0, (64, 48)),
        poisoned(),
        request(1, (64, 48)),
        request(2, (64, 48)),
    ];
    let mut ends: Vec<_> = together(&runner, requests)
        .into_iter()
        .map(Option::unwrap)
        .collect();
    let failed: Vec<bool> = ends.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false]);
    let error = ends.remove(1).unwrap_err().to_string();
    assert!(error.contains("poison"), "{error}");
    assert_eq!(device.groups.lock().unwrap().iter().sum::<usize>(), 3);
    // The line is free again.
    assert_eq!(outcomes(&runner, vec![request(3, (64, 48))]).len(), 1);
}

#[test]
fn a_panic_in_a_group_reaches_the_run_that_caused_it_only() {
    let device = Arc::new(Odd {
        crops_max: 8,
        panics: true,
        ..Odd::default()
    });
    let runner = Runner::new(device, Arc::new(Plain), limits(3));
    let ends = together(
        &runner,
        vec![request(0, (64, 48)), poisoned(), request(1, (64, 48))],
    );
    let panicked: Vec<bool> = ends.iter().map(Option::is_none).collect();
    assert_eq!(panicked, [false, true, false]);
    assert_eq!(outcomes(&runner, vec![request(3, (64, 48))]).len(), 1);
}

#[test]
fn groups_are_as_large_as_memory_allows() {
    let device = Arc::new(Odd {
        crops_max: 2,
        ..Odd::default()
    });
    let runner = Runner::new(device.clone(), Arc::new(Plain), limits(8));
    let ends = outcomes(
        &runner,
        (0..6).map(|seed| request(seed, (64, 48))).collect(),
    );
    assert!(ends.iter().all(|outcome| outcome.warnings.is_empty()));
    let groups = device.groups.lock().unwrap().clone();
    assert!(
        groups.iter().sum::<usize>() == 6 && groups.iter().max() == Some(&2),
        "{groups:?}"
    );
}

#[test]
fn crops_of_other_sizes_go_apart() {
    let device = Arc::new(Odd {
        crops_max: 8,
        ..Odd::default()
    });
    let runner = Runner::new(device.clone(), Arc::new(Plain), limits(8));
    let sizes = [(64, 48), (48, 64), (64, 48), (48, 64)];
    outcomes(&runner, sizes.map(|size| request(1, size)).to_vec());
    assert_eq!(*device.groups.lock().unwrap(), [2, 2]);
}

#[test]
fn cancelling_one_run_of_a_group_leaves_the_others_alone() {
    let device = Arc::new(Odd {
        crops_max: 8,
        ..Odd::default()
    });
    let runner = Runner::new(device.clone(), Arc::new(Plain), limits(2));
    let pipeline = pipeline();
    for cancelled in 0..2 {
        let all = Barrier::new(2);
        let meets = [Meet::at(&all), Meet::at(&all)];
        device.held.store(true, Ordering::SeqCst);
        let ends: Vec<Result<Outcome, PluginError>> = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (seed, meet) in meets.iter().enumerate() {
                let (runner, pipeline) = (&runner, &pipeline);
                threads
                    .push(scope.spawn(move || runner.run(pipeline, request(seed, (64, 48)), meet)));
            }
            device.await_asked();
            meets[cancelled].stop.store(true, Ordering::SeqCst);
            device.await_asked();
            device.held.store(false, Ordering::SeqCst);
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(
            matches!(&ends[cancelled], Err(PluginError::Cancelled { .. })),
            "{:?}",
            ends[cancelled].as_ref().err()
        );
        assert!(ends[1 - cancelled].is_ok());
    }
    assert_eq!(
        *device.groups.lock().unwrap(),
        [2, 2],
        "the group went on for the run that stayed"
    );

    // When nobody wants it any more, the device is free at once: nothing else ends this group.
    device.held.store(true, Ordering::SeqCst);
    let all = Barrier::new(1);
    let meet = Meet::at(&all);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| runner.run(&pipeline, request(0, (64, 48)), &meet));
        device.await_asked();
        let stopped = Instant::now();
        meet.stop.store(true, Ordering::SeqCst);
        assert!(matches!(
            run.join().unwrap(),
            Err(PluginError::Cancelled { .. })
        ));
        assert!(
            stopped.elapsed() < Duration::from_millis(1200),
            "{:?}",
            stopped.elapsed()
        );
    });
}
