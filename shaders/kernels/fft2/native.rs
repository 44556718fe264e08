//! Fast CPU twins of [`super::Rfft2`] and [`super::Irfft2`]: real transforms along x (realfft), complex ones along y
//! (rustfft), both for any length, channels spread over threads.

use std::sync::{Arc, Mutex, PoisonError};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::common::native::{Disjoint, lanes, run_tasks};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Map sizes whose transforms are remembered: a server sees few sizes at a time.
const PLANS_MAX: usize = 16;

/// Transforms of one map size.
struct Plans {
    size: [usize; 2],
    rows: Arc<dyn RealToComplex<f32>>,
    rows_back: Arc<dyn ComplexToReal<f32>>,
    columns: Arc<dyn Fft<f32>>,
    columns_back: Arc<dyn Fft<f32>>,
}

/// Most recently used last.
static PLANS: Mutex<Vec<Arc<Plans>>> = Mutex::new(Vec::new());

fn plans(size: [usize; 2]) -> Arc<Plans> {
    let mut known = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = known.iter().position(|p| p.size == size) {
        let found = known.remove(at);
        known.push(found.clone());
        return found;
    }
    let [h, w] = size;
    let (mut real, mut complex) = (RealFftPlanner::new(), FftPlanner::new());
    let plans = Arc::new(Plans {
        size,
        rows: real.plan_fft_forward(w),
        rows_back: real.plan_fft_inverse(w),
        columns: complex.plan_fft_forward(h),
        columns_back: complex.plan_fft_inverse(h),
    });
    if known.len() == PLANS_MAX {
        known.remove(0);
    }
    known.push(plans.clone());
    plans
}

impl Plans {
    fn half(&self) -> usize {
        self.size[1] / 2 + 1
    }

    /// Complex values of scratch that the transforms of one map need beside the map itself.
    fn work(&self) -> usize {
        [
            self.rows.get_scratch_len(),
            self.rows_back.get_scratch_len(),
            self.columns.get_inplace_scratch_len(),
            self.columns_back.get_inplace_scratch_len(),
        ]
        .into_iter()
        .max()
        .unwrap_or(0)
    }

    /// Floats of scratch per thread: the transposed spectrum, a line of it, a real line, the transforms' own.
    fn lane_len(&self) -> usize {
        let [h, w] = self.size;
        2 * (h * self.half() + self.half() + self.work()) + w
    }

    /// Cuts a thread's scratch: spectrum `[half][h]`, one line of it, the transforms' scratch, a real line.
    fn split<'a>(&self, lane: &'a mut [f32]) -> Lane<'a> {
        let (spectrum, rest) = lane.split_at_mut(2 * self.size[0] * self.half());
        let (line, rest) = rest.split_at_mut(2 * self.half());
        let (work, real) = rest.split_at_mut(2 * self.work());
        Lane {
            spectrum: complex(spectrum),
            line: complex(line),
            work: complex(work),
            real: &mut real[..self.size[1]],
        }
    }

    /// One map to its spectrum.
    fn forward(&self, map: &[f32], lane: &mut [f32], re: &mut [f32], im: &mut [f32]) {
        let ([h, w], half) = (self.size, self.half());
        let Lane {
            spectrum,
            line,
            work,
            real,
        } = self.split(lane);
        for (y, row) in map.chunks_exact(w).enumerate() {
            real.copy_from_slice(row);
            let done = self.rows.process_with_scratch(
                real,
                line,
                &mut work[..self.rows.get_scratch_len()],
            );
            debug_assert!(done.is_ok(), "lengths are the plan's own");
            line.iter()
                .enumerate()
                .for_each(|(l, v)| spectrum[l * h + y] = *v);
        }
        self.columns.process_with_scratch(spectrum, work);
        let norm = 1.0 / ((h * w) as f32).sqrt();
        for (k, (re, im)) in re
            .chunks_exact_mut(half)
            .zip(im.chunks_exact_mut(half))
            .enumerate()
        {
            for (l, (re, im)) in re.iter_mut().zip(im).enumerate() {
                let value = spectrum[l * h + k];
                (*re, *im) = (value.re * norm, value.im * norm);
            }
        }
    }

    /// One spectrum to its map.
    fn inverse(&self, re: &[f32], im: &[f32], lane: &mut [f32], map: &mut [f32]) {
        let ([h, w], half) = (self.size, self.half());
        let Lane {
            spectrum,
            line,
            work,
            real,
        } = self.split(lane);
        let norm = 1.0 / ((h * w) as f32).sqrt();
        for (k, (re, im)) in re.chunks_exact(half).zip(im.chunks_exact(half)).enumerate() {
            for (l, (re, im)) in re.iter().zip(im).enumerate() {
                spectrum[l * h + k] = Complex::new(re * norm, im * norm);
            }
        }
        self.columns_back.process_with_scratch(spectrum, work);
        for (y, row) in map.chunks_exact_mut(w).enumerate() {
            line.iter_mut()
                .enumerate()
                .for_each(|(l, v)| *v = spectrum[l * h + y]);
            // What a real signal cannot have is ignored, as PyTorch does.
            line[0].im = 0.0;
            if w.is_multiple_of(2) {
                line[half - 1].im = 0.0;
            }
            let done = self.rows_back.process_with_scratch(
                line,
                real,
                &mut work[..self.rows_back.get_scratch_len()],
            );
            debug_assert!(
                done.is_ok(),
                "lengths are the plan's own and the line is a real signal's"
            );
            row.copy_from_slice(real);
        }
    }
}

struct Lane<'a> {
    spectrum: &'a mut [Complex<f32>],
    line: &'a mut [Complex<f32>],
    work: &'a mut [Complex<f32>],
    real: &'a mut [f32],
}

/// Pairs of floats as complex numbers.
fn complex(floats: &mut [f32]) -> &mut [Complex<f32>] {
    // SAFETY: `Complex<f32>` is `repr(C)` with two f32 fields: same alignment as f32, twice the size.
    unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), floats.len() / 2) }
}

/// Scratch for maps of height and width `size`.
pub(super) fn scratch(size: Option<[usize; 2]>) -> usize {
    size.map_or(0, |size| lanes() * plans(size).lane_len())
}

/// Height and width of a tensor.
pub(super) fn size(spec: Option<&TensorSpec>) -> Option<[usize; 2]> {
    spec.and_then(|s| s.shape.dims4())
        .map(|[_, _, h, w]| [h, w])
}

pub(super) fn forward(inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>, scratch: &mut [f32]) {
    let Some([n, c, h, w]) = inputs.first().and_then(|t| t.shape().dims4()) else {
        return;
    };
    let (plans, data) = (plans([h, w]), inputs[0].f32());
    let plane = h * plans.half();
    let output = Disjoint::new(output.f32());
    run_tasks(n * c, scratch, plans.lane_len(), |task, lane| {
        // SAFETY: every task has its own two planes.
        let (re, im) = unsafe { output.slice(2 * task * plane, 2 * plane) }.split_at_mut(plane);
        plans.forward(&data[task * h * w..][..h * w], lane, re, im);
    });
}

pub(super) fn inverse(
    residual: bool,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let Some([n, c, h, w]) = output.shape().dims4() else {
        return;
    };
    let (plans, data) = (plans([h, w]), inputs[0].f32());
    let plane = h * plans.half();
    let residual = if residual {
        inputs.get(2).map(TensorRef::f32)
    } else {
        None
    };
    let output = Disjoint::new(output.f32());
    run_tasks(n * c, scratch, plans.lane_len(), |task, lane| {
        let (re, im) = data[2 * task * plane..][..2 * plane].split_at(plane);
        // SAFETY: every task has its own map.
        let map = unsafe { output.slice(task * h * w, h * w) };
        plans.inverse(re, im, lane, map);
        if let Some(residual) = residual {
            map.iter_mut()
                .zip(&residual[task * h * w..])
                .for_each(|(o, r)| *o += r);
        }
    });
}
