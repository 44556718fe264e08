//! GPU strategies of the 2-D transforms.

use super::{FORWARD, INVERSE, Irfft2, Rfft2};
use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Program, Variant};

pub(super) fn forward(_op: &Rfft2, _inputs: &[TensorSpec], _caps: &Caps) -> Result<Program, KernelError> {
    Err(KernelError::Parameters { op: FORWARD, why: "no shader yet".into() })
}

pub(super) fn inverse(_op: &Irfft2, _inputs: &[TensorSpec], _caps: &Caps) -> Result<Program, KernelError> {
    Err(KernelError::Parameters { op: INVERSE, why: "no shader yet".into() })
}

pub(super) fn forward_variants() -> Vec<Variant> {
    Vec::new()
}

pub(super) fn inverse_variants() -> Vec<Variant> {
    Vec::new()
}
