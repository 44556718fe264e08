//! Errors of the engine.

use cleanplate_kernels::KernelError;

/// What can go wrong between a graph and its result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// A kernel refused its inputs or parameters.
    #[error("layer {layer}: {source}")]
    Kernel {
        /// Name of the layer in the graph.
        layer: String,
        /// The kernel's own message.
        source: KernelError,
    },
    /// The graph is malformed: a programmer's error in a model.
    #[error("graph: {0}")]
    Graph(String),
    /// The planned peak does not fit.
    #[error("plan needs {need_bytes} bytes, the ceiling is {max_bytes}; use a smaller working size or raise the memory limit")]
    Memory {
        /// Planned peak.
        need_bytes: u64,
        /// Ceiling from the options or the adapter.
        max_bytes: u64,
    },
    /// Inputs of a run differ from what the graph was compiled for.
    #[error("run: input {index} is {got}, the graph wants {want}")]
    Input {
        /// Index in `Graph::inputs`.
        index: usize,
        /// Type and shape given.
        got: String,
        /// Type and shape compiled for.
        want: String,
    },
    /// No adapter fits the requested backend.
    #[error("no {wanted} adapter: {detail}")]
    NoAdapter {
        /// What was asked for.
        wanted: &'static str,
        /// What was found, and the remedy.
        detail: String,
    },
    /// The device is gone or did not answer in time; a retry runs on a rebuilt device.
    #[error("device lost during {during}: {detail}")]
    DeviceLost {
        /// What was running.
        during: String,
        /// The driver's message.
        detail: String,
    },
    /// The driver reported an error for one operation; the device lives.
    #[error("device error during {during}: {detail}")]
    Device {
        /// What was running.
        during: String,
        /// The driver's message.
        detail: String,
    },
}

impl EngineError {
    /// Whether the same work may succeed when tried again.
    pub fn retryable(&self) -> bool {
        matches!(self, EngineError::DeviceLost { .. })
    }
}
