//! GPU strategies of the 2-D transforms: one pass along the rows, one along the columns, each by the strategy that its
//! length allows.

use super::{FORWARD, INVERSE, Irfft2, Rfft2, tables};
use crate::caps::Caps;
use crate::error::KernelError;
use crate::launch::{check_bindings, spread, word};
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

/// What a pass does; see `direct.wgsl`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Real rows to half spectra.
    Rows,
    /// Complex columns.
    Columns {
        /// Conjugate direction.
        inverse: bool,
    },
    /// Half spectra to real rows.
    Real {
        /// Adds a tensor to the result.
        residual: bool,
    },
}

/// Axis lengths of one transform.
#[derive(Clone, Copy)]
struct Maps {
    kernel: &'static str,
    planes: usize,
    h: usize,
    w: usize,
}

impl Maps {
    fn bins(self) -> usize {
        self.w / 2 + 1
    }
    /// Bytes of all spectra.
    fn spectrum_bytes(self) -> u64 {
        (self.planes * 2 * self.h * self.bins() * 4) as u64
    }
}

fn direct_variant(kernel: &'static str, mode: Mode) -> Variant {
    let mut defines = vec![match mode {
        Mode::Rows => ("MODE_ROWS", String::new()),
        Mode::Columns { .. } => ("MODE_COLUMNS", String::new()),
        Mode::Real { .. } => ("MODE_REAL", String::new()),
    }];
    defines.extend((mode == Mode::Real { residual: true }).then(|| ("RESIDUAL", String::new())));
    Variant { kernel, strategy: "direct", template: include_str!("direct.wgsl"), defines, subgroups: false }
}

fn direct(maps: Maps, mode: Mode, from: Binding, to: Binding, caps: &Caps) -> Result<Dispatch, KernelError> {
    let (n, count) = match mode {
        Mode::Rows => (maps.w, maps.planes * maps.h * maps.bins()),
        Mode::Columns { .. } => (maps.h, maps.planes * maps.h * maps.bins()),
        Mode::Real { .. } => (maps.w, maps.planes * maps.h * maps.w),
    };
    let mut params = [count, maps.h, maps.w, maps.bins()].map(word).to_vec();
    params.push(u32::from(mode == Mode::Columns { inverse: true }));
    params.push((1.0 / (n as f64).sqrt() as f32).to_bits());
    let mut bindings = vec![from, to, Binding::Constant(tables::circle(n))];
    bindings.extend((mode == Mode::Real { residual: true }).then_some(Binding::Input(2)));
    let groups = spread(maps.kernel, count.div_ceil(64) as u64, caps)?;
    Ok(Dispatch { variant: direct_variant(maps.kernel, mode), bindings, params, groups })
}

pub(super) fn forward(_op: &Rfft2, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
    let d = inputs[0].shape.dims();
    let maps = Maps { kernel: FORWARD, planes: d[0] * d[1], h: d[2], w: d[3] };
    check_bindings(FORWARD, inputs, &[maps.spectrum_bytes()], caps)?;
    let rows = direct(maps, Mode::Rows, Binding::Input(0), Binding::Scratch(0), caps)?;
    let columns = direct(maps, Mode::Columns { inverse: false }, Binding::ScratchRead(0), Binding::Output(0), caps)?;
    Ok(Program { dispatches: vec![rows, columns], scratch_bytes: vec![maps.spectrum_bytes()] })
}

pub(super) fn inverse(op: &Irfft2, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
    let (spectrum, like) = (inputs[0].shape.dims(), inputs[1].shape.dims());
    let maps = Maps { kernel: INVERSE, planes: spectrum[0] * spectrum[1] / 2, h: spectrum[2], w: like[3] };
    check_bindings(INVERSE, inputs, &[maps.spectrum_bytes()], caps)?;
    let columns = direct(maps, Mode::Columns { inverse: true }, Binding::Input(0), Binding::Scratch(0), caps)?;
    let rows = direct(maps, Mode::Real { residual: op.residual }, Binding::ScratchRead(0), Binding::Output(0), caps)?;
    Ok(Program { dispatches: vec![columns, rows], scratch_bytes: vec![maps.spectrum_bytes()] })
}

pub(super) fn forward_variants() -> Vec<Variant> {
    vec![direct_variant(FORWARD, Mode::Rows), direct_variant(FORWARD, Mode::Columns { inverse: false })]
}

pub(super) fn inverse_variants() -> Vec<Variant> {
    let real = [false, true].map(|residual| direct_variant(INVERSE, Mode::Real { residual }));
    [direct_variant(INVERSE, Mode::Columns { inverse: true })].into_iter().chain(real).collect()
}
