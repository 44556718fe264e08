//! `shared_map`: both passes of a map in the workgroup memory of one workgroup.

use super::{CAPACITIES, Maps, capacities, capacity_defines, radices};
use crate::caps::{Caps, Family};
use crate::common::launch::{spread, word};
use crate::error::KernelError;
use crate::fft2::{FORWARD, INVERSE, tables};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant(kernel: &'static str, points: usize, residual: bool) -> Variant {
    let mut defines = capacity_defines(points).to_vec();
    let forward = kernel == FORWARD;
    defines.push(("SIGN", if forward { "-1.0" } else { "1.0" }.to_string()));
    defines.extend(forward.then(|| ("MODE_FORWARD", String::new())));
    defines.extend(residual.then(|| ("RESIDUAL", String::new())));
    defines.sort();
    Variant {
        kernel,
        strategy: "shared_map",
        template: include_str!("../shared_map.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn forward_variants() -> Vec<Variant> {
    CAPACITIES
        .map(|points| variant(FORWARD, points, false))
        .to_vec()
}

pub(super) fn inverse_variants() -> Vec<Variant> {
    CAPACITIES
        .into_iter()
        .flat_map(|points| [false, true].map(|residual| variant(INVERSE, points, residual)))
        .collect()
}

/// The forward transform, `None` where a map does not fit.
pub(super) fn forward(maps: Maps, caps: &Caps) -> Result<Option<Program>, KernelError> {
    program(
        maps,
        false,
        vec![Binding::Input(0), Binding::Output(0)],
        caps,
    )
}

/// The inverse transform, `None` where a map does not fit.
pub(super) fn inverse(
    maps: Maps,
    residual: bool,
    caps: &Caps,
) -> Result<Option<Program>, KernelError> {
    program(
        maps,
        residual,
        vec![Binding::Input(0), Binding::Output(0)],
        caps,
    )
}

fn program(
    maps: Maps,
    residual: bool,
    mut bindings: Vec<Binding>,
    caps: &Caps,
) -> Result<Option<Program>, KernelError> {
    // Two rows make one complex line, so that both forms of a map are about half of it.
    let points = maps.half().max(maps.h.div_ceil(2) * maps.w);
    let Some(capacity) =
        capacities(caps).find(|capacity| points <= *capacity && caps.family == Family::Simt)
    else {
        return Ok(None);
    };
    bindings.extend([maps.w, maps.h].map(|n| Binding::Constant(tables::circle(n))));
    bindings.extend(residual.then_some(Binding::Input(2)));
    let ((row_radices, row_stages), (column_radices, column_stages)) =
        (radices(maps.w), radices(maps.h));
    let mut params = [maps.planes, maps.h, maps.w, maps.bins()]
        .map(word)
        .to_vec();
    params.push((1.0 / ((maps.h * maps.w) as f64).sqrt() as f32).to_bits());
    params.extend([row_stages, column_stages, 0]);
    params.extend(row_radices.into_iter().chain(column_radices));
    let groups = spread(maps.kernel, maps.planes as u64, caps)?;
    let dispatch = Dispatch {
        variant: variant(maps.kernel, capacity, residual),
        bindings,
        params,
        groups,
    };
    Ok(Some(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    }))
}
