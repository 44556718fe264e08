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
}

impl Act {
    /// The function's value.
    #[inline]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Act::None => x,
            Act::Relu => x.max(0.0),
            Act::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Act::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        }
    }
    /// The number that shaders know it by (`ACT_*` in `common/epilogue.wgsl`).
    pub fn code(self) -> u32 {
        match self {
            Act::None => 0,
            Act::Relu => 1,
            Act::Sigmoid => 2,
            Act::Gelu => 3,
        }
    }
}

/// The error function, by Abramowitz and Stegun's formula 7.1.26: at most 1.5e-7 off, and made of operations that
/// vectorise. Shaders use the same formula.
#[inline]
pub fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let poly = t * (0.254_829_6 + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
    (1.0 - poly * (-a * a).exp()).copysign(x)
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
        self.is_linear().then_some(Epilogue { act, residual: false })
    }
    /// This epilogue followed by a residual addition, if there is none yet.
    pub fn then_add(self) -> Option<Self> {
        (!self.residual).then_some(Epilogue { residual: true, ..self })
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
    fn erf_is_within_its_bound() {
        for i in -4000..=4000 {
            let x = i as f32 / 1000.0;
            let error = (f64::from(erf(x)) - erf_series(f64::from(x))).abs();
            assert!(error < 4e-7, "erf({x}) is off by {error}");
        }
    }
}
