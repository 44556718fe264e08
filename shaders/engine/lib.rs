//! Runs graphs of kernels on a GPU (wgpu) or on the CPU twins, with memory known before anything is allocated.
//!
//! The only crate that imports `wgpu`. It knows no networks: those build [`Graph`]s.
//!
//! Flow: [`Graph`] -> [`fuse`](mod@fuse) -> [`plan`](mod@plan) (slot buffers, peak bytes) -> an [`Executable`] per backend.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod cpu;
pub mod error;
pub mod fuse;
pub mod fusion_cache;
pub mod gpu;
pub mod graph;
mod memory;
pub mod plan;
pub mod recording;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

pub use cleanplate_kernels::{Caps, DType, Op, Shape, Tensor, TensorRef, TensorSpec};
pub use cpu::CpuBackend;
pub use error::EngineError;
pub use gpu::{GpuBackend, Wanted};
pub use graph::{Graph, TensorId};

/// What the user asked for (`--backend`, `backend =`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChoice {
    /// A real GPU through wgpu if there is one, otherwise the native CPU twins.
    Auto,
    /// The shaders, on whatever adapter there is (software rasterisers too).
    Wgpu,
    /// The native CPU twins.
    Cpu,
}

/// The device in use, as shown in the log, `/healthz`, job records and the console.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeviceInfo {
    /// `"wgpu"` or `"cpu"`.
    pub backend: &'static str,
    /// Adapter or processor name.
    pub name: String,
    /// Driver and version, or the CPU's SIMD level.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `other`, `software` or `cpu`.
    pub kind: &'static str,
}

/// A device that compiles graphs. `Arc<dyn Backend>` is shared; runs on one backend are serialised by it.
pub trait Backend: Send + Sync {
    /// The device.
    fn device(&self) -> DeviceInfo;
    /// Fuses, plans and prepares `graph`. Fails before allocating if the planned peak exceeds `memory_bytes_max`.
    fn compile(&self, graph: &Graph) -> Result<Arc<dyn Executable>, EngineError>;
    /// False once the device was lost and could not be rebuilt yet.
    fn healthy(&self) -> bool;
    /// Bytes currently held for weights and plans: on a GPU everything allocated there, on the processor run buffers
    /// and the weights that fusion made (a network's own weights are the network's).
    fn memory_bytes(&self) -> u64;
    /// How often a lost device was replaced by a new one.
    fn device_rebuilds(&self) -> u64 {
        0
    }
}

/// A compiled graph: fixed shapes, reusable, thread-safe (runs are serialised).
pub trait Executable: Send + Sync {
    /// Runs once. Inputs and outputs in the order of [`Graph::inputs`] and [`Graph::outputs`].
    fn run(&self, inputs: &[TensorRef<'_>]) -> Result<Vec<Tensor>, EngineError> {
        self.run_until(inputs, &|_| false)
    }
    /// As [`Executable::run`]; tells `watch` between pieces of work (on slow devices every 100 ms or so) which share of the
    /// work is done, 0 to 1, and stops with [`EngineError::Cancelled`] once it says true.
    fn run_until(
        &self,
        inputs: &[TensorRef<'_>],
        watch: &dyn Fn(f32) -> bool,
    ) -> Result<Vec<Tensor>, EngineError>;
    /// As [`Executable::run_until`]; on a GPU one submission may take at most `wait_max` (and never more than the backend's own
    /// limit) before the device counts as lost. For graphs with shaders that are not this program's own.
    fn run_within(
        &self,
        inputs: &[TensorRef<'_>],
        watch: &dyn Fn(f32) -> bool,
        wait_max: Duration,
    ) -> Result<Vec<Tensor>, EngineError> {
        let _ = wait_max;
        self.run_until(inputs, watch)
    }
    /// Peak bytes of activations and scratch, computed by the plan.
    fn peak_bytes(&self) -> u64;
    /// Floating-point operations of one run.
    fn flops(&self) -> u64;
    /// One line per dispatch (GPU) or operation (CPU): layer name, kernel variant, shapes.
    fn explain(&self) -> Vec<String>;
    /// Runs once with per-dispatch timing: (layer and kernel variant, microseconds, floating-point operations).
    fn profile(&self, inputs: &[TensorRef<'_>]) -> Result<Vec<(String, f64, u64)>, EngineError>;
}

/// Settings of [`open`].
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Which backend.
    pub backend: BackendChoice,
    /// The adapter whose name, as [`adapters`] gives it, is or holds this text, whatever its letters' case; `None`: the best one.
    pub adapter: Option<String>,
    /// Ceiling in bytes for activations plus weights; a plan above it is refused before allocation.
    pub memory_bytes_max: u64,
    /// Folder for the pipeline cache; `None` keeps no cache on disk.
    pub cache_dir: Option<std::path::PathBuf>,
    /// Keep wgpu's bounds checks in shaders (slower, for debugging and tests).
    pub checked_shaders: bool,
    /// Longest wait for one submission, in seconds, before the device counts as lost.
    pub wait_s_max: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            backend: BackendChoice::Auto,
            adapter: None,
            memory_bytes_max: 8 << 30,
            cache_dir: None,
            checked_shaders: false,
            wait_s_max: 120,
        }
    }
}

/// Opens the backend that the options ask for. The choice and its reason are logged.
pub fn open(options: &EngineOptions) -> Result<Arc<dyn Backend>, EngineError> {
    match options.backend {
        BackendChoice::Cpu => Ok(open_cpu(options, "asked for")),
        BackendChoice::Wgpu => Ok(open_gpu(options, Wanted::Any, "asked for")?),
        BackendChoice::Auto => match open_gpu(
            options,
            Wanted::RealGpu,
            "automatic: there is a hardware GPU",
        ) {
            Ok(backend) => Ok(backend),
            // Who names an adapter does not want the processor in its place.
            Err(error) if options.adapter.is_some() => Err(error),
            Err(error) => Ok(open_cpu(options, &format!("automatic: {error}"))),
        },
    }
}

/// Names of the adapters that a backend may be opened on, the best first: name and, where the driver tells it, place on the bus;
/// numbered where that leaves several of one name. None for the processor. Loads the GPU drivers.
pub fn adapters(backend: BackendChoice) -> Vec<String> {
    match backend {
        BackendChoice::Cpu => Vec::new(),
        BackendChoice::Wgpu => gpu::adapters(Wanted::Any),
        BackendChoice::Auto => gpu::adapters(Wanted::RealGpu),
    }
}

fn open_gpu(
    options: &EngineOptions,
    wanted: Wanted,
    why: &str,
) -> Result<Arc<dyn Backend>, EngineError> {
    let backend = GpuBackend::open(options, wanted)?;
    announce(&backend.device(), why);
    Ok(Arc::new(backend))
}

fn open_cpu(options: &EngineOptions, why: &str) -> Arc<dyn Backend> {
    let backend = CpuBackend::new(options);
    announce(&backend.device(), why);
    Arc::new(backend)
}

fn announce(device: &DeviceInfo, why: &str) {
    tracing::info!(backend = device.backend, name = %device.name, driver = %device.driver, kind = device.kind, why, "compute device chosen");
}
