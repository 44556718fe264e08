//! GPU work as plain data: which shader variants run, on which bindings, over how many workgroups.
//! The engine records these; nothing here needs a device.

use std::sync::Arc;

/// A shader variant: template text plus the defines and overrides that make it concrete.
/// Two equal variants are one pipeline. Spatial sizes never appear here (they travel in
/// [`Dispatch::params`]), so the set of variants of a kernel is finite and listed by
/// [`crate::KernelInfo::variants`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Kernel name (folder name).
    pub kernel: &'static str,
    /// Strategy, the stem of the `.wgsl` file.
    pub strategy: &'static str,
    /// Template text of that file, before preprocessing.
    pub template: &'static str,
    /// Preprocessor defines, sorted by name: `#ifdef NAME`, and `NAME` replaced by the value as a whole word.
    pub defines: Vec<(&'static str, String)>,
    /// Whether the shader uses subgroup functions.
    pub subgroups: bool,
}

/// [`Variant::kernel`] of shaders that come from a user, not from this crate.
pub const USER_KERNEL: &str = "user";

impl Variant {
    /// Whether the text is one of this project's own kernels, whose tests run in the checked mode. Only those may be
    /// compiled without bounds checks.
    pub fn is_trusted(&self) -> bool {
        self.kernel != USER_KERNEL
    }

    /// A readable unique key, used as pipeline label and in `cleanplate bench --explain`.
    pub fn key(&self) -> String {
        let mut key = format!("{}.{}", self.kernel, self.strategy);
        for (name, value) in &self.defines {
            key.push_str(&format!(" {name}={value}"));
        }
        key
    }
}

/// What stands behind one `@group(0) @binding(i)` of a shader, in binding order.
/// Binding 0.. are these; the uniform `params` block follows as the last binding.
#[derive(Debug, Clone)]
pub enum Binding {
    /// The operation's input `i`, read-only. Byte tensors are packed four to a u32, little-endian.
    Input(usize),
    /// The operation's output `i`, read-write.
    Output(usize),
    /// Scratch buffer `i` of the program, read-write.
    Scratch(usize),
    /// Scratch buffer `i` of the program, read-only (written by an earlier dispatch).
    ScratchRead(usize),
    /// Constant data (packed weights, twiddles), read-only. Uploaded once per distinct `Arc`.
    Constant(Arc<Vec<u32>>),
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// The shader.
    pub variant: Variant,
    /// Bindings 0.., in order.
    pub bindings: Vec<Binding>,
    /// The uniform block, at binding `bindings.len()`: 32-bit words, padded by the engine to a multiple of 16 bytes.
    pub params: Vec<u32>,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
}

/// All dispatches of one operation at one size.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Run in order; each sees the writes of those before it.
    pub dispatches: Vec<Dispatch>,
    /// Sizes in bytes of scratch buffers.
    pub scratch_bytes: Vec<u64>,
}
