//! What kernels share: shader snippets (`*.wgsl`, see [`crate::variant::SNIPPETS`]), building blocks of programs, the
//! epilogue, and in [`native`] the machinery of the fast CPU twins.

pub(crate) mod align;
pub(crate) mod cache;
pub mod epilogue;
pub(crate) mod launch;
pub mod native;
pub mod padding;
pub(crate) mod token_gemm;
