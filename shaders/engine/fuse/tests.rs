use std::sync::Arc;

use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::affine::Affine;
use cleanplate_kernels::conv2d::{Conv2d, Padding};
use cleanplate_kernels::fft2::{Irfft2, Rfft2};
use cleanplate_kernels::testing::Rng;
use cleanplate_kernels::{Op, Tensor};

use super::*;
use crate::testing::{max_difference, random_inputs, reference_run};

fn conv(rng: &mut Rng, out: usize, input: usize, kernel: usize) -> Arc<dyn Op> {
    let weight = Tensor::f32(
        &[out, input, kernel, kernel],
        rng.values(out * input * kernel * kernel, 0.3),
    );
    Arc::new(
        Conv2d::new(
            &weight,
            Some(&rng.values(out, 0.5)),
            1,
            Padding::Reflect(kernel / 2),
        )
        .unwrap(),
    )
}

fn norm(rng: &mut Rng, channels: usize) -> Arc<dyn Op> {
    let positive = |v: Vec<f32>| v.into_iter().map(|x| x.abs() + 0.5).collect::<Vec<_>>();
    let (gamma, var) = (
        positive(rng.values(channels, 1.0)),
        positive(rng.values(channels, 1.0)),
    );
    Arc::new(
        Affine::batch_norm(
            &gamma,
            &rng.values(channels, 0.2),
            &rng.values(channels, 0.2),
            &var,
            1e-5,
        )
        .unwrap(),
    )
}

fn relu() -> Arc<dyn Op> {
    Arc::new(Activation::Relu)
}

/// The layer of a Fourier residual network as the model writes it: 15 operations, with both residuals.
fn ffc_layer(
    graph: &mut Graph,
    rng: &mut Rng,
    local: TensorId,
    global: TensorId,
    residual: bool,
) -> (TensorId, TensorId) {
    let (l, g, half) = (2, 4, 2);
    let mut add = |name: &str, op: Arc<dyn Op>, inputs: &[TensorId]| {
        graph
            .add(&format!("block.conv1.{name}"), op, inputs)
            .unwrap()
    };
    let l2l = add("ffc.convl2l", conv(rng, l, l, 3), &[local]);
    let g2l = add("ffc.convg2l", conv(rng, l, g, 3), &[global]);
    let out_l = add("ffc.sum_l", Arc::new(Add), &[l2l, g2l]);
    let l2g = add("ffc.convl2g", conv(rng, g, l, 3), &[local]);
    let s = add("ffc.convg2g.conv1", conv(rng, half, g, 1), &[global]);
    let s = add("ffc.convg2g.norm", norm(rng, half), &[s]);
    let s = add("ffc.convg2g.relu", relu(), &[s]);
    let f = add("ffc.convg2g.fu.rfft", Arc::new(Rfft2), &[s]);
    let f = add(
        "ffc.convg2g.fu.conv",
        conv(rng, 2 * half, 2 * half, 1),
        &[f],
    );
    let f = add("ffc.convg2g.fu.norm", norm(rng, 2 * half), &[f]);
    let f = add("ffc.convg2g.fu.relu", relu(), &[f]);
    let f = add("ffc.convg2g.fu.irfft", Arc::new(Irfft2::default()), &[f, s]);
    let s = add("ffc.convg2g.sum", Arc::new(Add), &[s, f]);
    let s = add("ffc.convg2g.conv2", conv(rng, g, half, 1), &[s]);
    let out_g = add("ffc.sum_g", Arc::new(Add), &[l2g, s]);
    let out_l = add("bn_l", norm(rng, l), &[out_l]);
    let mut out_l = add("act_l", relu(), &[out_l]);
    let out_g = add("bn_g", norm(rng, g), &[out_g]);
    let mut out_g = add("act_g", relu(), &[out_g]);
    if residual {
        out_l = add("skip_l", Arc::new(Add), &[local, out_l]);
        out_g = add("skip_g", Arc::new(Add), &[out_g, global]);
    }
    (out_l, out_g)
}

fn ffc_graph(residual: bool) -> Graph {
    let mut rng = Rng::new(3);
    let mut graph = Graph::new();
    let local = graph.input(TensorSpec::f32(&[1, 2, 9, 7]));
    let global = graph.input(TensorSpec::f32(&[1, 4, 9, 7]));
    let (l, g) = ffc_layer(&mut graph, &mut rng, local, global, residual);
    graph.output(l);
    graph.output(g);
    graph
}

#[test]
fn an_ffc_layer_becomes_six_operations() {
    for residual in [false, true] {
        let fused = fuse(&ffc_graph(residual)).unwrap();
        let kernels: Vec<&str> = fused.nodes.iter().map(|n| n.op.kernel()).collect();
        assert_eq!(kernels.len(), 6, "{kernels:?}");
        assert_eq!(
            kernels.iter().filter(|k| **k == "conv2d").count(),
            4,
            "{kernels:?}"
        );
    }
}

#[test]
fn fusion_keeps_the_result() {
    for residual in [false, true] {
        let graph = ffc_graph(residual);
        let inputs = random_inputs(&graph, 11);
        let (want, got) = (
            reference_run(&graph, &inputs),
            reference_run(&fuse(&graph).unwrap(), &inputs),
        );
        assert_eq!(want.len(), 2);
        for (want, got) in want.iter().zip(&got) {
            assert!(
                max_difference(want, got) < 1e-5,
                "difference {}",
                max_difference(want, got)
            );
        }
    }
}

#[test]
fn names_of_fused_layers_list_their_parts() {
    let fused = fuse(&ffc_graph(true)).unwrap();
    let names: Vec<&str> = fused.nodes.iter().map(|n| n.name.as_str()).collect();
    assert!(
        names.contains(&"block.conv1.ffc.convl2l+convg2l+bn_l+act_l+skip_l"),
        "{names:?}"
    );
}

fn two_readers(output_too: bool) -> Graph {
    let mut rng = Rng::new(1);
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::f32(&[1, 2, 5, 5]));
    let y = graph.add("conv", conv(&mut rng, 2, 2, 3), &[x]).unwrap();
    let z = graph.add("relu", relu(), &[y]).unwrap();
    graph.output(z);
    if output_too {
        graph.output(y);
    } else {
        let w = graph.add("other", relu(), &[y]).unwrap();
        graph.output(w);
    }
    graph
}

#[test]
fn tensors_with_other_readers_stay() {
    assert_eq!(fuse(&two_readers(true)).unwrap().nodes.len(), 2);
    assert_eq!(fuse(&two_readers(false)).unwrap().nodes.len(), 3);
}

#[test]
fn an_addition_of_a_tensor_to_itself_stays() {
    let mut rng = Rng::new(1);
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::f32(&[1, 2, 5, 5]));
    let y = graph.add("conv", conv(&mut rng, 2, 2, 3), &[x]).unwrap();
    let z = graph.add("twice", Arc::new(Add), &[y, y]).unwrap();
    graph.output(z);
    assert_eq!(fuse(&graph).unwrap().nodes.len(), 2);
}

#[test]
fn a_residual_made_later_is_available_where_the_fused_operation_stands() {
    let mut rng = Rng::new(1);
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::f32(&[1, 2, 5, 5]));
    let early = graph.add("early", conv(&mut rng, 2, 2, 3), &[x]).unwrap();
    let late = graph.add("late", Arc::new(Rfft2), &[x]).unwrap();
    let late = graph
        .add("back", Arc::new(Irfft2 { residual: true }), &[late, x, x])
        .unwrap();
    let sum = graph.add("sum", Arc::new(Add), &[early, late]).unwrap();
    graph.output(sum);
    let fused = fuse(&graph).unwrap();
    assert_eq!(
        fused.nodes.len(),
        3,
        "the convolution takes the addition and moves behind the transform"
    );
    let inputs = random_inputs(&graph, 5);
    assert!(
        max_difference(
            &reference_run(&graph, &inputs)[0],
            &reference_run(&fused, &inputs)[0]
        ) < 1e-5
    );
}

#[test]
fn operations_that_reach_no_output_go() {
    let mut rng = Rng::new(1);
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::f32(&[1, 2, 5, 5]));
    let y = graph.add("conv", conv(&mut rng, 2, 2, 3), &[x]).unwrap();
    graph.add("dead", conv(&mut rng, 2, 2, 3), &[y]).unwrap();
    let z = graph.add("relu", relu(), &[y]).unwrap();
    graph.output(z);
    assert_eq!(fuse(&graph).unwrap().nodes.len(), 1);
}

#[test]
fn malformed_graphs_are_refused() {
    let mut graph = two_readers(true);
    graph.nodes.swap(0, 1);
    assert!(
        fuse(&graph)
            .unwrap_err()
            .to_string()
            .contains("relu reads tensor 1, which nothing made before it")
    );
    let mut graph = two_readers(true);
    graph.outputs.clear();
    assert!(matches!(fuse(&graph), Err(EngineError::Graph(_))));
    let mut graph = two_readers(true);
    graph.outputs.push(TensorId(99));
    assert!(matches!(fuse(&graph), Err(EngineError::Graph(_))));
}
