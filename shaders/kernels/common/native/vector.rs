//! Registers of floats: what twins whose loops are not matrix products are written with. Called inside a function that
//! [`by_vector!`] compiled for the instruction set, every method becomes one instruction.

/// A register of [`Vector::LEN`] floats.
///
/// Every method requires that the processor has the type's instruction set.
pub trait Vector: Copy {
    /// Floats.
    const LEN: usize;
    /// All elements are `value`.
    unsafe fn splat(value: f32) -> Self;
    /// `LEN` floats from memory; `from` points to as many readable ones.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes `LEN` floats; `to` points to as many writable ones that nobody else accesses.
    unsafe fn store(self, to: *mut f32);
    /// `self + other`
    unsafe fn add(self, other: Self) -> Self;
    /// `self * other`
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + sum`
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self;
    /// The smaller of each pair; a NaN in `self` stays.
    unsafe fn at_most(self, bound: Self) -> Self;
    /// The larger of each pair; a NaN in `self` stays.
    unsafe fn at_least(self, bound: Self) -> Self;
    /// Sum of the elements.
    unsafe fn sum(self) -> f32;
}

impl<const N: usize> Vector for [f32; N] {
    const LEN: usize = N;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; N]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[f32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; N]>().write_unaligned(self) }
    }
    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for i in 0..N {
            self[i] += other[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn mul(mut self, other: Self) -> Self {
        for i in 0..N {
            self[i] *= other[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn mul_add(mut self, factor: Self, sum: Self) -> Self {
        for i in 0..N {
            self[i] = self[i] * factor[i] + sum[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn at_most(mut self, bound: Self) -> Self {
        for i in 0..N {
            self[i] = if self[i] > bound[i] {
                bound[i]
            } else {
                self[i]
            };
        }
        self
    }
    #[inline(always)]
    unsafe fn at_least(mut self, bound: Self) -> Self {
        for i in 0..N {
            self[i] = if self[i] < bound[i] {
                bound[i]
            } else {
                self[i]
            };
        }
        self
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let mut sum = 0.0;
        for value in self {
            sum += value;
        }
        sum
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    macro_rules! vector {
        ($type:ty, $len:literal, $splat:ident, $load:ident, $store:ident, $add:ident, $mul:ident, $fma:ident, $min:ident, $max:ident) => {
            // SAFETY of every method: the trait's promise is that of the instruction.
            impl Vector for $type {
                const LEN: usize = $len;
                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn mul(self, other: Self) -> Self {
                    unsafe { $mul(self, other) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
                    unsafe { $fma(self, factor, sum) }
                }
                // The instruction gives its second operand where one is NaN.
                #[inline(always)]
                unsafe fn at_most(self, bound: Self) -> Self {
                    unsafe { $min(bound, self) }
                }
                #[inline(always)]
                unsafe fn at_least(self, bound: Self) -> Self {
                    unsafe { $max(bound, self) }
                }
                #[inline(always)]
                unsafe fn sum(self) -> f32 {
                    let mut parts = [0.0f32; $len];
                    // SAFETY: as many floats as the register has.
                    unsafe { $store(parts.as_mut_ptr(), self) };
                    let mut half = $len / 2;
                    while half > 0 {
                        for i in 0..half {
                            parts[i] += parts[i + half];
                        }
                        half /= 2;
                    }
                    parts[0]
                }
            }
        };
    }

    vector!(
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_mul_ps,
        _mm512_fmadd_ps,
        _mm512_min_ps,
        _mm512_max_ps
    );
    vector!(
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_mul_ps,
        _mm256_fmadd_ps,
        _mm256_min_ps,
        _mm256_max_ps
    );
}

/// Calls an `#[inline(always)]` function that is generic over a [`Vector`], compiled for an instruction set with its register:
/// `by_vector!(isa, function(a: TypeA, b: TypeB))`, all arguments plain identifiers. The function is unsafe for no other reason
/// than the instruction set.
macro_rules! by_vector {
    ($isa:expr, $function:ident ($($arg:ident : $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn avx512($($arg: $type),*) {
            // SAFETY: this function has the register's instructions.
            unsafe { $function::<std::arch::x86_64::__m512>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2($($arg: $type),*) {
            // SAFETY: as above.
            unsafe { $function::<std::arch::x86_64::__m256>($($arg),*) }
        }
        match $isa {
            // SAFETY: an `Isa` value above `Portable` exists only where the processor was found to have it.
            #[cfg(target_arch = "x86_64")]
            $crate::common::native::Isa::Avx512 => unsafe { avx512($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::common::native::Isa::Avx2 => unsafe { avx2($($arg),*) },
            // SAFETY: arrays need no instruction set.
            _ => unsafe { $function::<[f32; 4]>($($arg),*) },
        }
    }};
}
pub(crate) use by_vector;
