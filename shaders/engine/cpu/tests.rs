use std::cell::Cell;

use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::add::Add;
use cleanplate_kernels::conv2d::{Conv2d, Padding};
use cleanplate_kernels::testing::Rng;
use cleanplate_kernels::{Caps, KernelError, Op, TensorSpec};

use super::*;
use crate::testing::{max_difference, random_inputs, reference_run, views};

fn backend() -> CpuBackend {
    CpuBackend::new(&EngineOptions::default())
}

/// conv, relu, conv, + first map, relu: fuses, and shares slots.
fn small_net(side: usize) -> Graph {
    let mut rng = Rng::new(7);
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::f32(&[2, 3, side, side + 2]));
    let mut conv = |oc: usize, ic: usize| {
        let weight = Tensor::f32(&[oc, ic, 3, 3], rng.values(oc * ic * 9, 0.3));
        Arc::new(Conv2d::new(&weight, None, 1, Padding::Zero(1)).unwrap())
    };
    let a = graph.add("a", conv(4, 3), &[x]).unwrap();
    let a = graph
        .add("a.relu", Arc::new(Activation::Relu), &[a])
        .unwrap();
    let b = graph.add("b", conv(4, 4), &[a]).unwrap();
    let sum = graph.add("sum", Arc::new(Add), &[b, a]).unwrap();
    let c = graph.add("c", conv(1, 4), &[sum]).unwrap();
    graph.output(c);
    graph.output(sum);
    graph
}

/// Bytes in, bytes and their float values out.
#[derive(Debug)]
struct Invert;

impl Op for Invert {
    fn kernel(&self) -> &'static str {
        "invert"
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        Ok(vec![
            TensorSpec::u8(inputs[0].shape.dims()),
            TensorSpec::f32(inputs[0].shape.dims()),
        ])
    }
    fn flops(&self, _: &[TensorSpec]) -> u64 {
        1
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        assert!(inputs[0].u8()[0] != 255, "a panic in a kernel");
        let bytes: Vec<u8> = inputs[0].u8().iter().map(|v| 255 - v).collect();
        let floats = bytes.iter().map(|v| f32::from(*v)).collect();
        let dims = inputs[0].shape().dims();
        vec![Tensor::u8(dims, bytes), Tensor::f32(dims, floats)]
    }
    fn program(
        &self,
        _: &[TensorSpec],
        _: &Caps,
    ) -> Result<cleanplate_kernels::program::Program, KernelError> {
        Err(KernelError::Parameters {
            op: "invert",
            why: "test".into(),
        })
    }
}

#[test]
fn results_are_those_of_the_references() {
    let backend = backend();
    for side in [1, 6, 13] {
        let graph = small_net(side);
        let inputs = random_inputs(&graph, side as u64);
        let run = backend.compile(&graph).unwrap();
        for _ in 0..2 {
            for (got, want) in run
                .run(&views(&inputs))
                .unwrap()
                .iter()
                .zip(reference_run(&graph, &inputs))
            {
                assert!(max_difference(got, &want) < 1e-5);
            }
        }
        assert_eq!(run.explain().len(), 3);
        assert_eq!(run.profile(&views(&inputs)).unwrap().len(), 3);
        assert!(run.flops() > 0 && run.peak_bytes() > 0);
    }
}

#[test]
fn byte_tensors_share_the_slots() {
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::u8(&[1, 3, 5, 1]));
    let first = graph.add_multi("first", Arc::new(Invert), &[x]).unwrap();
    let second = graph
        .add_multi("second", Arc::new(Invert), &[first[0]])
        .unwrap();
    graph.output(second[0]);
    graph.output(first[1]);
    graph.output(x);
    let x = Tensor::u8(&[1, 3, 5, 1], (1..16).collect());
    let got = backend().compile(&graph).unwrap().run(&[x.view()]).unwrap();
    assert_eq!(got[0], x);
    assert_eq!(got[1].as_f32().unwrap()[14], 240.0);
    assert_eq!(got[2], x);
}

#[test]
fn wrong_inputs_are_named() {
    let run = backend().compile(&small_net(4)).unwrap();
    let bad = Tensor::f32(&[2, 3, 4, 5], vec![0.0; 120]);
    let text = run.run(&[bad.view()]).unwrap_err().to_string();
    assert_eq!(
        text,
        "run: input 0 is F32 [2, 3, 4, 5], the graph wants F32 [2, 3, 4, 6]"
    );
    assert!(matches!(
        run.run(&[]),
        Err(EngineError::Input { index: 0, .. })
    ));
    assert!(matches!(
        run.run(&[bad.view(), bad.view()]),
        Err(EngineError::Input { .. })
    ));
}

#[test]
fn a_panicking_kernel_is_an_error_and_the_backend_lives() {
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::u8(&[2]));
    let y = graph.add_multi("layer7", Arc::new(Invert), &[x]).unwrap();
    graph.output(y[0]);
    let run = backend().compile(&graph).unwrap();
    let text = run
        .run(&[Tensor::u8(&[2], vec![255, 0]).view()])
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("layer7") && text.contains("a panic in a kernel"),
        "{text}"
    );
    assert_eq!(
        run.run(&[Tensor::u8(&[2], vec![0, 1]).view()]).unwrap()[0]
            .as_u8()
            .unwrap(),
        [255, 254]
    );
}

#[test]
fn runs_stop_between_operations_when_asked() {
    let graph = small_net(4);
    let inputs = random_inputs(&graph, 1);
    let run = backend().compile(&graph).unwrap();
    let asked = Cell::new(0);
    let watch = |_| {
        asked.set(asked.get() + 1);
        asked.get() == 2
    };
    assert!(matches!(
        run.run_until(&views(&inputs), &watch),
        Err(EngineError::Cancelled)
    ));
    assert_eq!(asked.get(), 2);
}

#[test]
fn a_run_tells_how_far_it_is() {
    let graph = small_net(4);
    let inputs = random_inputs(&graph, 1);
    let run = backend().compile(&graph).unwrap();
    let told = std::cell::RefCell::new(Vec::new());
    let watch = |done| {
        told.borrow_mut().push(done);
        false
    };
    run.run_until(&views(&inputs), &watch).unwrap();
    let told = told.into_inner();
    assert!(told.len() > 1 && told[0] == 0.0, "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    assert!(
        told[told.len() - 1] < 1.0,
        "the last operation is still to come"
    );
}

#[test]
fn plans_above_the_limit_are_refused() {
    let backend = CpuBackend::new(&EngineOptions {
        memory_bytes_max: 1_000_000,
        ..EngineOptions::default()
    });
    assert!(backend.compile(&small_net(4)).is_ok());
    assert!(matches!(
        backend.compile(&small_net(400)),
        Err(EngineError::Memory {
            max_bytes: 1_000_000,
            ..
        })
    ));
    assert_eq!(backend.pool.bytes(), 0);
}

#[test]
fn threads_share_one_executable() {
    let graph = small_net(9);
    let inputs = random_inputs(&graph, 3);
    let want = reference_run(&graph, &inputs);
    let run = backend().compile(&graph).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(max_difference(&run.run(&views(&inputs)).unwrap()[0], &want[0]) < 1e-5)
            });
        }
    });
}
