//! A backend that runs each kernel's plain reference loops, node by node: what a graph means, without any executor's help.

use std::sync::Arc;

use cleanplate_engine::{Backend, DeviceInfo, EngineError, Executable, Graph, Tensor, TensorRef};

pub struct Reference;

impl Backend for Reference {
    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            backend: "reference",
            name: "plain loops".into(),
            driver: String::new(),
            kind: "cpu",
        }
    }
    fn compile(&self, graph: &Graph) -> Result<Arc<dyn Executable>, EngineError> {
        Ok(Arc::new(Loops(graph.clone())))
    }
    fn healthy(&self) -> bool {
        true
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

struct Loops(Graph);

impl Executable for Loops {
    fn run_until(
        &self,
        inputs: &[TensorRef<'_>],
        _watch: &dyn Fn(f32) -> bool,
    ) -> Result<Vec<Tensor>, EngineError> {
        let graph = &self.0;
        let mut tensors: Vec<Option<Tensor>> = vec![None; graph.tensors.len()];
        for (id, input) in graph.inputs.iter().zip(inputs) {
            tensors[id.0] = Some(input.to_tensor());
        }
        let missing = || EngineError::Graph("a tensor is used before it is made".into());
        for node in &graph.nodes {
            let inputs: Vec<TensorRef<'_>> = node
                .inputs
                .iter()
                .map(|id| tensors[id.0].as_ref().map(Tensor::view))
                .collect::<Option<_>>()
                .ok_or_else(missing)?;
            let results = node.op.reference(&inputs);
            for (id, result) in node.outputs.iter().zip(results) {
                assert_eq!(result.shape, graph.tensors[id.0].shape, "{}", node.name);
                tensors[id.0] = Some(result);
            }
        }
        graph
            .outputs
            .iter()
            .map(|id| tensors[id.0].clone())
            .collect::<Option<_>>()
            .ok_or_else(missing)
    }
    fn peak_bytes(&self) -> u64 {
        0
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
