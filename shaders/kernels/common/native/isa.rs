//! Instruction sets that the twins know, found at run time.

use std::sync::atomic::{AtomicU8, Ordering};

/// A vector instruction set, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Isa {
    /// Whatever the compiler's target has (SSE2 on x86-64, NEON on aarch64).
    Portable = 0,
    /// AVX2 with FMA.
    Avx2 = 1,
    /// AVX-512 with all that servers have had from the first (F, BW, DQ, VL).
    Avx512 = 2,
}

static LIMIT: AtomicU8 = AtomicU8::new(Isa::Avx512 as u8);

impl Isa {
    /// Every instruction set, weakest first.
    pub const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    /// True if this processor has it.
    pub fn is_supported(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                    && Isa::Avx2.is_supported()
            }
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => false,
        }
    }

    /// The strongest one that this processor has and [`Isa::set_limit`] allows.
    pub fn active() -> Isa {
        let allowed = |isa: &Isa| *isa as u8 <= LIMIT.load(Ordering::Relaxed) && isa.is_supported();
        Isa::ALL
            .into_iter()
            .rev()
            .find(allowed)
            .unwrap_or(Isa::Portable)
    }

    /// Caps [`Isa::active`] for the whole process: for tests and comparisons. Scratch sizes depend on it.
    pub fn set_limit(limit: Isa) {
        LIMIT.store(limit as u8, Ordering::Relaxed);
    }

    /// Most rows of the microkernel's result (output channels).
    pub const fn rows(self) -> usize {
        match self {
            Isa::Portable => 3,
            Isa::Avx2 => 6,
            Isa::Avx512 => 12,
        }
    }

    /// Row counts of the microkernel are multiples of this: a last panel wastes less than one step.
    pub const fn row_step(self) -> usize {
        self.rows() / 3
    }

    /// Columns of the microkernel's result (pixels): two vectors.
    pub const fn columns(self) -> usize {
        match self {
            Isa::Portable => 8,
            Isa::Avx2 => 16,
            Isa::Avx512 => 32,
        }
    }
}

/// Calls an `#[inline(always)]` function compiled for the given instruction set, so that its loops use that set's
/// vectors: `by_isa!(isa, function(a: TypeA, b: TypeB))`, all arguments plain identifiers. Generic arguments may name
/// `COLUMNS`, which is that set's [`Isa::columns`].
///
/// Only what is inlined is compiled so, and the compiler inlines by its own judgement: closures given to `for_each`,
/// `fold` or `map` often stay functions for the weakest set. Write plain loops and `#[inline(always)]` functions. A test
/// disassembles what comes out.
macro_rules! by_isa {
    ($isa:expr, $function:ident $(::<$($generic:tt),+>)? ($($arg:ident : $type:ty),* $(,)?) $(-> $ret:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn avx512($($arg: $type),*) $(-> $ret)? {
            #[allow(dead_code)]
            const COLUMNS: usize = $crate::common::native::Isa::Avx512.columns();
            $function $(::<$($generic),+>)? ($($arg),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2($($arg: $type),*) $(-> $ret)? {
            #[allow(dead_code)]
            const COLUMNS: usize = $crate::common::native::Isa::Avx2.columns();
            $function $(::<$($generic),+>)? ($($arg),*)
        }
        #[allow(dead_code)]
        const COLUMNS: usize = $crate::common::native::Isa::Portable.columns();
        match $isa {
            // SAFETY: an `Isa` value above `Portable` exists only where the processor was found to have it.
            #[cfg(target_arch = "x86_64")]
            $crate::common::native::Isa::Avx512 => unsafe { avx512($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::common::native::Isa::Avx2 => unsafe { avx2($($arg),*) },
            _ => $function $(::<$($generic),+>)? ($($arg),*),
        }
    }};
}
pub(crate) use by_isa;
