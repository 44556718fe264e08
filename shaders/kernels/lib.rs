//! Compute kernels of Cleanplate: WGSL shaders beside their CPU twins.
//!
//! One kernel is one folder: `mod.rs` (parameters, shape inference, variant choice, dispatch size),
//! `*.wgsl` (one file per strategy), `reference.rs` (plain f32 loops: the meaning), `native.rs`
//! (fast CPU twin, only where CPU speed matters) and `cases.rs` (shapes to test, tolerances).
//! Kernels of one subject share a room ([`patchmatch`]); what all kernels share is in [`common`].
//!
//! This crate knows no GPU interface: it produces shader text and dispatch lists as data
//! ([`program::Program`]), so every variant can be validated without a device.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]
// Indexed loops are inlined into the functions of one instruction set; iterators' closures are not, and run as plain SSE.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod add;
pub mod add_constant;
pub mod affine;
pub mod attention;
pub mod caps;
pub mod common;
pub mod composite;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod depthwise;
pub mod error;
pub mod fft2;
pub mod lama_input;
pub mod layer_norm;
pub mod linear;
pub mod matmul_nt;
pub mod migan_input;
pub mod op;
pub mod patchify;
pub mod patchmatch;
pub mod permute;
pub mod poisson;
pub mod program;
pub mod resize_u8;
pub mod sam_input;
pub mod separable;
pub mod tensor;
pub mod testing;
pub mod to_rgb;
pub mod token_slice;
pub mod upsample;
pub mod upscale2;
pub mod variant;
pub mod window_attention;

pub use caps::{Caps, Family};
pub use error::KernelError;
pub use op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
pub use tensor::{DType, Data, Shape, Tensor, TensorMut, TensorRef};

/// Every kernel of the project. Tests, validation, listing and documentation follow from this slice.
pub static KERNELS: &[&KernelInfo] = &[
    &conv2d::INFO,
    &conv_transpose2d::INFO,
    &fft2::RFFT2,
    &fft2::IRFFT2,
    &lama_input::INFO,
    &composite::INFO,
    &affine::INFO,
    &activation::INFO,
    &add::INFO,
    &patchmatch::texels::INFO,
    &patchmatch::down::INFO,
    &patchmatch::texture::INFO,
    &patchmatch::rays::INFO,
    &patchmatch::search::INFO,
    &patchmatch::vote::INFO,
    &patchmatch::upsample::INFO,
    &patchmatch::pick::INFO,
    &patchmatch::compose::INFO,
    &poisson::INFO,
    &linear::INFO,
    &layer_norm::INFO,
    &attention::INFO,
    &window_attention::INFO,
    &depthwise::INFO,
    &upscale2::INFO,
    &matmul_nt::INFO,
    &permute::INFO,
    &patchify::INFO,
    &add_constant::INFO,
    &token_slice::INFO,
    &resize_u8::INFO,
    &sam_input::INFO,
    &upsample::INFO,
    &migan_input::INFO,
    &separable::INFO,
    &to_rgb::INFO,
];
