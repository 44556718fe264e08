//! Errors of the engine.

use cleanplate_kernels::KernelError;
use cleanplate_kernels::variant::VariantError;

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
    /// A shader template does not expand: a programmer's error in a kernel.
    #[error("shader: {0}")]
    Shader(#[from] VariantError),
    /// The graph is malformed: a programmer's error in a model or in a kernel's fusion hook.
    #[error("graph: {0}")]
    Graph(String),
    /// The planned peak does not fit. Nothing was allocated.
    #[error(
        "{what} needs {need_bytes} bytes, {limit} is {max_bytes}; use a smaller working size{remedy}"
    )]
    Memory {
        /// What is too large: the whole plan or one tensor.
        what: String,
        /// Planned bytes, including what other plans of the backend hold where the limit is a shared one.
        need_bytes: u64,
        /// Which limit was passed.
        limit: &'static str,
        /// Ceiling from the options or the adapter.
        max_bytes: u64,
        /// What else helps, starting with a comma or semicolon; may be empty.
        remedy: &'static str,
    },
    /// The device ran out of memory although the plan is within the configured ceiling.
    #[error(
        "device out of memory during {during} ({need_bytes} bytes planned); use a smaller working size or free memory of the device"
    )]
    OutOfMemory {
        /// What was running.
        during: String,
        /// Bytes of the plan.
        need_bytes: u64,
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
    /// The caller asked to stop.
    #[error("run cancelled")]
    Cancelled,
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
