//! The microkernel: `C[rows, columns] = A[rows, k] B[k, columns]` with C in registers, one version per instruction set.

use super::Isa;

/// Multiplies one packed panel pair and overwrites C.
///
/// # Safety
/// The processor has `isa`. `rows` is a positive multiple of `isa.row_step()`, at most `isa.rows()`. `a` points to
/// `k * rows` floats (column by column), `b` to `k * isa.columns()` floats (row by row); `c` points to `rows` rows of
/// `isa.columns()` writable floats, `stride` floats apart, which nobody else accesses during the call.
#[inline]
pub unsafe fn multiply(
    isa: Isa,
    rows: usize,
    k: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    stride: usize,
) {
    // SAFETY: the caller's promises are exactly those of the versions.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => match rows {
                12 => x86::avx512::<12>(k, a, b, c, stride),
                8 => x86::avx512::<8>(k, a, b, c, stride),
                _ => x86::avx512::<4>(k, a, b, c, stride),
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => match rows {
                6 => x86::avx2::<6>(k, a, b, c, stride),
                4 => x86::avx2::<4>(k, a, b, c, stride),
                _ => x86::avx2::<2>(k, a, b, c, stride),
            },
            _ => match rows {
                3 => portable::<3>(k, a, b, c, stride),
                2 => portable::<2>(k, a, b, c, stride),
                _ => portable::<1>(k, a, b, c, stride),
            },
        }
    }
}

/// Plain loops over fixed-size arrays, which the compiler turns into the target's own vectors.
///
/// # Safety
/// As [`multiply`] with `Isa::Portable` and `rows == R`.
unsafe fn portable<const R: usize>(
    k: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    stride: usize,
) {
    const N: usize = Isa::Portable.columns();
    let mut sum = [[0.0f32; N]; R];
    for p in 0..k {
        // SAFETY: p < k, and the panels hold k columns of R and k rows of N floats.
        let (column, row) = unsafe {
            (
                &*a.add(p * R).cast::<[f32; R]>(),
                &*b.add(p * N).cast::<[f32; N]>(),
            )
        };
        for (sum, weight) in sum.iter_mut().zip(column) {
            for (s, v) in sum.iter_mut().zip(row) {
                *s = if cfg!(target_feature = "neon") {
                    weight.mul_add(*v, *s)
                } else {
                    *s + weight * v
                };
            }
        }
    }
    for (r, sum) in sum.iter().enumerate() {
        // SAFETY: r < rows, each row has N writable floats.
        unsafe { c.add(r * stride).cast::<[f32; N]>().write_unaligned(*sum) };
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// # Safety
    /// As [`super::multiply`] with `Isa::Avx512` and `rows == R`.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn avx512<const R: usize>(
        k: usize,
        a: *const f32,
        b: *const f32,
        c: *mut f32,
        stride: usize,
    ) {
        let mut sum = [[_mm512_setzero_ps(); 2]; R];
        for p in 0..k {
            // SAFETY: p < k, and the panels hold k columns of R and k rows of 32 floats.
            unsafe {
                let (column, row) = (a.add(p * R), b.add(p * 32));
                let (b0, b1) = (_mm512_loadu_ps(row), _mm512_loadu_ps(row.add(16)));
                for (r, sum) in sum.iter_mut().enumerate() {
                    let weight = _mm512_set1_ps(*column.add(r));
                    sum[0] = _mm512_fmadd_ps(weight, b0, sum[0]);
                    sum[1] = _mm512_fmadd_ps(weight, b1, sum[1]);
                }
            }
        }
        for (r, sum) in sum.iter().enumerate() {
            // SAFETY: r < rows, each row has 32 writable floats.
            unsafe {
                _mm512_storeu_ps(c.add(r * stride), sum[0]);
                _mm512_storeu_ps(c.add(r * stride + 16), sum[1]);
            }
        }
    }

    /// # Safety
    /// As [`super::multiply`] with `Isa::Avx2` and `rows == R`.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2<const R: usize>(
        k: usize,
        a: *const f32,
        b: *const f32,
        c: *mut f32,
        stride: usize,
    ) {
        let mut sum = [[_mm256_setzero_ps(); 2]; R];
        for p in 0..k {
            // SAFETY: p < k, and the panels hold k columns of R and k rows of 16 floats.
            unsafe {
                let (column, row) = (a.add(p * R), b.add(p * 16));
                let (b0, b1) = (_mm256_loadu_ps(row), _mm256_loadu_ps(row.add(8)));
                for (r, sum) in sum.iter_mut().enumerate() {
                    let weight = _mm256_set1_ps(*column.add(r));
                    sum[0] = _mm256_fmadd_ps(weight, b0, sum[0]);
                    sum[1] = _mm256_fmadd_ps(weight, b1, sum[1]);
                }
            }
        }
        for (r, sum) in sum.iter().enumerate() {
            // SAFETY: r < rows, each row has 16 writable floats.
            unsafe {
                _mm256_storeu_ps(c.add(r * stride), sum[0]);
                _mm256_storeu_ps(c.add(r * stride + 8), sum[1]);
            }
        }
    }
}
