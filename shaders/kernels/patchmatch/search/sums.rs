//! Sums of squares of weighted differences of texels, wrapping: whole patch sums stay below 2^32.

pub(super) use lanes::Sums;

/// SSE2, which every x86-64 has: eight differences are squared and added in pairs at once. Compilers do not find that instruction in
/// the portable form.
#[cfg(target_arch = "x86_64")]
mod lanes {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_madd_epi16, _mm_mullo_epi16, _mm_sub_epi16,
    };

    use crate::patchmatch::Texel;

    /// Four partial sums.
    pub(crate) struct Sums(__m128i);

    impl Sums {
        #[inline(always)]
        pub(crate) fn zero() -> Sums {
            Sums(bytemuck::cast([0u32; 4]))
        }

        #[inline(always)]
        pub(crate) fn add(&mut self, source: &Texel, value: &Texel, factor: &Texel) {
            let [source, value, factor] = [*source, *value, *factor].map(bytemuck::cast);
            // SAFETY: SSE2 is part of x86-64.
            self.0 = unsafe {
                let difference = _mm_mullo_epi16(_mm_sub_epi16(source, value), factor);
                _mm_add_epi32(self.0, _mm_madd_epi16(difference, difference))
            };
        }

        #[inline(always)]
        pub(crate) fn total(&self) -> u32 {
            let parts: [u32; 4] = bytemuck::cast(self.0);
            parts.into_iter().fold(0, u32::wrapping_add)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod lanes {
    use crate::patchmatch::{CHANNELS, Texel};

    /// One sum a channel.
    pub(crate) struct Sums([u32; CHANNELS]);

    impl Sums {
        #[inline(always)]
        pub(crate) fn zero() -> Sums {
            Sums([0; CHANNELS])
        }

        #[inline(always)]
        pub(crate) fn add(&mut self, source: &Texel, value: &Texel, factor: &Texel) {
            for (k, sum) in self.0.iter_mut().enumerate() {
                let difference = source[k].wrapping_sub(value[k]).wrapping_mul(factor[k]);
                let square = i32::from(difference) * i32::from(difference);
                *sum = sum.wrapping_add(square as u32);
            }
        }

        #[inline(always)]
        pub(crate) fn total(&self) -> u32 {
            self.0.into_iter().fold(0, u32::wrapping_add)
        }
    }
}
