//! GPU strategies of the 2-D transforms: one pass along the rows, one along the columns, each by the strategy that its
//! length allows.

use super::{FORWARD, INVERSE, Irfft2, Rfft2, tables};
use crate::caps::{Caps, Family};
use crate::error::KernelError;
use crate::launch::{check_bindings, spread, word};
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

/// Lanes that `cpu_dft` is written for.
const LANES: usize = 8;

/// Longest axis of `cpu_dft`: its tables grow with the square of the length.
const FOLDED_LENGTH_MAX: usize = 2048;

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

/// Defines of a mode, shared by all strategies.
fn mode_defines(mode: Mode) -> Vec<(&'static str, String)> {
    let mut defines = vec![match mode {
        Mode::Rows => ("MODE_ROWS", String::new()),
        Mode::Columns { .. } => ("MODE_COLUMNS", String::new()),
        Mode::Real { .. } => ("MODE_REAL", String::new()),
    }];
    defines.extend((mode == Mode::Real { residual: true }).then(|| ("RESIDUAL", String::new())));
    defines
}

fn direct_variant(kernel: &'static str, mode: Mode) -> Variant {
    Variant { kernel, strategy: "direct", template: include_str!("direct.wgsl"), defines: mode_defines(mode), subgroups: false }
}

fn folded_variant(kernel: &'static str, mode: Mode) -> Variant {
    Variant { kernel, strategy: "cpu_dft", template: include_str!("cpu_dft.wgsl"), defines: mode_defines(mode), subgroups: true }
}

impl Mode {
    fn residual(self) -> bool {
        self == Mode::Real { residual: true }
    }
    /// Length of the axis.
    fn length(self, maps: Maps) -> usize {
        if matches!(self, Mode::Columns { .. }) { maps.h } else { maps.w }
    }
}

/// Lengths, direction and scale: the head of every strategy's params block; `first` is its first word.
fn pass_words(first: usize, maps: Maps, mode: Mode) -> Vec<u32> {
    let mut params = [first, maps.h, maps.w, maps.bins()].map(word).to_vec();
    params.push(u32::from(mode == Mode::Columns { inverse: true }));
    params.push((1.0 / (mode.length(maps) as f64).sqrt() as f32).to_bits());
    params
}

/// One pass along an axis.
fn pass(maps: Maps, mode: Mode, from: Binding, to: Binding, caps: &Caps) -> Result<Dispatch, KernelError> {
    let mut bindings = vec![from, to];
    let residual = mode.residual().then_some(Binding::Input(2));
    let n = mode.length(maps);
    if caps.family == Family::CpuSimd && caps.subgroup_size as usize == LANES && n <= FOLDED_LENGTH_MAX {
        bindings.push(Binding::Constant(tables::folded(n)));
        bindings.extend(residual);
        return folded(maps, mode, bindings, caps);
    }
    bindings.push(Binding::Constant(tables::circle(n)));
    bindings.extend(residual);
    direct(maps, mode, bindings, caps)
}

fn direct(maps: Maps, mode: Mode, bindings: Vec<Binding>, caps: &Caps) -> Result<Dispatch, KernelError> {
    let columns = if matches!(mode, Mode::Real { .. }) { maps.w } else { maps.bins() };
    let count = maps.planes * maps.h * columns;
    let groups = spread(maps.kernel, count.div_ceil(64) as u64, caps)?;
    Ok(Dispatch { variant: direct_variant(maps.kernel, mode), bindings, params: pass_words(count, maps, mode), groups })
}

fn folded(maps: Maps, mode: Mode, bindings: Vec<Binding>, caps: &Caps) -> Result<Dispatch, KernelError> {
    let lines = maps.planes * if matches!(mode, Mode::Columns { .. }) { maps.bins() } else { maps.h };
    let (blocks, pairs) = tables::folded_size(mode.length(maps));
    let mut params = pass_words(lines, maps, mode);
    params.extend([blocks, pairs].map(word));
    let groups = spread(maps.kernel, (lines.div_ceil(4 * LANES) * blocks) as u64, caps)?;
    Ok(Dispatch { variant: folded_variant(maps.kernel, mode), bindings, params, groups })
}

pub(super) fn forward(_op: &Rfft2, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
    let d = inputs[0].shape.dims();
    let maps = Maps { kernel: FORWARD, planes: d[0] * d[1], h: d[2], w: d[3] };
    check_bindings(FORWARD, inputs, &[maps.spectrum_bytes()], caps)?;
    let rows = pass(maps, Mode::Rows, Binding::Input(0), Binding::Scratch(0), caps)?;
    let columns = pass(maps, Mode::Columns { inverse: false }, Binding::ScratchRead(0), Binding::Output(0), caps)?;
    Ok(Program { dispatches: vec![rows, columns], scratch_bytes: vec![maps.spectrum_bytes()] })
}

pub(super) fn inverse(op: &Irfft2, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
    let (spectrum, like) = (inputs[0].shape.dims(), inputs[1].shape.dims());
    let maps = Maps { kernel: INVERSE, planes: spectrum[0] * spectrum[1] / 2, h: spectrum[2], w: like[3] };
    check_bindings(INVERSE, inputs, &[maps.spectrum_bytes()], caps)?;
    let columns = pass(maps, Mode::Columns { inverse: true }, Binding::Input(0), Binding::Scratch(0), caps)?;
    let rows = pass(maps, Mode::Real { residual: op.residual }, Binding::ScratchRead(0), Binding::Output(0), caps)?;
    Ok(Program { dispatches: vec![columns, rows], scratch_bytes: vec![maps.spectrum_bytes()] })
}

pub(super) fn forward_variants() -> Vec<Variant> {
    let modes = [Mode::Rows, Mode::Columns { inverse: false }];
    modes.into_iter().flat_map(|mode| [direct_variant(FORWARD, mode), folded_variant(FORWARD, mode)]).collect()
}

pub(super) fn inverse_variants() -> Vec<Variant> {
    let modes = [Mode::Columns { inverse: true }, Mode::Real { residual: false }, Mode::Real { residual: true }];
    modes.into_iter().flat_map(|mode| [direct_variant(INVERSE, mode), folded_variant(INVERSE, mode)]).collect()
}
