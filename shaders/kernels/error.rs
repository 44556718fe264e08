//! Errors of kernel construction and shape checking.

/// What can be wrong with a kernel's parameters or inputs. Every message names the operation and both sides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// Input shapes or types do not fit the kernel's parameters.
    #[error("{op}: expected {expected}, got {got}")]
    Mismatch {
        /// Kernel name.
        op: &'static str,
        /// What the kernel accepts.
        expected: String,
        /// What it was given.
        got: String,
    },
    /// The parameters themselves make no sense (zero channels, even padding for reflect, ...).
    #[error("{op}: {why}")]
    Parameters {
        /// Kernel name.
        op: &'static str,
        /// The rule that was broken.
        why: String,
    },
    /// The device cannot run this kernel at this size.
    #[error("{op}: needs {need}, the device has {have}; {remedy}")]
    Limit {
        /// Kernel name.
        op: &'static str,
        /// The requirement with its unit.
        need: String,
        /// The device's limit with its unit.
        have: String,
        /// What the caller can do about it.
        remedy: String,
    },
}
