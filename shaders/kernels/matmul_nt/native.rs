//! Fast CPU twin of [`super::MatmulNt`]: runs of the second list's rows over threads, each read once for all of the first's.

use crate::common::native::{Disjoint, Isa, by_isa, run_tasks};
use crate::tensor::{TensorMut, TensorRef};

/// Rows per task.
const PIECE: usize = 1024;

/// Partial sums of a product.
const LANES: usize = 16;

pub(super) fn run(inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let [a, b] = inputs else { return };
    let [n, m, c] = *a.shape().dims() else { return };
    let (isa, a, b) = (Isa::active(), a.f32(), b.f32());
    let p = b.len() / (n * c);
    let out = Disjoint::new(output.f32());
    let pieces = p.div_ceil(PIECE);
    run_tasks(n * pieces, &mut [], 0, |task, _| {
        let (sample, first) = (task / pieces, task % pieces * PIECE);
        let count = PIECE.min(p - first);
        let right = &b[(sample * p + first) * c..][..count * c];
        for (i, left) in a[sample * m * c..][..m * c].chunks_exact(c).enumerate() {
            // SAFETY: every row of the output is cut into pieces of one task each.
            let out = unsafe { out.slice((sample * m + i) * p + first, count) };
            by_isa!(isa, products(left: &[f32], right: &[f32], out: &mut [f32]));
        }
    });
}

#[inline(always)]
fn products(left: &[f32], right: &[f32], out: &mut [f32]) {
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    for (row, out) in right.chunks_exact(left.len()).zip(out) {
        let (chunks, rest) = row.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for (a, b) in left_chunks.iter().zip(chunks) {
            for i in 0..LANES {
                sums[i] += a[i] * b[i];
            }
        }
        let mut sum = 0.0;
        for (a, b) in left_rest.iter().zip(rest) {
            sum += a * b;
        }
        for lane in sums {
            sum += lane;
        }
        *out = sum;
    }
}
