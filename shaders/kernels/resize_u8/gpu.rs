//! GPU strategies of this kernel.

use super::{NAME, ResizeU8};
use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Program, Variant};

pub(super) fn program(_op: &ResizeU8, _inputs: &[TensorSpec], _caps: &Caps) -> Result<Program, KernelError> {
    Err(KernelError::Parameters { op: NAME, why: "no shader yet".into() })
}

pub(super) fn variants() -> Vec<Variant> {
    Vec::new()
}
