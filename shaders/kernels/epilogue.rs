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
}

impl Act {
    /// The function's value.
    #[inline]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Act::None => x,
            Act::Relu => x.max(0.0),
            Act::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }
    /// The number that shaders know it by (`ACT_*` in `common/epilogue.wgsl`).
    pub fn code(self) -> u32 {
        match self {
            Act::None => 0,
            Act::Relu => 1,
            Act::Sigmoid => 2,
        }
    }
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
