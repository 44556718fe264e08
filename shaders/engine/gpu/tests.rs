//! On any adapter. Without one these fail: the software adapter is a package away.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;

use cleanplate_kernels::{DType, Op, TensorSpec};

use super::pipelines::Key;
use super::test_ops::{DOUBLE, TestOp};
use super::*;
use crate::TensorId;
use crate::testing::{max_difference, random_inputs, reference_run, views};

fn backend_with(options: EngineOptions) -> GpuBackend {
    match GpuBackend::open(&options, Wanted::Any) {
        Ok(backend) => backend,
        Err(error) => panic!(
            "these tests need a Vulkan adapter; install mesa-vulkan-drivers for the software one: {error}"
        ),
    }
}

fn backend() -> GpuBackend {
    backend_with(EngineOptions {
        checked_shaders: true,
        ..EngineOptions::default()
    })
}

fn chain(ops: &[Arc<dyn Op>], spec: TensorSpec) -> Graph {
    let mut graph = Graph::new();
    let mut x = graph.input(spec);
    for (i, op) in ops.iter().enumerate() {
        x = graph.add(&format!("layer{i}"), op.clone(), &[x]).unwrap();
    }
    graph.output(x);
    graph
}

fn floats(n: usize) -> TensorSpec {
    TensorSpec::f32(&[n])
}

fn mixed() -> Graph {
    let mut graph = chain(
        &[
            TestOp::scale(0.5, &[1.0, -2.0, 3.0]),
            Arc::new(TestOp::Triple),
            TestOp::slow_scale(-1.5, &[0.25]),
            Arc::new(TestOp::Triple),
        ],
        floats(1001),
    );
    let middle = graph.nodes[1].outputs[0];
    graph.output(middle);
    graph
}

fn assert_runs(run: &dyn Executable, graph: &Graph, seed: u64) {
    let inputs = random_inputs(graph, seed);
    let (got, want) = (
        run.run(&views(&inputs)).unwrap(),
        reference_run(graph, &inputs),
    );
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(&want) {
        assert!(
            max_difference(got, want) < 1e-5,
            "difference {}",
            max_difference(got, want)
        );
    }
}

#[test]
fn results_are_those_of_the_references_checked_and_unchecked() {
    for checked_shaders in [true, false] {
        let backend = backend_with(EngineOptions {
            checked_shaders,
            ..EngineOptions::default()
        });
        let graph = mixed();
        let run = backend.compile(&graph).unwrap();
        (0..3).for_each(|seed| assert_runs(&*run, &graph, seed));
        assert!(backend.healthy());
    }
}

#[test]
fn byte_tensors_of_any_length_pass_whole() {
    let backend = backend();
    for n in [1, 3, 4, 17] {
        let graph = chain(
            &[
                Arc::new(TestOp::Invert),
                Arc::new(TestOp::Invert),
                Arc::new(TestOp::Invert),
            ],
            TensorSpec::u8(&[n]),
        );
        let run = backend.compile(&graph).unwrap();
        assert_eq!(graph.spec(graph.outputs[0]).dtype, DType::U8);
        assert_runs(&*run, &graph, n as u64);
    }
}

#[test]
fn an_input_may_be_an_output() {
    let mut graph = chain(&[Arc::new(TestOp::Triple)], floats(10));
    graph.output(TensorId(0));
    assert_runs(&*backend().compile(&graph).unwrap(), &graph, 1);
}

#[test]
fn explain_and_profile_name_every_dispatch() {
    let backend = backend();
    let graph = mixed();
    let run = backend.compile(&graph).unwrap();
    let lines = run.explain();
    assert_eq!(lines.len(), 6);
    assert!(
        lines[1].starts_with("layer1  test.double FACTOR=2  16x1x1 groups  [1001] -> [1001]"),
        "{}",
        lines[1]
    );
    let rows = run.profile(&views(&random_inputs(&graph, 1))).unwrap();
    assert_eq!(rows.len(), 6);
    assert!(
        rows.iter()
            .all(|(label, micros, _)| label.contains("test.") && *micros >= 0.0 && *micros < 1e7),
        "{rows:?}"
    );
    assert!(rows.iter().any(|(_, micros, _)| *micros > 0.0), "{rows:?}");
    assert_runs(&*run, &graph, 2);
}

#[test]
fn plans_take_the_bytes_they_say_and_give_them_back() {
    let backend = backend();
    assert_eq!(backend.memory_bytes(), 0);
    let graph = mixed();
    let run = backend.compile(&graph).unwrap();
    let held = backend.memory_bytes();
    assert!(
        held >= run.peak_bytes() && held < run.peak_bytes() + 20_000,
        "{held} for a plan of {}",
        run.peak_bytes()
    );
    assert_runs(&*run, &graph, 1);
    assert_eq!(backend.memory_bytes(), held);
    drop(run);
    assert_eq!(backend.memory_bytes(), 0);
}

#[test]
fn plans_above_the_limit_are_refused_before_allocation() {
    let backend = backend_with(EngineOptions {
        memory_bytes_max: 100_000,
        ..EngineOptions::default()
    });
    let large = chain(&[Arc::new(TestOp::Triple)], floats(20_000));
    assert!(matches!(
        backend.compile(&large),
        Err(EngineError::Memory {
            max_bytes: 100_000,
            ..
        })
    ));
    assert_eq!(backend.memory_bytes(), 0);
    let small = chain(&[Arc::new(TestOp::Triple)], floats(6_000));
    let first = backend.compile(&small).unwrap();
    assert!(
        matches!(backend.compile(&small), Err(EngineError::Memory { .. })),
        "the first plan still holds its bytes"
    );
    drop(first);
    assert!(backend.compile(&small).is_ok());
}

#[test]
fn tensors_above_the_binding_limit_are_refused() {
    let backend = backend_with(EngineOptions {
        memory_bytes_max: u64::MAX,
        ..EngineOptions::default()
    });
    let limit = backend.caps().binding_bytes_max;
    let graph = chain(
        &[Arc::new(TestOp::Triple)],
        floats(usize::try_from(limit / 4 + 1).unwrap()),
    );
    let error = backend.compile(&graph).err();
    // A device without a limit worth the name refuses the dispatch instead: too many workgroups.
    assert!(
        matches!(
            error,
            Some(EngineError::Memory { .. } | EngineError::Graph(_))
        ),
        "{error:?}"
    );
}

#[test]
fn constants_are_uploaded_once_for_all_sizes() {
    let backend = backend();
    let table: Vec<f32> = (0..50_000).map(|i| i as f32).collect();
    let op = TestOp::scale(1.0, &table);
    let first = backend
        .compile(&chain(std::slice::from_ref(&op), floats(10)))
        .unwrap();
    let one = backend.memory_bytes();
    let second = backend.compile(&chain(&[op], floats(20))).unwrap();
    assert!(
        one > 200_000 && backend.memory_bytes() < one + 2_000,
        "{one} then {}",
        backend.memory_bytes()
    );
    drop(first);
    assert!(backend.memory_bytes() > 200_000);
    drop(second);
    assert_eq!(backend.memory_bytes(), 0);
}

#[test]
fn threads_compile_each_pipeline_once() {
    let backend = backend();
    let graph = mixed();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_runs(&*backend.compile(&graph).unwrap(), &graph, 4));
        }
    });
    assert_eq!(
        backend.shared.newest().pipelines.compiled(),
        3,
        "scale, double and sum"
    );
}

#[test]
fn threads_that_want_one_pipeline_at_once_get_the_same() {
    let backend = backend();
    let gpu = backend.shared.newest().clone();
    let graph = chain(&[Arc::new(TestOp::Triple)], floats(10));
    let recorded = Recorded::new(&graph, &gpu.caps).unwrap();
    let key = Key::of(recorded.recording.dispatches().next().unwrap());
    let started = AtomicUsize::new(0);
    let pipelines: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            started.fetch_add(1, Ordering::SeqCst);
            while started.load(Ordering::SeqCst) < 8 {
                std::hint::spin_loop();
            }
            gpu.pipelines.get(&gpu, &key).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(pipelines.iter().all(|p| Arc::ptr_eq(p, &pipelines[0])));
    assert_eq!(gpu.pipelines.compiled(), 1);
}

#[test]
fn the_pipeline_cache_is_written_and_a_damaged_one_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions {
        cache_dir: Some(dir.path().to_path_buf()),
        ..EngineOptions::default()
    };
    let graph = mixed();
    assert_runs(
        &*backend_with(options.clone()).compile(&graph).unwrap(),
        &graph,
        1,
    );
    let files: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    let backend = backend_with(options.clone());
    if !backend
        .shared
        .newest()
        .device
        .features()
        .contains(wgpu::Features::PIPELINE_CACHE)
    {
        return assert!(files.is_empty(), "{files:?}");
    }
    assert_eq!(files.len(), 1, "{files:?}");
    assert_runs(&*backend.compile(&graph).unwrap(), &graph, 1);
    std::fs::write(&files[0], b"not a pipeline cache at all").unwrap();
    assert_runs(&*backend_with(options).compile(&graph).unwrap(), &graph, 1);
}

#[test]
fn a_shader_that_does_not_compile_is_an_error_with_its_name() {
    let backend = backend();
    let op = Arc::new(TestOp::Raw {
        template: "@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }",
        words: 4,
    });
    let text = backend
        .compile(&chain(&[op], floats(4)))
        .err()
        .unwrap()
        .to_string();
    assert!(
        text.starts_with("device error during compiling shader test.raw") && text.contains("u32"),
        "{text}"
    );
    assert!(backend.healthy());
    let graph = mixed();
    assert_runs(&*backend.compile(&graph).unwrap(), &graph, 1);
}

#[test]
fn an_invalid_dispatch_is_an_error_and_the_device_lives() {
    let backend = backend();
    // The shader wants 16 bytes of parameters behind binding 2 and gets no such binding.
    let error = backend
        .compile(&chain(
            &[Arc::new(TestOp::Raw {
                template: DOUBLE,
                words: 0,
            })],
            floats(4),
        ))
        .err()
        .unwrap();
    assert!(matches!(error, EngineError::Device { .. }), "{error}");
    let graph = mixed();
    assert_runs(&*backend.compile(&graph).unwrap(), &graph, 1);
}

#[test]
fn an_error_that_no_scope_catches_fails_the_running_job_only() {
    let backend = backend();
    let graph = mixed();
    let run = backend.compile(&graph).unwrap();
    let gpu = backend.shared.newest().clone();
    let inputs = random_inputs(&graph, 1);
    let sabotage = |_| {
        std::thread::scope(|scope| {
            // Scopes belong to threads, so this one's errors are nobody's.
            scope.spawn(|| {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size: 3,
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE,
                    mapped_at_creation: true,
                })
            });
        });
        false
    };
    let error = run.run_until(&views(&inputs), &sabotage).unwrap_err();
    assert!(
        matches!(error, EngineError::Device { .. }) && !error.retryable(),
        "{error}"
    );
    assert!(backend.healthy());
    assert_runs(&*run, &graph, 1);
    assert_eq!(backend.device_rebuilds(), 0);
}

#[test]
fn a_lost_device_fails_the_job_and_the_next_run_has_a_new_one() {
    let backend = backend();
    let graph = mixed();
    let (run, other) = (
        backend.compile(&graph).unwrap(),
        backend.compile(&graph).unwrap(),
    );
    let inputs = random_inputs(&graph, 1);
    for round in 1..=5 {
        let gpu = backend.shared.newest().clone();
        let asked = Cell::new(0);
        // Round 1 loses the device before the first submit, round 2 between submits.
        let sabotage = |_| {
            asked.set(asked.get() + 1);
            if asked.get() == 1 + round % 2 {
                gpu.device.destroy();
            }
            false
        };
        let error = run.run_until(&views(&inputs), &sabotage).unwrap_err();
        assert!(
            matches!(error, EngineError::DeviceLost { .. }) && error.retryable(),
            "{error}"
        );
        assert!(!backend.healthy());
        assert_runs(&*run, &graph, round);
        assert!(backend.healthy());
        assert_eq!(backend.device_rebuilds(), round);
        assert_runs(&*other, &graph, round);
    }
}

#[test]
fn a_device_lost_between_runs_is_replaced_without_an_error() {
    let backend = backend();
    let graph = mixed();
    let run = backend.compile(&graph).unwrap();
    let gpu = backend.shared.newest().clone();
    gpu.device.destroy();
    gpu.poll(wgpu::PollType::Poll).unwrap();
    assert!(!backend.healthy());
    assert_runs(&*run, &graph, 1);
    assert_eq!(backend.device_rebuilds(), 1);
}

#[test]
fn a_device_that_does_not_answer_in_time_counts_as_lost() {
    let graph = chain(&[Arc::new(TestOp::Spin)], floats(1 << 20));
    let inputs = random_inputs(&graph, 1);
    let backend = backend_with(EngineOptions {
        wait_s_max: 0,
        checked_shaders: true,
        ..EngineOptions::default()
    });
    let run = backend.compile(&graph);
    // Without waiting at all even the upload may be late.
    let error = run.and_then(|run| run.run(&views(&inputs))).unwrap_err();
    assert!(matches!(error, EngineError::DeviceLost { .. }), "{error}");
    assert!(
        error.to_string().contains("no answer within 0 s"),
        "{error}"
    );
}

#[test]
fn runs_stop_between_submits_when_asked() {
    let backend = backend();
    let graph = mixed();
    let run = backend.compile(&graph).unwrap();
    let inputs = random_inputs(&graph, 1);
    let asked = Cell::new(0);
    let watch = |_| {
        asked.set(asked.get() + 1);
        asked.get() == 2
    };
    assert!(matches!(
        run.run_until(&views(&inputs), &watch),
        Err(EngineError::Cancelled)
    ));
    assert_runs(&*run, &graph, 1);
}

#[test]
fn wrong_inputs_are_named() {
    let run = backend().compile(&mixed()).unwrap();
    let bad = Tensor::f32(&[7], vec![0.0; 7]);
    assert!(matches!(
        run.run(&[bad.view()]),
        Err(EngineError::Input { index: 0, .. })
    ));
    assert!(matches!(
        run.profile(&[]),
        Err(EngineError::Input { index: 0, .. })
    ));
}
