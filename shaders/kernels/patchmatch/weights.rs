//! Vote weights as powers of two with a fixed-point exponent, in integers only.
//!
//! A patch centred on `q` votes with `gamma^-distance(q) * exp(-d(q) / 2 s2)`, where `d` is its mean square and `s2` the mean
//! of `d` over the patches that vote for the pixel. In units of 1/[`STEPS`] of an octave that is the exponent
//! `log2(gamma) * distance + log2(e)/2 * d/s2`; the least exponent of a pixel is subtracted, so the best patch always counts.

/// Exponent steps per octave.
pub(crate) const STEPS: u32 = 32;
/// Weight of exponent 0.
const ONE_BITS: u32 = 13;
/// `STEPS * log2(e) / 2`, rounded.
const DECAY: u32 = 23;
/// Above this multiple of `s2` a weight is zero anyway; it bounds the products below 2^32.
const RATIO_MAX: u32 = 20;

/// `round(2^13 * 2^(-i/32))`.
pub(crate) const FRACTIONS: [u32; STEPS as usize] = [
    8192, 8016, 7845, 7677, 7512, 7351, 7194, 7039, 6889, 6741, 6597, 6455, 6317, 6182, 6049, 5919,
    5793, 5668, 5547, 5428, 5312, 5198, 5087, 4978, 4871, 4767, 4664, 4565, 4467, 4371, 4277, 4186,
];

/// `2^13 * 2^(-exponent/32)`.
#[inline(always)]
pub(crate) fn weight(exponent: u32) -> u32 {
    let octaves = exponent / STEPS;
    if octaves > ONE_BITS {
        0
    } else {
        FRACTIONS[(exponent % STEPS) as usize] >> octaves
    }
}

/// Turns a mean square into exponent steps, relative to the pixel's own scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decay {
    shift: u32,
    limit: u32,
    factor: u32,
}

impl Decay {
    /// For `s2`, the mean of the mean squares.
    #[inline(always)]
    pub(crate) fn new(s2: u32) -> Self {
        let s2 = s2.max(1);
        let shift = (32 - s2.leading_zeros()).saturating_sub(12);
        let scaled = s2 >> shift;
        Decay {
            shift,
            limit: RATIO_MAX * scaled,
            factor: (DECAY << 20) / scaled,
        }
    }
    /// Exponent steps for the mean square `d`.
    #[inline(always)]
    pub(crate) fn exponent(self, d: u32) -> u32 {
        ((d >> self.shift).min(self.limit) * self.factor) >> 20
    }
}

/// Exponent steps for a distance in 1/16 pixel; `falloff` is `round(64 * log2(gamma))`, so the product is in 1/32 of a step.
#[inline(always)]
pub(crate) fn falloff_exponent(distance: u32, falloff: u32) -> u32 {
    (distance * falloff) >> 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_powers_of_two() {
        for (i, f) in FRACTIONS.iter().enumerate() {
            assert_eq!(*f, (8192.0 * (-(i as f64) / 32.0).exp2()).round() as u32);
        }
    }

    #[test]
    fn decay_follows_the_exponential() {
        for s2 in [1u32, 7, 300, 2047, 2048, 100_000, 12_000_000] {
            for ratio in [0.0, 0.3, 1.0, 4.0, 15.0] {
                let d = (s2 as f64 * ratio).round();
                let want = d / s2 as f64 * 0.5 * std::f64::consts::LOG2_E * f64::from(STEPS);
                let got = f64::from(Decay::new(s2).exponent(d as u32));
                assert!(
                    (got - want).abs() <= 1.0 + 0.01 * want,
                    "s2 {s2} ratio {ratio}: {got} for {want}"
                );
            }
        }
        let _ = Decay::new(u32::MAX / 64).exponent(u32::MAX);
    }
}
