//! What happens to an accumulator before it is stored: `act(acc + bias) + residual`.

/// Activation functions that kernels can apply while storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Act {
    /// `x`
    #[default]
    None,
    /// `max(x, 0)`
    Relu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x / 2 * (1 + erf(x / sqrt 2))`, the exact form
    Gelu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `clamp(x * sqrt 2, -256, 256)`, below 0 a fifth of it: MI-GAN's leaky ReLU with gain and clamp
    LreluAgc,
}

/// Factors of [`Act::LreluAgc`] above and below 0, and its bound.
pub const LRELU_AGC: [f32; 3] = [
    std::f32::consts::SQRT_2,
    0.2 * std::f32::consts::SQRT_2,
    256.0,
];

impl Act {
    /// The function's value.
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Act::None => x,
            Act::Relu => x.max(0.0),
            Act::Sigmoid => 1.0 / (1.0 + exp(-x)),
            Act::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Act::Relu6 => x.clamp(0.0, 6.0),
            Act::LreluAgc => {
                let [above, below, bound] = LRELU_AGC;
                (x * if x > 0.0 { above } else { below }).clamp(-bound, bound)
            }
        }
    }
    /// The number that shaders know it by (`ACT_*` in `common/epilogue.wgsl`).
    pub fn code(self) -> u32 {
        match self {
            Act::None => 0,
            Act::Relu => 1,
            Act::Sigmoid => 2,
            Act::Gelu => 3,
            Act::Relu6 => 4,
            Act::LreluAgc => 5,
        }
    }
}

/// The error function: an odd polynomial up to 0.928, `1 - exp(polynomial)` beyond (minimax fits after N. Juffa). Both are
/// evaluated and one is chosen, so loops over it vectorise. Shaders use the same formula.
///
/// At most 1.2e-7 off, two units in the last place below 1: the fits are within half a unit, and each of the last two operations
/// rounds by up to half a unit.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    // Past 10 the result is 1, and no power of it overflows.
    let a = x.abs().min(10.0);
    let s = a * a;
    let near = a + a
        * (0.128_379_17
            + s * (-0.376_125_34
                + s * (0.112_819_925
                    + s * (-0.026_768_135 + s * (4.991_194_2e-3 - s * 5.967_617e-4)))));
    let high = (3.831_971_3e-4 - 1.728_534_7e-5 * a) * s + (0.024_254_622 - 3.883_964_4e-3 * a);
    let far =
        1.0 - exp(a * (-0.128_717_51 + a * (-0.634_846_7 + a * (-0.106_777_88 + a * high))) - a);
    // The minimum above turns a NaN into a number.
    let y = if a > 0.927_734_4 { far } else { near };
    if x.is_nan() { x } else { y.copysign(x) }
}

/// The exponential function within 2 units in the last place, made of operations that vectorise (Cephes' polynomial after
/// subtracting a multiple of ln 2). Beyond the exponents of f32 it stays at the last one, so it never gives 0 or infinity.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then is in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.3, 88.3);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let high = 0.041_665_796 + r * (8.333_452e-3 + r * (1.398_2e-3 + r * 1.987_569_1e-4));
    let poly = 0.5 + r * (0.166_666_65 + r * high);
    let power = f32::from_bits(
        rounded
            .to_bits()
            .wrapping_sub(ROUND.to_bits())
            .wrapping_add(127)
            << 23,
    );
    (r * r * poly + r + 1.0) * power
}

/// Activation and residual of a fused operation. The bias belongs to the operation's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Epilogue {
    /// Applied after the bias.
    pub act: Act,
    /// Whether the last input is added after the activation. It has the output's shape.
    pub residual: bool,
}

impl Epilogue {
    /// True while nothing but a bias was applied: only then may a following affine map be folded into the weights.
    pub fn is_linear(self) -> bool {
        self.act == Act::None && !self.residual
    }
    /// This epilogue followed by `act`, if that can be expressed.
    pub fn then_act(self, act: Act) -> Option<Self> {
        self.is_linear().then_some(Epilogue {
            act,
            residual: false,
        })
    }
    /// This epilogue followed by a residual addition, if there is none yet.
    pub fn then_add(self) -> Option<Self> {
        (!self.residual).then_some(Epilogue {
            residual: true,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function's power series in f64, good to 1e-12 below 4.
    fn erf_series(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
    }

    #[test]
    fn exp_is_within_its_bound() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let want = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) - want).abs() < 2.5e-7 * want,
                "exp({x}) is {} instead of {want}",
                exp(x)
            );
        }
        assert!(exp(f32::NEG_INFINITY) < 2e-38 && exp(f32::NAN).is_nan());
    }

    #[test]
    fn erf_is_within_its_bound() {
        for i in -4000..=4000 {
            let x = i as f32 / 1000.0;
            let error = (f64::from(erf(x)) - erf_series(f64::from(x))).abs();
            assert!(error < 1.2e-7, "erf({x}) is off by {error}");
        }
        assert!(
            erf(f32::INFINITY) == 1.0
                && erf(f32::NEG_INFINITY) == -1.0
                && erf(f32::MAX) == 1.0
                && erf(f32::NAN).is_nan()
        );
    }
}
