//! What a run does, as a plain list: uploads, dispatches, downloads. It names slots and constants by number and knows
//! no GPU interface, so it can be printed and checked without a device; `gpu` turns it into commands.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cleanplate_kernels::TensorSpec;
use cleanplate_kernels::caps::Caps;
use cleanplate_kernels::program::{Binding, Dispatch, Program, Variant};

use crate::error::EngineError;
use crate::graph::{Graph, Node};
use crate::plan::{Plan, round_up};

/// A buffer range behind a shader binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first `bytes` of a slot, read-only.
    Read {
        /// Slot of the plan.
        slot: usize,
        /// Bytes bound, a multiple of 16.
        bytes: u64,
    },
    /// The first `bytes` of a slot, read-write.
    Write {
        /// Slot of the plan.
        slot: usize,
        /// Bytes bound, a multiple of 16.
        bytes: u64,
    },
    /// All of a constant, read-only.
    Constant {
        /// Index in [`Recording::constants`].
        index: usize,
    },
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct DispatchStep {
    /// Layer of the graph.
    pub layer: String,
    /// Input and output shapes of the layer.
    pub shapes: String,
    /// The shader.
    pub variant: Variant,
    /// Bindings 0.. in order.
    pub places: Vec<Place>,
    /// Uniform block at binding `places.len()`, a multiple of 4 words; no binding when empty.
    pub params: Vec<u32>,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
    /// Floating-point operations; those of the layer are spread evenly over its dispatches.
    pub flops: u64,
}

/// One step of a run.
#[derive(Debug, Clone)]
pub enum Step {
    /// Copies a run-time input to the start of a slot.
    Upload {
        /// Index in [`Graph::inputs`].
        input: usize,
        /// Slot of the plan.
        slot: usize,
        /// Bytes of the tensor, without padding.
        bytes: u64,
    },
    /// Runs a shader.
    Dispatch(Box<DispatchStep>),
    /// Copies the start of a slot to an output tensor.
    Download {
        /// Index in [`Graph::outputs`].
        output: usize,
        /// Slot of the plan.
        slot: usize,
        /// Type and shape of the tensor.
        spec: TensorSpec,
    },
}

/// Everything a run does, and the buffers it needs.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Steps in order: uploads, dispatches, downloads.
    pub steps: Vec<Step>,
    /// Bytes of each slot.
    pub slot_bytes: Vec<u64>,
    /// Constant data, each distinct `Arc` once.
    pub constants: Vec<Arc<Vec<u32>>>,
}

impl Recording {
    /// The dispatches, in order.
    pub fn dispatches(&self) -> impl Iterator<Item = &DispatchStep> {
        self.steps.iter().filter_map(|step| {
            if let Step::Dispatch(dispatch) = step {
                Some(&**dispatch)
            } else {
                None
            }
        })
    }
    /// Bytes of the constants, padded as they are stored.
    pub fn constant_bytes(&self) -> u64 {
        self.constants
            .iter()
            .map(|words| round_up(4 * words.len() as u64))
            .sum()
    }
}

/// Records the fused `graph` with the operations' `programs` in the slots of `plan`.
pub fn record(
    graph: &Graph,
    programs: &[Program],
    plan: &Plan,
    caps: &Caps,
) -> Result<Recording, EngineError> {
    let mut recorder = Recorder {
        graph,
        plan,
        caps,
        recording: Recording::default(),
        constant_index: HashMap::new(),
    };
    recorder.recording.slot_bytes = plan.slot_bytes.clone();
    for (input, id) in graph.inputs.iter().enumerate() {
        if let Some(slot) = plan.tensor_slot[id.0] {
            recorder.recording.steps.push(Step::Upload {
                input,
                slot,
                bytes: graph.spec(*id).bytes(),
            });
        }
    }
    for (index, (node, program)) in graph.nodes.iter().zip(programs).enumerate() {
        for dispatch in &program.dispatches {
            let flops = node.op.flops(&graph.specs(&node.inputs)) / program.dispatches.len() as u64;
            let step = recorder.dispatch(index, node, program, dispatch, flops)?;
            recorder
                .recording
                .steps
                .push(Step::Dispatch(Box::new(step)));
        }
    }
    for (output, id) in graph.outputs.iter().enumerate() {
        let slot = plan.tensor_slot[id.0]
            .ok_or_else(|| EngineError::Graph(format!("output {output} has no slot")))?;
        recorder.recording.steps.push(Step::Download {
            output,
            slot,
            spec: graph.spec(*id).clone(),
        });
    }
    Ok(recorder.recording)
}

struct Recorder<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    caps: &'a Caps,
    recording: Recording,
    constant_index: HashMap<*const Vec<u32>, usize>,
}

impl Recorder<'_> {
    fn dispatch(
        &mut self,
        index: usize,
        node: &Node,
        program: &Program,
        dispatch: &Dispatch,
        flops: u64,
    ) -> Result<DispatchStep, EngineError> {
        let wrong = |why: String| {
            EngineError::Graph(format!(
                "layer {}, shader {}: {why}",
                node.name,
                dispatch.variant.key()
            ))
        };
        let max = self.caps.workgroups_per_dimension_max;
        if dispatch.groups.iter().any(|n| *n == 0 || *n > max) {
            return Err(wrong(format!(
                "{:?} workgroups, the device takes 1 to {max} per dimension",
                dispatch.groups
            )));
        }
        let mut places = Vec::with_capacity(dispatch.bindings.len());
        for binding in &dispatch.bindings {
            let place = self.place(index, node, program, binding);
            places.push(place.ok_or_else(|| {
                wrong(format!(
                    "binding {} ({}) is not there",
                    places.len(),
                    label(binding)
                ))
            })?);
        }
        for place in &places {
            let Place::Write { slot, .. } = place else {
                continue;
            };
            let uses = places.iter().filter(|p| matches!(p, Place::Read { slot: s, .. } | Place::Write { slot: s, .. } if s == slot));
            if uses.count() > 1 {
                return Err(wrong(format!(
                    "slot {slot} is bound for writing and once more"
                )));
            }
        }
        let mut params = dispatch.params.clone();
        params.resize(params.len().next_multiple_of(4), 0);
        Ok(DispatchStep {
            layer: node.name.clone(),
            shapes: self.graph.shapes(node),
            variant: dispatch.variant.clone(),
            places,
            params,
            groups: dispatch.groups,
            flops,
        })
    }

    /// Where a binding's data lies; `None` if the operation has no such tensor or scratch buffer.
    fn place(
        &mut self,
        index: usize,
        node: &Node,
        program: &Program,
        binding: &Binding,
    ) -> Option<Place> {
        let tensor = |ids: &[crate::TensorId], i: usize| {
            let id = ids.get(i)?;
            Some((
                self.plan.tensor_slot[id.0]?,
                round_up(self.graph.spec(*id).bytes()),
            ))
        };
        let scratch = |i: usize| {
            Some((
                *self.plan.scratch_slots.get(index)?.get(i)?,
                round_up(*program.scratch_bytes.get(i)?),
            ))
        };
        match binding {
            Binding::Input(i) => {
                tensor(&node.inputs, *i).map(|(slot, bytes)| Place::Read { slot, bytes })
            }
            Binding::Output(i) => {
                tensor(&node.outputs, *i).map(|(slot, bytes)| Place::Write { slot, bytes })
            }
            Binding::Scratch(i) => scratch(*i).map(|(slot, bytes)| Place::Write { slot, bytes }),
            Binding::ScratchRead(i) => scratch(*i).map(|(slot, bytes)| Place::Read { slot, bytes }),
            Binding::Constant(words) => {
                let constants = &mut self.recording.constants;
                let index = *self
                    .constant_index
                    .entry(Arc::as_ptr(words))
                    .or_insert_with(|| {
                        constants.push(words.clone());
                        constants.len() - 1
                    });
                Some(Place::Constant { index })
            }
        }
    }
}

fn label(binding: &Binding) -> String {
    match binding {
        Binding::Constant(words) => format!("Constant of {} words", words.len()),
        other => format!("{other:?}"),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Upload { input, slot, bytes } => {
                write!(f, "upload input {input} -> slot {slot}, {bytes} bytes")
            }
            Step::Dispatch(step) => write!(f, "{step}"),
            Step::Download { output, slot, spec } => write!(
                f,
                "download slot {slot} -> output {output}, {:?} {}",
                spec.dtype, spec.shape
            ),
        }
    }
}

impl fmt::Display for DispatchStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y, z] = self.groups;
        write!(
            f,
            "{}  {}  {x}x{y}x{z} groups  {}",
            self.layer,
            self.variant.key(),
            self.shapes
        )?;
        for (i, place) in self.places.iter().enumerate() {
            f.write_str(if i == 0 { "  slots" } else { "" })?;
            match place {
                Place::Read { slot, .. } => write!(f, " r{slot}")?,
                Place::Write { slot, .. } => write!(f, " w{slot}")?,
                Place::Constant { index } => write!(f, " c{index}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (slot, bytes) in self.slot_bytes.iter().enumerate() {
            writeln!(f, "slot {slot}: {bytes} bytes")?;
        }
        writeln!(
            f,
            "{} constants: {} bytes",
            self.constants.len(),
            self.constant_bytes()
        )?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

#[cfg(test)]
mod tests;
