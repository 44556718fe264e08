use std::sync::Arc;

use cleanplate_kernels::TensorSpec;
use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::add::Add;
use proptest::prelude::*;

use super::*;

fn intervals() -> impl Strategy<Value = Vec<Interval>> {
    prop::collection::vec((1u64..200, 0usize..40, 0usize..12), 0..60).prop_map(|v| {
        v.into_iter()
            .map(|(n, first, length)| Interval {
                bytes: n * ALIGN_BYTES,
                first,
                last: first + length,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn values_alive_together_never_share_a_slot(values in intervals()) {
        let coloring = color(&values);
        prop_assert_eq!(coloring.slot.len(), values.len());
        for i in 0..values.len() {
            prop_assert!(coloring.slot_bytes[coloring.slot[i]] >= values[i].bytes);
            for j in 0..i {
                prop_assert!(coloring.slot[i] != coloring.slot[j] || !values[i].overlaps(&values[j]), "{i} and {j}");
            }
        }
    }

    #[test]
    fn slots_take_between_the_live_maximum_and_the_sum(values in intervals()) {
        let total: u64 = color(&values).slot_bytes.iter().sum();
        let alive = |step: usize| values.iter().filter(|v| v.first <= step && step <= v.last).map(|v| v.bytes).sum::<u64>();
        prop_assert!(total >= (0..60).map(alive).max().unwrap_or(0));
        prop_assert!(total <= values.iter().map(|v| v.bytes).sum());
    }
}

/// `x -> relu -> relu -> ... -> + x`, each map of `4 * side * side` bytes.
fn chain(length: usize, side: usize) -> Graph {
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::f32(&[1, 1, side, side]));
    let mut y = x;
    for i in 0..length {
        y = graph
            .add(&format!("relu{i}"), Arc::new(Activation::Relu), &[y])
            .unwrap();
    }
    let sum = graph.add("sum", Arc::new(Add), &[y, x]).unwrap();
    graph.output(sum);
    graph
}

#[test]
fn a_long_chain_needs_three_slots() {
    let graph = chain(20, 8);
    let plan = plan(&graph, &vec![vec![]; 21], Inputs::Uploaded);
    assert_eq!(plan.slot_bytes, [256; 3]);
    for node in &graph.nodes {
        let slots: Vec<_> = node
            .inputs
            .iter()
            .chain(&node.outputs)
            .map(|id| plan.tensor_slot[id.0].unwrap())
            .collect();
        let mut distinct = slots.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), slots.len());
    }
}

#[test]
fn borrowed_inputs_take_no_slot() {
    let graph = chain(20, 8);
    let plan = plan(&graph, &vec![vec![]; 21], Inputs::Borrowed);
    assert_eq!(plan.tensor_slot[0], None);
    assert_eq!(plan.peak_bytes(), 512);
}

#[test]
fn scratch_differs_from_the_operations_tensors() {
    let graph = chain(2, 8);
    let plan = plan(&graph, &[vec![100, 300], vec![], vec![7]], Inputs::Uploaded);
    let mut slots: Vec<_> = [0, 1]
        .iter()
        .map(|id| plan.tensor_slot[*id].unwrap())
        .chain(plan.scratch_slots[0].clone())
        .collect();
    slots.sort();
    slots.dedup();
    assert_eq!(slots.len(), 4);
    assert_eq!(plan.scratch_slots[2].len(), 1);
    assert!(plan.slot_bytes.iter().all(|bytes| bytes % ALIGN_BYTES == 0));
}

#[test]
fn each_ceiling_is_checked() {
    let graph = chain(3, 8);
    let plan = plan(&graph, &vec![vec![]; 4], Inputs::Uploaded);
    let roomy = Ceilings {
        memory_bytes_max: 868,
        binding_bytes_max: 256,
        buffer_bytes_max: 256,
    };
    assert!(plan.check(&graph, 100, &roomy).is_ok());
    let refusal = |held, ceilings: Ceilings| match plan.check(&graph, held, &ceilings) {
        Err(EngineError::Memory {
            need_bytes,
            limit,
            max_bytes,
            ..
        }) => (need_bytes, limit, max_bytes),
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(101, roomy), (869, "the memory limit", 868));
    assert_eq!(
        refusal(
            0,
            Ceilings {
                binding_bytes_max: 255,
                ..roomy
            }
        ),
        (256, "the device's largest storage binding", 255)
    );
    assert_eq!(
        refusal(
            0,
            Ceilings {
                buffer_bytes_max: 128,
                ..roomy
            }
        ),
        (256, "the device's largest buffer", 128)
    );
    assert_eq!(refusal(u64::MAX, roomy).0, u64::MAX);
}
