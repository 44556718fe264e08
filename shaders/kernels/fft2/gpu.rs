//! GPU strategies of the 2-D transforms: the whole map in one workgroup where it fits, otherwise one pass along the rows and
//! one along the columns, each by the strategy that its length and the device allow.

mod map;
mod passes;

use self::passes::Mode;
use super::{FORWARD, INVERSE, Irfft2, Rfft2};
use crate::caps::Caps;
use crate::common::launch::check_bindings;
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Program, Variant};

/// Complex values that fit one half of the workgroup memory of the `shared_*` strategies: 16 KiB, which every device has,
/// and 48 KiB.
const CAPACITIES: [usize; 2] = [1024, 3072];

/// Invocations of a workgroup of the `shared_*` strategies.
const THREADS: usize = 256;

/// Radices that the params block of an axis has room for; no length within [`CAPACITIES`] has more.
const STAGES_MAX: usize = 8;

/// The capacities that a device offers, smallest first.
fn capacities(caps: &Caps) -> impl Iterator<Item = usize> {
    let bytes = caps.workgroup_bytes_max as usize;
    let invocations = caps.workgroup_invocations_max as usize;
    CAPACITIES
        .into_iter()
        .filter(move |points| points * 16 <= bytes && THREADS <= invocations)
}

fn capacity_defines(points: usize) -> [(&'static str, String); 3] {
    [
        ("POINTS", format!("{points}u")),
        ("POINTS_TWICE", format!("{}u", 2 * points)),
        ("THREADS", format!("{THREADS}u")),
    ]
}

/// Radices of a length, with zeros up to [`STAGES_MAX`], and their number. Fours first, then primes: those above 7 are
/// matrix products of that size.
fn radices(n: usize) -> ([u32; STAGES_MAX], u32) {
    let (mut all, mut count, mut rest, mut radix) = ([0; STAGES_MAX], 0, n, 4);
    while rest > 1 && count < STAGES_MAX {
        if rest % radix == 0 {
            all[count] = radix as u32;
            count += 1;
            rest /= radix;
        } else {
            radix = match radix {
                4 => 2,
                2 => 3,
                3 => 5,
                odd => odd + 2,
            };
        }
    }
    debug_assert_eq!(rest, 1, "{n} has more than {STAGES_MAX} factors");
    (all, count as u32)
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
    fn half(self) -> usize {
        self.h * self.bins()
    }
    /// Bytes of all spectra.
    fn spectrum_bytes(self) -> u64 {
        (self.planes * 2 * self.half() * 4) as u64
    }
}

pub(super) fn forward(
    _op: &Rfft2,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let d = inputs[0].shape.dims();
    let maps = Maps {
        kernel: FORWARD,
        planes: d[0] * d[1],
        h: d[2],
        w: d[3],
    };
    check_bindings(FORWARD, inputs, &[maps.spectrum_bytes()], caps)?;
    if let Some(program) = map::forward(maps, caps)? {
        return Ok(program);
    }
    let rows = passes::pass(
        maps,
        Mode::Rows,
        Binding::Input(0),
        Binding::Scratch(0),
        caps,
    )?;
    let columns = passes::pass(
        maps,
        Mode::Columns { inverse: false },
        Binding::ScratchRead(0),
        Binding::Output(0),
        caps,
    )?;
    Ok(Program {
        dispatches: vec![rows, columns],
        scratch_bytes: vec![maps.spectrum_bytes()],
    })
}

pub(super) fn inverse(
    op: &Irfft2,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let (spectrum, like) = (inputs[0].shape.dims(), inputs[1].shape.dims());
    let maps = Maps {
        kernel: INVERSE,
        planes: spectrum[0] * spectrum[1] / 2,
        h: spectrum[2],
        w: like[3],
    };
    check_bindings(INVERSE, inputs, &[maps.spectrum_bytes()], caps)?;
    if let Some(program) = map::inverse(maps, op.residual, caps)? {
        return Ok(program);
    }
    let columns = passes::pass(
        maps,
        Mode::Columns { inverse: true },
        Binding::Input(0),
        Binding::Scratch(0),
        caps,
    )?;
    let rows = passes::pass(
        maps,
        Mode::Real {
            residual: op.residual,
        },
        Binding::ScratchRead(0),
        Binding::Output(0),
        caps,
    )?;
    Ok(Program {
        dispatches: vec![columns, rows],
        scratch_bytes: vec![maps.spectrum_bytes()],
    })
}

pub(super) fn forward_variants() -> Vec<Variant> {
    map::forward_variants()
        .into_iter()
        .chain(passes::forward_variants())
        .collect()
}

pub(super) fn inverse_variants() -> Vec<Variant> {
    map::inverse_variants()
        .into_iter()
        .chain(passes::inverse_variants())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radices_multiply_to_the_length() {
        for n in 1..=CAPACITIES[1] {
            let (all, count) = radices(n);
            let product: u32 = all[..count as usize].iter().product();
            assert_eq!(product as usize, n);
        }
    }
}
