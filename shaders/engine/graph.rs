//! A graph: named operations over tensors, in topological order by construction.

use std::sync::Arc;

use cleanplate_kernels::{Op, TensorSpec};

use crate::error::EngineError;

/// Index of a tensor in its [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub usize);

/// One operation of a graph.
#[derive(Debug, Clone)]
pub struct Node {
    /// Layer name as in the checkpoint (`generator.model.5.conv1.ffc`), for messages and profiles.
    pub name: String,
    /// What it computes.
    pub op: Arc<dyn Op>,
    /// Inputs.
    pub inputs: Vec<TensorId>,
    /// Outputs.
    pub outputs: Vec<TensorId>,
}

/// Operations over tensors. Shapes are fixed; one graph serves one input size and batch.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Type and shape of every tensor.
    pub tensors: Vec<TensorSpec>,
    /// Operations; each uses only inputs and outputs of earlier ones.
    pub nodes: Vec<Node>,
    /// Tensors given at run time.
    pub inputs: Vec<TensorId>,
    /// Tensors returned, in order.
    pub outputs: Vec<TensorId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Graph::default()
    }
    /// Declares a run-time input.
    pub fn input(&mut self, spec: TensorSpec) -> TensorId {
        let id = TensorId(self.tensors.len());
        self.tensors.push(spec);
        self.inputs.push(id);
        id
    }
    /// Adds an operation with exactly one output.
    pub fn add(&mut self, name: &str, op: Arc<dyn Op>, inputs: &[TensorId]) -> Result<TensorId, EngineError> {
        let outputs = self.add_multi(name, op, inputs)?;
        match outputs.as_slice() {
            [one] => Ok(*one),
            many => Err(EngineError::Graph(format!("{name} has {} outputs where one is wanted", many.len()))),
        }
    }
    /// Adds an operation with any number of outputs.
    pub fn add_multi(&mut self, name: &str, op: Arc<dyn Op>, inputs: &[TensorId]) -> Result<Vec<TensorId>, EngineError> {
        let mut specs = Vec::with_capacity(inputs.len());
        for id in inputs {
            let spec = self.tensors.get(id.0).ok_or_else(|| EngineError::Graph(format!("{name} uses an unknown tensor {}", id.0)))?;
            specs.push(spec.clone());
        }
        let outs = op.infer(&specs).map_err(|source| EngineError::Kernel { layer: name.to_string(), source })?;
        let ids: Vec<TensorId> = (0..outs.len()).map(|i| TensorId(self.tensors.len() + i)).collect();
        self.tensors.extend(outs);
        self.nodes.push(Node { name: name.to_string(), op, inputs: inputs.to_vec(), outputs: ids.clone() });
        Ok(ids)
    }
    /// Marks a tensor as returned by runs.
    pub fn output(&mut self, id: TensorId) {
        self.outputs.push(id);
    }
    /// Type and shape of a tensor of this graph.
    pub fn spec(&self, id: TensorId) -> &TensorSpec {
        &self.tensors[id.0]
    }
}
