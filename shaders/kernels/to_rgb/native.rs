//! Fast CPU twin of [`super::ToRgb`]: rows of the output over threads.

use super::ToRgb;
use crate::common::native::{Disjoint, Isa, Vector, by_vector, run_tasks};
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: &ToRgb, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((x, [n, h, w, c])) = inputs
        .first()
        .and_then(|x| Some((x.f32(), x.shape().dims4()?)))
    else {
        return;
    };
    let (isa, coarser) = (Isa::active(), inputs.get(1).map(TensorRef::f32));
    let out = Disjoint::new(output.f32());
    run_tasks(n * h, &mut [], 0, |row, _| {
        let (image, y) = (row / h, row % h);
        let level = |y: usize| {
            coarser.map(|coarser| &coarser[(image * (h / 2) + y) * (w / 2) * 3..][..w / 2 * 3])
        };
        let beside = if y % 2 == 0 {
            (y / 2).checked_sub(1)
        } else {
            Some(y / 2 + 1).filter(|y| *y < h / 2)
        };
        let line = Line {
            x: &x[row * w * c..][..w * c],
            weight: &op.weight,
            bias: op.bias,
            near: level(y / 2),
            beside: beside.and_then(level),
            colours: op.last,
        };
        // Colours of a pixel, and neighbouring pixels of one colour, in floats of the output.
        let (first, [colour, pixel]) = if op.last {
            ((image * 3 * h + y) * w, [h * w, 1])
        } else {
            (row * w * 3, [1, 3])
        };
        let to = To {
            out,
            first,
            colour,
            pixel,
        };
        by_vector!(isa, fill(line: Line<'_>, to: To<'_>));
    });
}

/// One row.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// `[W, C]`
    x: &'a [f32],
    /// `[3, C]`
    weight: &'a [f32],
    bias: [f32; 3],
    /// The nearest row of the coarser level, `[W / 2, 3]`, where there is such a level.
    near: Option<&'a [f32]>,
    /// The next one on the side that this row lies on; `None` outside the map.
    beside: Option<&'a [f32]>,
    /// Whether to give colours 0..1.
    colours: bool,
}

/// Where a row goes.
#[derive(Clone, Copy)]
struct To<'a> {
    out: Disjoint<'a>,
    /// Float of the first pixel's first colour.
    first: usize,
    /// Floats between two colours of a pixel.
    colour: usize,
    /// Floats between two pixels of a colour.
    pixel: usize,
}

/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
unsafe fn fill<V: Vector>(line: Line<'_>, to: To<'_>) {
    let c = line.weight.len() / 3;
    let width = line.x.len() / c;
    for x in 0..width {
        // SAFETY: the caller's promise.
        let mut sums = unsafe { dot::<V>(&line.x[x * c..][..c], line.weight) };
        for o in 0..3 {
            sums[o] += line.bias[o];
            if let Some(near) = line.near {
                sums[o] += enlarged(near, line.beside, x, o);
            }
            if line.colours {
                sums[o] = ((sums[o] + 1.0) / 2.0).clamp(0.0, 1.0);
            }
            let at = to.first + x * to.pixel + o * to.colour;
            // SAFETY: every row of the output belongs to one task.
            let out = unsafe { to.out.slice(at, 1) };
            out[0] = sums[o];
        }
    }
}

/// Three rows of weights times one pixel.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
unsafe fn dot<V: Vector>(x: &[f32], weight: &[f32]) -> [f32; 3] {
    let c = x.len();
    assert_eq!(weight.len(), 3 * c);
    let mut i = 0;
    // SAFETY: the caller's promise; `i + LEN` is at most c.
    let mut sums = unsafe {
        let mut sums = [V::splat(0.0); 3];
        while i + V::LEN <= c {
            let value = V::load(x.as_ptr().add(i));
            for o in 0..3 {
                sums[o] = value.mul_add(V::load(weight.as_ptr().add(o * c + i)), sums[o]);
            }
            i += V::LEN;
        }
        [sums[0].sum(), sums[1].sum(), sums[2].sum()]
    };
    while i < c {
        for o in 0..3 {
            sums[o] += x[i] * weight[o * c + i];
        }
        i += 1;
    }
    sums
}

/// Colour `o` of pixel `x` of the coarser level doubled.
#[inline(always)]
fn enlarged(near: &[f32], beside: Option<&[f32]>, x: usize, o: usize) -> f32 {
    let width = near.len() / 3;
    let (here, next) = (
        x / 2,
        if x.is_multiple_of(2) {
            (x / 2).wrapping_sub(1)
        } else {
            x / 2 + 1
        },
    );
    let mut sum = 3.0 * near[here * 3 + o];
    let mut other = 0.0;
    if let Some(beside) = beside {
        sum += beside[here * 3 + o];
    }
    if next < width {
        other = 3.0 * near[next * 3 + o];
        if let Some(beside) = beside {
            other += beside[next * 3 + o];
        }
    }
    (3.0 * sum + other) / 16.0
}
