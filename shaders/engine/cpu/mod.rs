//! Runs graphs on the processor by the kernels' native twins, which use all cores inside each operation.

mod info;
mod pool;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use cleanplate_kernels::common::native::with_threads_max;
use cleanplate_kernels::{DType, Shape, Tensor, TensorMut, TensorRef, TensorSpec};

use crate::error::EngineError;
use crate::fusion_cache::FusionCache;
use crate::graph::{Graph, Node, TensorId};
use crate::plan::{Ceilings, Inputs, Plan, plan};
use crate::{Backend, DeviceInfo, EngineOptions, Executable};
use pool::{Pool, Slots};

/// A thread has to have this much to do, in microseconds, to be worth waking.
const THREAD_US_MIN: u64 = 50;

/// What one thread does in a microsecond, seldom more: floating-point operations, and bytes read and written.
const FLOPS_PER_US: u64 = 50_000;
const BYTES_PER_US: u64 = 5_000;

/// Kernels keep their weights as given and, from the first run, packed for the processor.
const FORMS: u64 = 2;

/// The native CPU twins.
#[derive(Debug)]
pub struct CpuBackend {
    memory_bytes_max: u64,
    fusion: FusionCache,
    pool: Arc<Pool>,
}

impl CpuBackend {
    /// A backend; nothing is allocated yet.
    pub fn new(options: &EngineOptions) -> Self {
        CpuBackend {
            memory_bytes_max: options.memory_bytes_max,
            fusion: FusionCache::default(),
            pool: Arc::new(Pool::default()),
        }
    }
}

impl Backend for CpuBackend {
    fn device(&self) -> DeviceInfo {
        info::device()
    }

    fn compile(&self, graph: &Graph) -> Result<Arc<dyn Executable>, EngineError> {
        let graph = self.fusion.fuse(graph)?;
        let plan = plan(&graph, &vec![vec![]; graph.nodes.len()], Inputs::Borrowed);
        let scratch = graph
            .nodes
            .iter()
            .map(|node| node.op.native_scratch(&graph.specs(&node.inputs)))
            .max()
            .unwrap_or(0);
        let weights: u64 = FORMS
            * graph
                .nodes
                .iter()
                .map(|node| node.op.weight_bytes())
                .sum::<u64>();
        let ceilings = Ceilings {
            memory_bytes_max: self.memory_bytes_max,
            binding_bytes_max: u64::MAX,
            buffer_bytes_max: u64::MAX,
        };
        plan.check(&graph, weights + 4 * scratch as u64, &ceilings)?;
        let costs: Vec<u64> = graph.nodes.iter().map(|n| cost_us(&graph, n)).collect();
        let threads = costs.iter().map(|us| threads_max(*us)).collect();
        Ok(Arc::new(CpuExecutable {
            id: self.pool.next_id(),
            graph,
            threads,
            done: shares_before(&costs),
            plan,
            scratch,
            pool: self.pool.clone(),
        }))
    }

    fn healthy(&self) -> bool {
        true
    }

    fn memory_bytes(&self) -> u64 {
        FORMS * self.fusion.weight_bytes() + self.pool.bytes()
    }
}

#[derive(Debug)]
struct CpuExecutable {
    id: u64,
    graph: Graph,
    /// Most threads of each operation.
    threads: Vec<usize>,
    /// Share of the work that is done before each operation.
    done: Vec<f32>,
    plan: Plan,
    /// Floats of scratch for the hungriest operation.
    scratch: usize,
    pool: Arc<Pool>,
}

impl CpuExecutable {
    /// Runs all operations, telling `before` and `after` about each.
    fn execute(
        &self,
        inputs: &[TensorRef<'_>],
        mut before: impl FnMut(f32) -> Result<(), EngineError>,
        mut after: impl FnMut(&Node),
    ) -> Result<Vec<Tensor>, EngineError> {
        self.graph.check_inputs(inputs)?;
        Pool::with(
            &self.pool,
            self.id,
            &self.plan.slot_bytes,
            self.scratch,
            |slots| {
                let nodes = self.graph.nodes.iter().zip(&self.threads);
                for ((node, threads), done) in nodes.zip(&self.done) {
                    before(*done)?;
                    with_threads_max(*threads, || self.execute_node(node, inputs, slots))?;
                    after(node);
                }
                Ok(self
                    .graph
                    .outputs
                    .iter()
                    .map(|id| self.value(*id, inputs, slots).to_tensor())
                    .collect())
            },
        )
    }

    fn execute_node(
        &self,
        node: &Node,
        inputs: &[TensorRef<'_>],
        slots: &mut Slots,
    ) -> Result<(), EngineError> {
        // The plan keeps an operation's outputs out of its inputs' slots, so they can be taken out for writing.
        let mut taken: Vec<(usize, Vec<f32>)> = Vec::with_capacity(node.outputs.len());
        for id in &node.outputs {
            let slot = self.slot(*id);
            taken.push((slot, std::mem::take(&mut slots.buffers[slot])));
        }
        let mut scratch = std::mem::take(&mut slots.scratch);
        let args: Vec<TensorRef<'_>> = node
            .inputs
            .iter()
            .map(|id| self.value(*id, inputs, slots))
            .collect();
        let mut outs: Vec<TensorMut<'_>> = Vec::with_capacity(node.outputs.len());
        for (id, (_, buffer)) in node.outputs.iter().zip(&mut taken) {
            let spec = self.graph.spec(*id);
            outs.push(view_mut(spec.dtype, &spec.shape, buffer));
        }
        let result = catch_unwind(AssertUnwindSafe(|| {
            node.op.native(&args, &mut outs, &mut scratch)
        }));
        slots.scratch = scratch;
        for (slot, buffer) in taken {
            slots.buffers[slot] = buffer;
        }
        result.map_err(|panic| EngineError::Device {
            during: format!("layer {}", node.name),
            detail: panic_text(&*panic),
        })
    }

    fn value<'a>(
        &'a self,
        id: TensorId,
        inputs: &[TensorRef<'a>],
        slots: &'a Slots,
    ) -> TensorRef<'a> {
        if let Some(index) = self.graph.inputs.iter().position(|input| *input == id) {
            return inputs[index];
        }
        let spec = self.graph.spec(id);
        let (n, buffer) = (spec.shape.elements(), &slots.buffers[self.slot(id)]);
        match spec.dtype {
            DType::F32 => TensorRef::F32(&spec.shape, &buffer[..n]),
            DType::U8 => TensorRef::U8(&spec.shape, &bytemuck::cast_slice(buffer)[..n]),
            DType::U32 => TensorRef::U32(&spec.shape, &bytemuck::cast_slice(buffer)[..n]),
        }
    }

    fn slot(&self, id: TensorId) -> usize {
        // Every tensor that a validated graph's operation makes has a slot.
        self.plan.tensor_slot[id.0].unwrap_or_default()
    }
}

/// Microseconds that an operation takes on one thread, seldom less.
fn cost_us(graph: &Graph, node: &Node) -> u64 {
    let (inputs, outputs) = (graph.specs(&node.inputs), graph.specs(&node.outputs));
    let bytes: u64 = inputs.iter().chain(&outputs).map(TensorSpec::bytes).sum();
    (node.op.flops(&inputs) / FLOPS_PER_US).max(bytes / BYTES_PER_US)
}

/// As many threads as have enough to do each.
fn threads_max(us: u64) -> usize {
    usize::try_from(us / THREAD_US_MIN).map_or(usize::MAX, |threads| threads.max(1))
}

/// The share of the whole that lies before each operation. Nothing takes no time at all.
fn shares_before(costs_us: &[u64]) -> Vec<f32> {
    let whole: u64 = costs_us.iter().map(|us| us + 1).sum();
    let before = costs_us.iter().scan(0, |sum, us| {
        let before = *sum;
        *sum += us + 1;
        Some(before)
    });
    before.map(|us: u64| us as f32 / whole as f32).collect()
}

fn view_mut<'a>(dtype: DType, shape: &'a Shape, buffer: &'a mut [f32]) -> TensorMut<'a> {
    let n = shape.elements();
    match dtype {
        DType::F32 => TensorMut::F32(shape, &mut buffer[..n]),
        DType::U8 => TensorMut::U8(shape, &mut bytemuck::cast_slice_mut(buffer)[..n]),
        DType::U32 => TensorMut::U32(shape, &mut bytemuck::cast_slice_mut(buffer)[..n]),
    }
}

/// The message of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()))
        .unwrap_or_else(|| "panic without a message".into())
}

impl Executable for CpuExecutable {
    fn run_until(
        &self,
        inputs: &[TensorRef<'_>],
        watch: &dyn Fn(f32) -> bool,
    ) -> Result<Vec<Tensor>, EngineError> {
        self.execute(
            inputs,
            |done| {
                if watch(done) {
                    Err(EngineError::Cancelled)
                } else {
                    Ok(())
                }
            },
            |_| (),
        )
    }

    fn peak_bytes(&self) -> u64 {
        self.plan.peak_bytes() + 4 * self.scratch as u64
    }

    fn flops(&self) -> u64 {
        self.graph.flops()
    }

    fn explain(&self) -> Vec<String> {
        self.graph
            .nodes
            .iter()
            .map(|node| {
                format!(
                    "{}  {}.native  {}",
                    node.name,
                    node.op.kernel(),
                    self.graph.shapes(node)
                )
            })
            .collect()
    }

    fn profile(&self, inputs: &[TensorRef<'_>]) -> Result<Vec<(String, f64, u64)>, EngineError> {
        let mut rows = Vec::with_capacity(self.graph.nodes.len());
        let mut start = Instant::now();
        self.execute(
            inputs,
            |_| Ok(()),
            |node| {
                let flops = node.op.flops(&self.graph.specs(&node.inputs));
                let now = Instant::now();
                rows.push((
                    format!("{}  {}.native", node.name, node.op.kernel()),
                    (now - start).as_secs_f64() * 1e6,
                    flops,
                ));
                start = now;
            },
        )?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
