//! Runs graphs by their shaders through wgpu.
//!
//! A `device::Gpu` is one open device with its pipelines and uploaded constants. When it is lost, the running
//! job gets [`EngineError::DeviceLost`], and the next compile or run opens a new one; executables keep their graph
//! and make their buffers again on the new device.

mod cache_file;
mod caps;
mod constants;
mod device;
mod pipelines;
mod prepared;
mod profile;
mod run;
mod scope;
#[cfg(test)]
mod test_ops;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cleanplate_kernels::program::Program;
use cleanplate_kernels::{Caps, Tensor, TensorRef};
use rayon::prelude::*;

use crate::error::EngineError;
use crate::fusion_cache::FusionCache;
use crate::graph::Graph;
use crate::plan::{Ceilings, Inputs, Plan, plan};
use crate::recording::{Recording, record};
use crate::{Backend, DeviceInfo, EngineOptions, Executable};
use device::Gpu;
pub use device::Wanted;
use prepared::Prepared;

/// The shaders on one adapter.
#[derive(Debug)]
pub struct GpuBackend {
    shared: Arc<Shared>,
}

/// What a backend and its executables share.
#[derive(Debug)]
struct Shared {
    options: EngineOptions,
    wanted: Wanted,
    /// The newest device; may be lost.
    gpu: Mutex<Arc<Gpu>>,
    fusion: FusionCache,
    rebuilds: AtomicU64,
    /// One plan is checked against the memory ceiling and allocated at a time.
    compiling: Mutex<()>,
    /// One run at a time.
    running: Mutex<()>,
}

/// Names of the adapters that fit `wanted`, best first. Loads the GPU drivers.
pub fn adapters(wanted: Wanted) -> Vec<String> {
    device::fitting(wanted)
}

impl GpuBackend {
    /// Opens the best adapter that fits `wanted`, or the one that the options name.
    pub fn open(options: &EngineOptions, wanted: Wanted) -> Result<Self, EngineError> {
        let gpu = Gpu::open(options, wanted, 0)?;
        Ok(GpuBackend {
            shared: Arc::new(Shared {
                options: options.clone(),
                wanted,
                gpu: Mutex::new(gpu),
                fusion: FusionCache::default(),
                rebuilds: AtomicU64::new(0),
                compiling: Mutex::default(),
                running: Mutex::default(),
            }),
        })
    }

    /// What the adapter can do, as kernels see it.
    pub fn caps(&self) -> Caps {
        self.shared.newest().caps.clone()
    }
}

impl Backend for GpuBackend {
    fn device(&self) -> DeviceInfo {
        self.shared.newest().describe()
    }

    fn compile(&self, graph: &Graph) -> Result<Arc<dyn Executable>, EngineError> {
        let graph = self.shared.fusion.fuse(graph)?;
        let gpu = self.shared.live()?;
        let recorded = Arc::new(Recorded::new(&graph, &gpu.caps)?);
        let prepared = self.shared.prepare(&gpu, &graph, &recorded)?;
        let shared = self.shared.clone();
        Ok(Arc::new(GpuExecutable {
            shared,
            graph,
            recorded: Mutex::new(recorded),
            prepared: Mutex::new(Some(prepared)),
        }))
    }

    fn healthy(&self) -> bool {
        self.shared.newest().status.lost().is_none()
    }

    fn memory_bytes(&self) -> u64 {
        self.shared.newest().ledger.bytes()
    }

    fn device_rebuilds(&self) -> u64 {
        self.shared.rebuilds.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn newest(&self) -> MutexGuard<'_, Arc<Gpu>> {
        self.gpu.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device that is not known to be lost, newly opened if need be.
    fn live(&self) -> Result<Arc<Gpu>, EngineError> {
        let mut newest = self.newest();
        if let Some(why) = newest.status.lost() {
            let opened = Gpu::open(&self.options, self.wanted, newest.generation + 1);
            let lost = |e| EngineError::DeviceLost {
                during: "opening a new device".into(),
                detail: format!("{e} (the last one: {why})"),
            };
            *newest = opened.map_err(lost)?;
            self.rebuilds.fetch_add(1, Ordering::Relaxed);
        }
        Ok(newest.clone())
    }

    fn wait_max(&self) -> Duration {
        Duration::from_secs(self.options.wait_s_max)
    }

    /// Checks the ceilings, then makes buffers and pipelines.
    fn prepare(
        &self,
        gpu: &Arc<Gpu>,
        graph: &Graph,
        recorded: &Arc<Recorded>,
    ) -> Result<Prepared, EngineError> {
        let _one = self
            .compiling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let constants = &recorded.recording.constants;
        let held = gpu.ledger.bytes()
            + gpu.constants.missing_bytes(constants)
            + Prepared::extra_bytes(gpu, &recorded.recording);
        recorded.plan.check(
            graph,
            held,
            &Ceilings {
                memory_bytes_max: self.options.memory_bytes_max,
                binding_bytes_max: gpu.caps.binding_bytes_max,
                buffer_bytes_max: gpu.buffer_bytes_max,
            },
        )?;
        let prepared = Prepared::new(gpu, recorded, self.wait_max())?;
        gpu.pipelines.save();
        Ok(prepared)
    }
}

/// A graph planned and recorded for devices of some capabilities.
#[derive(Debug)]
struct Recorded {
    caps: Caps,
    plan: Plan,
    recording: Recording,
}

impl Recorded {
    fn new(graph: &Graph, caps: &Caps) -> Result<Self, EngineError> {
        let program = |node: &crate::graph::Node| {
            let program = node.op.program(&graph.specs(&node.inputs), caps);
            program.map_err(|source| EngineError::Kernel {
                layer: node.name.clone(),
                source,
            })
        };
        // In parallel: the first program of an operation packs its weights.
        let programs = graph
            .nodes
            .par_iter()
            .map(program)
            .collect::<Result<Vec<Program>, EngineError>>()?;
        let scratch: Vec<Vec<u64>> = programs
            .iter()
            .map(|program| program.scratch_bytes.clone())
            .collect();
        let plan = plan(graph, &scratch, Inputs::Uploaded);
        let recording = record(graph, &programs, &plan, caps)?;
        Ok(Recorded {
            caps: caps.clone(),
            plan,
            recording,
        })
    }
}

/// A graph on a device.
#[derive(Debug)]
struct GpuExecutable {
    shared: Arc<Shared>,
    graph: Graph,
    recorded: Mutex<Arc<Recorded>>,
    /// Buffers on the newest device; `None` after a failed run.
    prepared: Mutex<Option<Prepared>>,
}

impl GpuExecutable {
    fn recorded(&self) -> Arc<Recorded> {
        self.recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Runs `work` on buffers of a live device, making them first if the device has changed.
    fn with_prepared<T>(
        &self,
        work: impl FnOnce(&mut Prepared) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let _one = self
            .shared
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut slot = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let gpu = self.shared.live()?;
        if slot
            .as_ref()
            .is_none_or(|prepared| prepared.gpu.generation != gpu.generation)
        {
            *slot = None;
            let mut recorded = self.recorded();
            if recorded.caps != gpu.caps {
                recorded = Arc::new(Recorded::new(&self.graph, &gpu.caps)?);
                *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = recorded.clone();
            }
            *slot = Some(self.shared.prepare(&gpu, &self.graph, &recorded)?);
        }
        let Some(prepared) = slot.as_mut() else {
            return Err(EngineError::Graph("no buffers were prepared".into()));
        };
        let result = work(prepared);
        // After a failure the state of staging buffers is unknown; after a cancelled run nothing is mapped.
        if !matches!(result, Ok(_) | Err(EngineError::Cancelled)) {
            *slot = None;
        }
        result
    }
}

impl Executable for GpuExecutable {
    fn run_until(
        &self,
        inputs: &[TensorRef<'_>],
        watch: &dyn Fn(f32) -> bool,
    ) -> Result<Vec<Tensor>, EngineError> {
        self.run_within(inputs, watch, self.shared.wait_max())
    }

    fn run_within(
        &self,
        inputs: &[TensorRef<'_>],
        watch: &dyn Fn(f32) -> bool,
        wait_max: Duration,
    ) -> Result<Vec<Tensor>, EngineError> {
        self.graph.check_inputs(inputs)?;
        let wait = wait_max.min(self.shared.wait_max());
        self.with_prepared(|prepared| prepared.run(inputs, watch, wait))
    }

    fn peak_bytes(&self) -> u64 {
        self.recorded().plan.peak_bytes()
    }

    fn flops(&self) -> u64 {
        self.graph.flops()
    }

    fn explain(&self) -> Vec<String> {
        self.recorded()
            .recording
            .dispatches()
            .map(ToString::to_string)
            .collect()
    }

    fn profile(&self, inputs: &[TensorRef<'_>]) -> Result<Vec<(String, f64, u64)>, EngineError> {
        self.graph.check_inputs(inputs)?;
        self.with_prepared(|prepared| prepared.profile(inputs, self.shared.wait_max()))
    }
}

#[cfg(test)]
mod tests;
