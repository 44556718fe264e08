//! Passes along one axis: `shared_lines` in workgroup memory, `direct` for lines too long for that, `cpu_dft` for software
//! rasterisers.

use super::{CAPACITIES, Maps, STAGES_MAX, capacities, capacity_defines, radices};
use crate::caps::{Caps, Family};
use crate::common::launch::{spread, word};
use crate::error::KernelError;
use crate::fft2::{FORWARD, INVERSE, tables};
use crate::program::{Binding, Dispatch, Variant};

/// Lanes that `cpu_dft` is written for.
const LANES: usize = 8;

/// Longest axis of `cpu_dft`: its tables grow with the square of the length.
const FOLDED_LENGTH_MAX: usize = 2048;

/// Workgroups of `shared_lines` hold fewer lines than they could when fewer workgroups than this would run.
const GROUPS_WANTED: usize = 256;

/// What a pass does; see `direct.wgsl`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
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
    Variant {
        kernel,
        strategy: "direct",
        template: include_str!("../direct.wgsl"),
        defines: mode_defines(mode),
        subgroups: false,
    }
}

fn folded_variant(kernel: &'static str, mode: Mode) -> Variant {
    Variant {
        kernel,
        strategy: "cpu_dft",
        template: include_str!("../cpu_dft.wgsl"),
        defines: mode_defines(mode),
        subgroups: true,
    }
}

fn shared_variant(kernel: &'static str, mode: Mode, points: usize) -> Variant {
    let mut defines = mode_defines(mode);
    defines.extend(capacity_defines(points));
    defines.sort();
    Variant {
        kernel,
        strategy: "shared_lines",
        template: include_str!("../shared_lines.wgsl"),
        defines,
        subgroups: false,
    }
}

impl Mode {
    fn residual(self) -> bool {
        self == Mode::Real { residual: true }
    }
    /// Length of the axis.
    fn length(self, maps: Maps) -> usize {
        if matches!(self, Mode::Columns { .. }) {
            maps.h
        } else {
            maps.w
        }
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
pub(super) fn pass(
    maps: Maps,
    mode: Mode,
    from: Binding,
    to: Binding,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let mut bindings = vec![from, to];
    let residual = mode.residual().then_some(Binding::Input(2));
    let n = mode.length(maps);
    if caps.family == Family::CpuSimd
        && caps.subgroup_size as usize == LANES
        && n <= FOLDED_LENGTH_MAX
    {
        bindings.push(Binding::Constant(tables::folded(n)));
        bindings.extend(residual);
        return folded(maps, mode, bindings, caps);
    }
    bindings.push(Binding::Constant(tables::circle(n)));
    bindings.extend(residual);
    // Four neighbouring columns at least, so that memory is read in whole sectors.
    let roomy = capacities(caps).find(|points| 4 * n <= *points);
    match roomy.or_else(|| capacities(caps).find(|points| n <= *points)) {
        Some(points) => shared(maps, mode, points, bindings, caps),
        None => direct(maps, mode, bindings, caps),
    }
}

fn direct(
    maps: Maps,
    mode: Mode,
    bindings: Vec<Binding>,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let columns = if matches!(mode, Mode::Real { .. }) {
        maps.w
    } else {
        maps.bins()
    };
    let count = maps.planes * maps.h * columns;
    let groups = spread(maps.kernel, count.div_ceil(64) as u64, caps)?;
    Ok(Dispatch {
        variant: direct_variant(maps.kernel, mode),
        bindings,
        params: pass_words(count, maps, mode),
        groups,
    })
}

fn folded(
    maps: Maps,
    mode: Mode,
    bindings: Vec<Binding>,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let lines = maps.planes
        * if matches!(mode, Mode::Columns { .. }) {
            maps.bins()
        } else {
            maps.h
        };
    let (blocks, pairs) = tables::folded_size(mode.length(maps));
    let mut params = pass_words(lines, maps, mode);
    params.extend([blocks, pairs].map(word));
    let groups = spread(
        maps.kernel,
        (lines.div_ceil(4 * LANES) * blocks) as u64,
        caps,
    )?;
    Ok(Dispatch {
        variant: folded_variant(maps.kernel, mode),
        bindings,
        params,
        groups,
    })
}

fn shared(
    maps: Maps,
    mode: Mode,
    points: usize,
    bindings: Vec<Binding>,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let (n, rows) = (mode.length(maps), maps.planes * maps.h);
    let lines = if matches!(mode, Mode::Columns { .. }) {
        maps.planes * maps.bins()
    } else {
        rows.div_ceil(2)
    };
    let share = (points / n).min(lines.div_ceil(GROUPS_WANTED)).max(1);
    let (radices, stages) = radices(n);
    let mut params = pass_words(lines, maps, mode);
    params.extend([word(share), stages, word(rows), 0, 0, 0]);
    params.extend(radices);
    debug_assert_eq!(params.len(), 12 + STAGES_MAX);
    let groups = spread(maps.kernel, lines.div_ceil(share) as u64, caps)?;
    Ok(Dispatch {
        variant: shared_variant(maps.kernel, mode, points),
        bindings,
        params,
        groups,
    })
}

/// Every variant of a kernel's modes.
fn variants(kernel: &'static str, modes: &[Mode]) -> Vec<Variant> {
    let mut all = Vec::new();
    for mode in modes {
        all.extend([direct_variant(kernel, *mode), folded_variant(kernel, *mode)]);
        all.extend(CAPACITIES.map(|points| shared_variant(kernel, *mode, points)));
    }
    all
}

pub(super) fn forward_variants() -> Vec<Variant> {
    variants(FORWARD, &[Mode::Rows, Mode::Columns { inverse: false }])
}

pub(super) fn inverse_variants() -> Vec<Variant> {
    variants(
        INVERSE,
        &[
            Mode::Columns { inverse: true },
            Mode::Real { residual: false },
            Mode::Real { residual: true },
        ],
    )
}
