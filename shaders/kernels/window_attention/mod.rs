//! Self attention over a map, in windows or globally, streamed: the score matrix is never stored.
//!
//! The input holds q, k and v of every pixel. Windows that hang over the map's edge see padding pixels there; all padding
//! pixels have one and the same q, k, v (what the projection makes of a zero or normalised-zero pixel), given as
//! `pad`, and take part as keys. Partitioning is index arithmetic, nothing is copied.
//!
//! Scores are `q.k / sqrt(head dimension)` plus a bias: none, a table per head by distance (TinyViT), or SAM's
//! decomposed relative position `q.Rh[qy - ky + S - 1] + q.Rw[qx - kx + S - 1]` with the unscaled q, S the window's side.

#[allow(clippy::expect_used)] // test data with constant parameters
mod cases;
mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::common::cache::PackCache;
use crate::error::KernelError;
use crate::op::{KernelInfo, Op, TensorSpec};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const NAME: &str = "window_attention";

/// Order of the input's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QkvLayout {
    /// `[q of all heads, k of all heads, v of all heads]` (SAM's ViT).
    Blocks,
    /// Per head `[q, k, v]` (TinyViT).
    PerHead,
}

/// What is added to the scores.
#[derive(Debug, Clone)]
pub enum Bias {
    /// Nothing.
    None,
    /// `[heads, S * S]`: entry `|dy| * S + |dx|` of the head's row.
    Distance(Arc<Vec<f32>>),
    /// Tables `[2 S - 1, head dimension]` along y and x, shared by all heads.
    Decomposed {
        /// Along y.
        rows: Arc<Vec<f32>>,
        /// Along x.
        columns: Arc<Vec<f32>>,
    },
}

/// Input `[N, H, W, 3 D]`, output `[N, H, W, D]`, with D = heads * head dimension.
#[derive(Debug, Clone)]
pub struct WindowAttention {
    /// Number of heads.
    pub heads: usize,
    /// Channels per head.
    pub head_dim: usize,
    /// Order of the input's channels.
    pub layout: QkvLayout,
    /// Side S of a window in pixels; `None` attends over the whole map, which is then square for biases (S = its side).
    pub window: Option<usize>,
    /// Added to the scores.
    pub bias: Bias,
    /// q, k, v of a padding pixel, `[3 D]` in the input's order.
    pub pad: Arc<Vec<f32>>,
    packed: native::Tables,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl WindowAttention {
    /// Checks the parameters against each other.
    pub fn new(
        heads: usize,
        head_dim: usize,
        layout: QkvLayout,
        window: Option<usize>,
        bias: Bias,
        pad: Vec<f32>,
    ) -> Result<Self, KernelError> {
        let bad = |why: String| Err(KernelError::Parameters { op: NAME, why });
        if heads == 0 || head_dim == 0 || window == Some(0) {
            return bad(format!(
                "{heads} heads of {head_dim} channels, window {window:?}: wanted at least 1 each"
            ));
        }
        if pad.len() != 3 * heads * head_dim {
            return bad(format!(
                "{} channels of padding, wanted {}",
                pad.len(),
                3 * heads * head_dim
            ));
        }
        let op = WindowAttention {
            heads,
            head_dim,
            layout,
            window,
            bias,
            pad: Arc::new(pad),
            packed: native::Tables::default(),
            shader_words: PackCache::default(),
        };
        match window {
            Some(side) if !op.bias_fits(side) => {
                bad(format!("the bias table does not fit a window of {side}"))
            }
            _ => Ok(op),
        }
    }

    /// Channel offsets of q, k and v of a head.
    pub fn offsets(&self, head: usize) -> [usize; 3] {
        let (d, all) = (self.head_dim, self.heads * self.head_dim);
        match self.layout {
            QkvLayout::Blocks => [head * d, all + head * d, 2 * all + head * d],
            QkvLayout::PerHead => [3 * head * d, (3 * head + 1) * d, (3 * head + 2) * d],
        }
    }

    fn bias_fits(&self, side: usize) -> bool {
        match &self.bias {
            Bias::None => true,
            Bias::Distance(table) => table.len() == self.heads * side * side,
            Bias::Decomposed { rows, columns } => {
                [rows.len(), columns.len()] == [(2 * side - 1) * self.head_dim; 2]
            }
        }
    }
}

impl Op for WindowAttention {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let d = self.heads * self.head_dim;
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: format!(
                "f32 [N, H, W, {}] (square, as its bias table, if global)",
                3 * d
            ),
            got: format!("{inputs:?}"),
        };
        let [x] = inputs else { return Err(wrong()) };
        let Some([n, h, w, c]) = x.shape.dims4() else {
            return Err(wrong());
        };
        let global_fits = self.window.is_some()
            || matches!(self.bias, Bias::None)
            || (h == w && self.bias_fits(h));
        if x.dtype != DType::F32 || c != 3 * d || n * h * w == 0 || !global_fits {
            return Err(wrong());
        }
        Ok(vec![TensorSpec::f32(&[n, h, w, d])])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let Some([n, h, w, _]) = inputs.first().and_then(|x| x.shape.dims4()) else {
            return 0;
        };
        let keys = self.window.map_or(h * w, |s| s * s);
        4 * (n * h * w * keys * self.heads * self.head_dim) as u64
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        if let [output] = outputs {
            native::run(self, inputs, output, scratch);
        }
    }
    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        native::scratch(self, inputs)
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
    fn weight_bytes(&self) -> u64 {
        let bias = match &self.bias {
            Bias::None => 0,
            Bias::Distance(table) => table.len(),
            Bias::Decomposed { rows, columns } => rows.len() + columns.len(),
        };
        4 * (self.pad.len() + bias) as u64
    }
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "self attention over a map in windows or globally, with distance or decomposed relative position bias",
    cases: cases::cases,
    variants: gpu::variants,
};
