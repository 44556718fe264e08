//! A graph: named operations over tensors, in topological order by construction.

use std::sync::Arc;

use cleanplate_kernels::{DType, Op, TensorRef, TensorSpec};

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
///
/// Build the graphs of one network, whatever their sizes, from the same `Arc<dyn Op>`s: backends then share fused
/// operations and uploaded weights between the sizes.
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
    /// A graph of one operation, all of whose outputs are returned.
    pub fn single(name: &str, op: Arc<dyn Op>, inputs: &[TensorSpec]) -> Result<Self, EngineError> {
        let mut graph = Graph::new();
        let inputs: Vec<_> = inputs
            .iter()
            .map(|spec| graph.input(spec.clone()))
            .collect();
        graph.outputs = graph.add_multi(name, op, &inputs)?;
        Ok(graph)
    }
    /// Declares a run-time input.
    pub fn input(&mut self, spec: TensorSpec) -> TensorId {
        let id = TensorId(self.tensors.len());
        self.tensors.push(spec);
        self.inputs.push(id);
        id
    }
    /// Adds an operation with exactly one output.
    pub fn add(
        &mut self,
        name: &str,
        op: Arc<dyn Op>,
        inputs: &[TensorId],
    ) -> Result<TensorId, EngineError> {
        let outputs = self.add_multi(name, op, inputs)?;
        match outputs.as_slice() {
            [one] => Ok(*one),
            many => Err(EngineError::Graph(format!(
                "{name} has {} outputs where one is wanted",
                many.len()
            ))),
        }
    }
    /// Adds an operation with any number of outputs.
    pub fn add_multi(
        &mut self,
        name: &str,
        op: Arc<dyn Op>,
        inputs: &[TensorId],
    ) -> Result<Vec<TensorId>, EngineError> {
        let mut specs = Vec::with_capacity(inputs.len());
        for id in inputs {
            let spec = self.tensors.get(id.0).ok_or_else(|| {
                EngineError::Graph(format!("{name} uses an unknown tensor {}", id.0))
            })?;
            specs.push(spec.clone());
        }
        let outs = op.infer(&specs).map_err(|source| EngineError::Kernel {
            layer: name.to_string(),
            source,
        })?;
        let ids: Vec<TensorId> = (0..outs.len())
            .map(|i| TensorId(self.tensors.len() + i))
            .collect();
        self.tensors.extend(outs);
        self.nodes.push(Node {
            name: name.to_string(),
            op,
            inputs: inputs.to_vec(),
            outputs: ids.clone(),
        });
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
    /// Types and shapes of several tensors.
    pub fn specs(&self, ids: &[TensorId]) -> Vec<TensorSpec> {
        ids.iter().map(|id| self.spec(*id).clone()).collect()
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.nodes
            .iter()
            .map(|node| node.op.flops(&self.specs(&node.inputs)))
            .sum()
    }
    /// A node's input and output shapes, for listings: `[1, 4, 8, 8] [1, 2, 8, 8] -> [1, 2, 8, 8]`.
    pub fn shapes(&self, node: &Node) -> String {
        let list = |ids: &[TensorId]| {
            ids.iter()
                .map(|id| self.spec(*id).shape.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        format!("{} -> {}", list(&node.inputs), list(&node.outputs))
    }
    /// Checks the inputs of a run.
    pub fn check_inputs(&self, inputs: &[TensorRef<'_>]) -> Result<(), EngineError> {
        for index in 0..self.inputs.len().max(inputs.len()) {
            let want = self
                .inputs
                .get(index)
                .map_or("no such input".to_string(), |id| describe(self.spec(*id)));
            let got = inputs
                .get(index)
                .map_or("missing".to_string(), describe_input);
            if got != want {
                return Err(EngineError::Input { index, got, want });
            }
        }
        Ok(())
    }

    /// Checks what the builder guarantees and hand-made graphs may not: every tensor is known, made once, and made
    /// before it is used; there is an output.
    pub fn validate(&self) -> Result<(), EngineError> {
        let mut made = vec![false; self.tensors.len()];
        for id in &self.inputs {
            make(&mut made, *id, "the input list")?;
        }
        for node in &self.nodes {
            for id in &node.inputs {
                read(&made, *id, &node.name)?;
            }
            for id in &node.outputs {
                make(&mut made, *id, &node.name)?;
            }
        }
        for id in &self.outputs {
            read(&made, *id, "the output list")?;
        }
        if self.outputs.is_empty() {
            Err(EngineError::Graph("no outputs".into()))
        } else {
            Ok(())
        }
    }
}

fn describe(spec: &TensorSpec) -> String {
    format!("{:?} {}", spec.dtype, spec.shape)
}

/// As [`describe`]; a slice whose length does not fit its shape shows the length too.
fn describe_input(input: &TensorRef<'_>) -> String {
    let (dtype, len) = match input {
        TensorRef::F32(_, values) => (DType::F32, values.len()),
        TensorRef::U8(_, values) => (DType::U8, values.len()),
        TensorRef::U32(_, values) => (DType::U32, values.len()),
    };
    let text = describe(&TensorSpec {
        dtype,
        shape: input.shape().clone(),
    });
    if len == input.shape().elements() {
        text
    } else {
        format!("{text} with {len} elements")
    }
}

fn make(made: &mut [bool], id: TensorId, who: &str) -> Result<(), EngineError> {
    match made.get_mut(id.0) {
        None => Err(EngineError::Graph(format!(
            "{who} makes tensor {}, which is not declared",
            id.0
        ))),
        Some(true) => Err(EngineError::Graph(format!(
            "{who} makes tensor {}, which exists already",
            id.0
        ))),
        Some(slot) => {
            *slot = true;
            Ok(())
        }
    }
}

fn read(made: &[bool], id: TensorId, who: &str) -> Result<(), EngineError> {
    match made.get(id.0) {
        Some(true) => Ok(()),
        _ => Err(EngineError::Graph(format!(
            "{who} reads tensor {}, which nothing made before it",
            id.0
        ))),
    }
}
