//! Rewrites a graph into fewer, larger operations by means of the fusion hooks of [`Op`].
//!
//! One pass in topological order, each operation looking at the producers of its inputs:
//! an addition of two producers merges them ([`Op::merge_add`]) or becomes the residual input of one
//! ([`Op::absorb_add`]); an operation with one input is absorbed by its producer ([`Op::absorb`]).
//! So `relu(batch_norm(add(conv_a, conv_b))) + x` becomes one operation with the inputs of both
//! convolutions and `x`. A producer is taken only if its output has no other reader and is not an output
//! of the graph. The fused operation stands where the last of its parts stood: all inputs exist there.

use std::collections::HashMap;

use cleanplate_kernels::add::Add;
use cleanplate_kernels::{Op, TensorSpec};

use crate::error::EngineError;
use crate::graph::{Graph, Node, TensorId};

/// The graph with fused operations. Tensors keep their ids; those that vanished are no longer mentioned by any node.
pub fn fuse(graph: &Graph) -> Result<Graph, EngineError> {
    graph.validate()?;
    let mut fuser = Fuser::new(graph);
    for index in 0..graph.nodes.len() {
        fuser.visit(index);
    }
    let nodes: Vec<Node> = fuser.nodes.into_iter().flatten().collect();
    let fused = Graph {
        nodes,
        ..graph.clone()
    };
    fused.validate()?;
    check_shapes(&fused)?;
    Ok(fused)
}

/// A fused operation must give exactly the tensors that its parts gave.
pub(crate) fn check_shapes(graph: &Graph) -> Result<(), EngineError> {
    for node in &graph.nodes {
        let got = node
            .op
            .infer(&graph.specs(&node.inputs))
            .map_err(|source| EngineError::Kernel {
                layer: node.name.clone(),
                source,
            })?;
        let want: Vec<TensorSpec> = graph.specs(&node.outputs);
        if got != want {
            return Err(EngineError::Graph(format!(
                "{} gives {got:?} after fusion, its parts gave {want:?}",
                node.name
            )));
        }
    }
    Ok(())
}

struct Fuser {
    /// Nodes not swallowed yet, at the index of their last part.
    nodes: Vec<Option<Node>>,
    /// Index of the node that makes a tensor.
    producer: HashMap<TensorId, usize>,
    /// Readers of each tensor, with graph outputs as readers.
    readers: Vec<usize>,
}

impl Fuser {
    fn new(graph: &Graph) -> Self {
        let live = live_nodes(graph);
        let mut readers = vec![0; graph.tensors.len()];
        let mut producer = HashMap::new();
        for (index, node) in graph
            .nodes
            .iter()
            .enumerate()
            .filter(|(index, _)| live[*index])
        {
            for id in &node.inputs {
                readers[id.0] += 1;
            }
            for id in &node.outputs {
                producer.insert(*id, index);
            }
        }
        for id in &graph.outputs {
            readers[id.0] += 1;
        }
        let nodes = graph
            .nodes
            .iter()
            .zip(live)
            .map(|(node, live)| live.then(|| node.clone()))
            .collect();
        Fuser {
            nodes,
            producer,
            readers,
        }
    }

    fn visit(&mut self, index: usize) {
        let Some(node) = self.nodes[index].clone() else {
            return;
        };
        match (node.inputs.as_slice(), node.outputs.as_slice()) {
            ([a, b], [_]) if is_add(&*node.op) => self.fuse_add(index, &node, *a, *b),
            ([input], [_]) => {
                let Some((at, before)) = self.sole_producer(*input) else {
                    return;
                };
                if let Some(op) = before.op.absorb(&*node.op) {
                    self.replace(
                        index,
                        &[at],
                        Node {
                            name: join_names(&before.name, &node.name),
                            op,
                            inputs: before.inputs,
                            ..node
                        },
                    );
                }
            }
            _ => {}
        }
    }

    fn fuse_add(&mut self, index: usize, node: &Node, a: TensorId, b: TensorId) {
        let (left, right) = (self.sole_producer(a), self.sole_producer(b));
        if let (Some((at, first)), Some((other_at, second))) = (&left, &right) {
            for (x, y) in [(first, second), (second, first)] {
                if let Some(op) = x.op.merge_add(&*y.op) {
                    let inputs = x.inputs.iter().chain(&y.inputs).copied().collect();
                    let fused = Node {
                        name: join_names(&x.name, &y.name),
                        op,
                        inputs,
                        outputs: node.outputs.clone(),
                    };
                    return self.replace(index, &[*at, *other_at], fused);
                }
            }
        }
        // The later producer takes the addition: the earlier one is then a plain residual read, made where it was.
        let mut candidates: Vec<(usize, Node, TensorId)> = Vec::new();
        candidates.extend(left.map(|(at, producer)| (at, producer, b)));
        candidates.extend(right.map(|(at, producer)| (at, producer, a)));
        candidates.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        for (at, producer, residual) in candidates {
            if let Some(op) = producer.op.absorb_add() {
                let inputs = producer.inputs.iter().copied().chain([residual]).collect();
                let name = join_names(&producer.name, &node.name);
                return self.replace(
                    index,
                    &[at],
                    Node {
                        name,
                        op,
                        inputs,
                        outputs: node.outputs.clone(),
                    },
                );
            }
        }
    }

    /// The node whose only output is `id`, if nothing but one operation reads it.
    fn sole_producer(&self, id: TensorId) -> Option<(usize, Node)> {
        let at = *self.producer.get(&id)?;
        let node = self.nodes[at].as_ref()?;
        (self.readers[id.0] == 1 && node.outputs.len() == 1).then(|| (at, node.clone()))
    }

    fn replace(&mut self, index: usize, swallowed: &[usize], fused: Node) {
        for at in swallowed {
            self.nodes[*at] = None;
        }
        self.nodes[index] = Some(fused);
    }
}

fn is_add(op: &dyn Op) -> bool {
    op.downcast_ref::<Add>().is_some()
}

/// Which nodes contribute to an output of the graph.
fn live_nodes(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.tensors.len()];
    for id in &graph.outputs {
        needed[id.0] = true;
    }
    let mut live = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        live[index] = node.outputs.iter().any(|id| needed[id.0]);
        if live[index] {
            node.inputs.iter().for_each(|id| needed[id.0] = true);
        }
    }
    live
}

/// `block.conv` and `block.norm` become `block.conv+norm`.
fn join_names(first: &str, second: &str) -> String {
    let shared = first
        .bytes()
        .zip(second.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let cut = second
        .get(..shared)
        .and_then(|prefix| prefix.rfind('.'))
        .map_or(0, |dot| dot + 1);
    format!("{first}+{}", second.get(cut..).unwrap_or(second))
}

#[cfg(test)]
mod tests;
