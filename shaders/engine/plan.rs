//! Memory before anything is allocated: which tensors are alive when, and which of a few slots holds each.
//!
//! A slot is one buffer. Tensors share a slot when they are never alive together; inputs, outputs and scratch of one
//! operation are alive together, so they are always in different buffers. (Ranges of one large buffer would not do:
//! wgpu refuses to bind one buffer for reading and for writing in one dispatch.)

use crate::error::EngineError;
use crate::graph::{Graph, TensorId};

/// Sizes of slots and tensors are multiples of this many bytes: shaders may read the last elements as a vec4.
pub const ALIGN_BYTES: u64 = 16;

/// A value's life: from the step that writes it to the last step that reads it, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Size, a multiple of [`ALIGN_BYTES`].
    pub bytes: u64,
    /// Step that writes it.
    pub first: usize,
    /// Last step that reads it, at least `first`.
    pub last: usize,
}

impl Interval {
    fn overlaps(&self, other: &Interval) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Slot of every value, and the slots' sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coloring {
    /// Slot of each interval, in the order given.
    pub slot: Vec<usize>,
    /// Bytes of each slot.
    pub slot_bytes: Vec<u64>,
}

/// Gives each value a slot so that values alive together never share one.
///
/// Largest first, each into the smallest slot that is free all its life: a slot's size is that of its first value.
pub fn color(values: &[Interval]) -> Coloring {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(values[*i].bytes), values[*i].first));
    let mut slots: Vec<(u64, Vec<usize>)> = Vec::new();
    let mut slot = vec![0; values.len()];
    for i in order {
        let free = |members: &[usize]| members.iter().all(|m| !values[*m].overlaps(&values[i]));
        // Slots were opened in falling order of size, so the last free one is the tightest.
        match slots.iter().rposition(|(_, members)| free(members)) {
            Some(found) => {
                slots[found].1.push(i);
                slot[i] = found;
            }
            None => {
                slot[i] = slots.len();
                slots.push((values[i].bytes, vec![i]));
            }
        }
    }
    Coloring {
        slot,
        slot_bytes: slots.into_iter().map(|(bytes, _)| bytes).collect(),
    }
}

/// Where run-time inputs live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inputs {
    /// In the caller's memory: they need no slot.
    Borrowed,
    /// Uploaded into slots before the first operation.
    Uploaded,
}

/// The memory plan of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Slot of each tensor of the graph; `None` for tensors that no operation touches and for borrowed inputs.
    pub tensor_slot: Vec<Option<usize>>,
    /// Slots of each operation's scratch buffers.
    pub scratch_slots: Vec<Vec<usize>>,
    /// Bytes of each slot.
    pub slot_bytes: Vec<u64>,
}

/// Ceilings that a plan must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// Activations, scratch and weights of all plans together.
    pub memory_bytes_max: u64,
    /// One tensor: the device's largest storage binding.
    pub binding_bytes_max: u64,
    /// One slot: the device's largest buffer.
    pub buffer_bytes_max: u64,
}

/// Plans `graph`, whose operation `i` needs scratch buffers of `scratch[i]` bytes.
pub fn plan(graph: &Graph, scratch: &[Vec<u64>], inputs: Inputs) -> Plan {
    let lives = lives(graph, inputs);
    let mut values: Vec<Interval> = Vec::new();
    let mut index_of: Vec<Option<usize>> = vec![None; graph.tensors.len()];
    for (id, life) in lives.iter().enumerate() {
        if let Some((first, last)) = *life {
            index_of[id] = Some(values.len());
            values.push(Interval {
                bytes: round_up(graph.tensors[id].bytes()),
                first,
                last,
            });
        }
    }
    let tensors = values.len();
    for (node, sizes) in scratch.iter().enumerate() {
        values.extend(sizes.iter().map(|bytes| Interval {
            bytes: round_up(*bytes),
            first: node + 1,
            last: node + 1,
        }));
    }
    let coloring = color(&values);
    let mut rest = coloring.slot[tensors..].iter().copied();
    Plan {
        tensor_slot: index_of
            .into_iter()
            .map(|index| index.map(|i| coloring.slot[i]))
            .collect(),
        scratch_slots: scratch
            .iter()
            .map(|sizes| rest.by_ref().take(sizes.len()).collect())
            .collect(),
        slot_bytes: coloring.slot_bytes,
    }
}

/// First and last step of each tensor. Step 0 uploads, step `i + 1` runs operation `i`, the last step downloads.
fn lives(graph: &Graph, inputs: Inputs) -> Vec<Option<(usize, usize)>> {
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; graph.tensors.len()];
    if inputs == Inputs::Uploaded {
        graph
            .inputs
            .iter()
            .for_each(|id| lives[id.0] = Some((0, 0)));
    }
    let read = |lives: &mut Vec<Option<(usize, usize)>>, id: TensorId, step: usize| {
        if let Some((_, last)) = &mut lives[id.0] {
            *last = (*last).max(step);
        }
    };
    for (index, node) in graph.nodes.iter().enumerate() {
        node.outputs
            .iter()
            .for_each(|id| lives[id.0] = Some((index + 1, index + 1)));
        node.inputs
            .iter()
            .for_each(|id| read(&mut lives, *id, index + 1));
    }
    graph
        .outputs
        .iter()
        .for_each(|id| read(&mut lives, *id, graph.nodes.len() + 1));
    lives
}

/// `bytes` rounded up to [`ALIGN_BYTES`], at least one unit.
pub fn round_up(bytes: u64) -> u64 {
    bytes.max(1).div_ceil(ALIGN_BYTES) * ALIGN_BYTES
}

impl Plan {
    /// Bytes of all slots: what activations and scratch take at most.
    pub fn peak_bytes(&self) -> u64 {
        self.slot_bytes.iter().sum()
    }

    /// Checks the ceilings. `held_bytes`: weights of this plan and everything that other plans of the backend hold.
    pub fn check(
        &self,
        graph: &Graph,
        held_bytes: u64,
        ceilings: &Ceilings,
    ) -> Result<(), EngineError> {
        for node in &graph.nodes {
            for id in node.inputs.iter().chain(&node.outputs) {
                let need_bytes = round_up(graph.spec(*id).bytes());
                if self.tensor_slot[id.0].is_some() && need_bytes > ceilings.binding_bytes_max {
                    return Err(EngineError::Memory {
                        what: format!("a tensor {} of layer {}", graph.spec(*id).shape, node.name),
                        need_bytes,
                        limit: "the device's largest storage binding",
                        max_bytes: ceilings.binding_bytes_max,
                        remedy: "",
                    });
                }
            }
        }
        let largest = self.slot_bytes.iter().copied().max().unwrap_or(0);
        if largest > ceilings.buffer_bytes_max {
            let (limit, max_bytes) = ("the device's largest buffer", ceilings.buffer_bytes_max);
            return Err(EngineError::Memory {
                what: "a slot of the plan".into(),
                need_bytes: largest,
                limit,
                max_bytes,
                remedy: "",
            });
        }
        let need_bytes = self.peak_bytes().saturating_add(held_bytes);
        if need_bytes > ceilings.memory_bytes_max {
            return Err(EngineError::Memory {
                what: format!(
                    "the plan ({} bytes beside {held_bytes} bytes of weights and other plans)",
                    self.peak_bytes()
                ),
                need_bytes,
                limit: "the memory limit",
                max_bytes: ceilings.memory_bytes_max,
                remedy: ", free other plans or raise the limit",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
