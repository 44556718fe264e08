//! Remembers the fused operations of graphs that differ only in their sizes.
//!
//! Networks make their operations once and build a graph per image size from the same `Arc`s. Fused operations
//! hold weights of their own (folded norms, merged convolutions), so making them again for every size would cost
//! time and a second copy. They are kept as long as the operations they were made from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cleanplate_kernels::Op;

use crate::error::EngineError;
use crate::fuse::{check_shapes, fuse};
use crate::graph::{Graph, Node};

/// Fused operations of recently compiled networks.
#[derive(Debug, Default)]
pub struct FusionCache {
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: Vec<usize>,
    /// Operations of the graph that was fused. A weak reference also keeps the address, which `key` holds, from
    /// being given to another operation.
    sources: Vec<Weak<dyn Op>>,
    nodes: Vec<Kept>,
}

#[derive(Debug)]
enum Kept {
    /// Node `0` of the graph, as it was.
    Same(usize),
    /// Made by fusion.
    Fused(Node),
}

impl FusionCache {
    /// Entries kept; the oldest go first. Each network has one or two.
    const ENTRIES_MAX: usize = 32;

    /// As [`fuse()`], with operations shared between graphs of one structure over the same operations.
    pub fn fuse(&self, graph: &Graph) -> Result<Graph, EngineError> {
        graph.validate()?;
        let key = structure(graph);
        if let Some(nodes) = self.known(&key, graph) {
            let fused = Graph {
                nodes,
                ..graph.clone()
            };
            check_shapes(&fused)?;
            return Ok(fused);
        }
        let fused = fuse(graph)?;
        let keep =
            |node: &Node| match graph.nodes.iter().position(|source| {
                Arc::ptr_eq(&source.op, &node.op) && source.outputs == node.outputs
            }) {
                Some(index) => Kept::Same(index),
                None => Kept::Fused(node.clone()),
            };
        let sources = graph
            .nodes
            .iter()
            .map(|node| Arc::downgrade(&node.op))
            .collect();
        let entry = Entry {
            key,
            sources,
            nodes: fused.nodes.iter().map(keep).collect(),
        };
        let mut entries = self.entries();
        if entries.len() >= Self::ENTRIES_MAX {
            entries.remove(0);
        }
        entries.push(entry);
        Ok(fused)
    }

    /// Bytes of weights in the operations that fusion made.
    pub fn weight_bytes(&self) -> u64 {
        let entries = self.entries();
        let nodes = entries.iter().flat_map(|entry| &entry.nodes);
        nodes
            .map(|kept| {
                if let Kept::Fused(node) = kept {
                    node.op.weight_bytes()
                } else {
                    0
                }
            })
            .sum()
    }

    fn known(&self, key: &[usize], graph: &Graph) -> Option<Vec<Node>> {
        let entries = self.entries();
        let entry = entries.iter().find(|entry| entry.key == key)?;
        let node = |kept: &Kept| match kept {
            Kept::Same(index) => graph.nodes[*index].clone(),
            Kept::Fused(node) => node.clone(),
        };
        Some(entry.nodes.iter().map(node).collect())
    }

    /// The entries, without those whose operations are gone.
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.sources.iter().all(|source| source.strong_count() > 0));
        entries
    }
}

/// Everything fusion depends on, as numbers: operations by address, connections, outputs. Not shapes.
fn structure(graph: &Graph) -> Vec<usize> {
    let mut key = vec![graph.inputs.len(), graph.outputs.len()];
    key.extend(graph.inputs.iter().chain(&graph.outputs).map(|id| id.0));
    for node in &graph.nodes {
        key.push(Arc::as_ptr(&node.op).cast::<()>() as usize);
        key.extend([node.inputs.len(), node.outputs.len()]);
        key.extend(node.inputs.iter().chain(&node.outputs).map(|id| id.0));
    }
    key
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cleanplate_kernels::TensorSpec;
    use cleanplate_kernels::activation::Activation;
    use cleanplate_kernels::conv2d::{Conv2d, Padding};

    use super::*;
    use crate::graph::Graph;

    struct Net {
        conv: Arc<dyn Op>,
        relu: Arc<dyn Op>,
    }

    impl Net {
        fn new() -> Self {
            let weight = cleanplate_kernels::Tensor::f32(&[2, 2, 3, 3], vec![0.5; 36]);
            Net {
                conv: Arc::new(Conv2d::new(&weight, None, 1, Padding::Reflect(1)).unwrap()),
                relu: Arc::new(Activation::Relu),
            }
        }
        fn graph(&self, side: usize) -> Graph {
            let mut graph = Graph::new();
            let x = graph.input(TensorSpec::f32(&[1, 2, side, side]));
            let y = graph.add("conv", self.conv.clone(), &[x]).unwrap();
            let z = graph.add("relu", self.relu.clone(), &[y]).unwrap();
            graph.output(z);
            graph
        }
    }

    #[test]
    fn sizes_of_one_network_share_fused_operations() {
        let (cache, net) = (FusionCache::default(), Net::new());
        let small = cache.fuse(&net.graph(8)).unwrap();
        let large = cache.fuse(&net.graph(20)).unwrap();
        assert_eq!(large.nodes.len(), 1);
        assert!(Arc::ptr_eq(&small.nodes[0].op, &large.nodes[0].op));
        assert_eq!(
            large.spec(large.outputs[0]),
            &TensorSpec::f32(&[1, 2, 20, 20])
        );
        assert!(cache.weight_bytes() > 0);
    }

    #[test]
    fn other_operations_do_not_share() {
        let cache = FusionCache::default();
        let (one, two) = (Net::new(), Net::new());
        let (a, b) = (
            cache.fuse(&one.graph(8)).unwrap(),
            cache.fuse(&two.graph(8)).unwrap(),
        );
        assert!(!Arc::ptr_eq(&a.nodes[0].op, &b.nodes[0].op));
    }

    #[test]
    fn fused_operations_go_with_their_network() {
        let cache = FusionCache::default();
        let net = Net::new();
        let fused = Arc::downgrade(&cache.fuse(&net.graph(8)).unwrap().nodes[0].op);
        assert!(fused.upgrade().is_some());
        drop(net);
        assert_eq!(cache.weight_bytes(), 0);
        assert!(fused.upgrade().is_none());
    }
}
