//! Products of token rows with weight matrices: the shaders that linear layers and the transposed 2x2 convolution share.

use crate::caps::{Caps, Family};
use crate::common::cache::{PackCache, words};
use crate::common::epilogue::Act;
use crate::common::launch::{spread, word};
use crate::error::KernelError;
use crate::program::{Binding, Dispatch, Variant};

/// Lanes that `cpu_tokens` is written for.
const LANES: usize = 8;
/// Output channels and tokens of a workgroup of `cpu_tokens`.
const CPU_BLOCK: [usize; 2] = [32, 32];
/// Output channels and tokens of a workgroup of `few_tokens`.
const FEW_BLOCK: [usize; 2] = [64, 4];
/// Layers of at most this many tokens per matrix use `few_tokens`.
const FEW_TOKENS_MAX: usize = 16;
/// Weight rows of `simt` and `few_tokens` are padded to a multiple of this many output channels: the widest tile.
const COLUMNS: usize = 64;
/// Input channels per step of `simt`.
const DEPTH: usize = 16;
/// Sides of the square tiles of `simt`, widest first.
const TILES: [usize; 2] = [64, 32];
/// Tiles are halved when fewer workgroups than this would run: large GPUs have well over a hundred cores.
const GROUPS_WANTED: usize = 256;

/// A layer and the tokens it is applied to.
pub(crate) struct Layer<'a> {
    /// Kernel name.
    pub kernel: &'static str,
    /// Tokens of the whole batch.
    pub tokens: usize,
    /// Weight matrices; token t uses matrix t mod groups.
    pub groups: usize,
    /// Input channels.
    pub in_channels: usize,
    /// Rows of a matrix.
    pub out_channels: usize,
    /// Applied after the bias.
    pub act: Act,
    /// Whether input 1 is added at the end.
    pub residual: bool,
    /// Height and width of the input map where every token becomes a 2x2 block; rows of the matrix are then `[2, 2, channels]`.
    pub blocks: Option<[usize; 2]>,
    /// Holds the packed weights.
    pub packed: &'a PackCache,
    /// Weight of (matrix, output channel, input channel).
    pub weight: &'a dyn Fn(usize, usize, usize) -> f32,
    /// Bias of (matrix, output channel).
    pub bias: &'a dyn Fn(usize, usize) -> f32,
}

fn binding_defines(residual: bool, blocks: bool) -> Vec<(&'static str, String)> {
    let mut defines = vec![("PARAMS", (4 + usize::from(residual)).to_string())];
    defines.extend(residual.then(|| ("RESIDUAL", String::new())));
    defines.extend(blocks.then(|| ("BLOCKS", String::new())));
    defines
}

fn simt_variant(kernel: &'static str, side: usize, residual: bool, blocks: bool) -> Variant {
    let mut defines = binding_defines(residual, blocks);
    defines.extend([
        ("BK", format!("{DEPTH}u")),
        ("SIDE", format!("{side}u")),
        ("SIDE4", format!("{}u", side / 4)),
        ("THREADS", format!("{}u", side * side / 16)),
        ("TOKEN_STRIDE", format!("{}u", side / 4 + 1)),
        ("TOKEN_TILE", format!("{}u", DEPTH * (side / 4 + 1))),
        ("WEIGHT_TILE", format!("{}u", DEPTH * side / 4)),
    ]);
    defines.sort();
    Variant {
        kernel,
        strategy: "simt",
        template: include_str!("../linear/simt_tokens.wgsl"),
        defines,
        subgroups: false,
    }
}

fn few_variant(kernel: &'static str, residual: bool) -> Variant {
    let mut defines = binding_defines(residual, false);
    defines.sort();
    Variant {
        kernel,
        strategy: "few_tokens",
        template: include_str!("../linear/few_tokens.wgsl"),
        defines,
        subgroups: false,
    }
}

fn cpu_variant(kernel: &'static str, residual: bool, blocks: bool) -> Variant {
    let mut defines = binding_defines(residual, blocks);
    defines.sort();
    Variant {
        kernel,
        strategy: "cpu_tokens",
        template: include_str!("../linear/cpu_tokens.wgsl"),
        defines,
        subgroups: true,
    }
}

/// Variants of a kernel whose layers are plain, with or without residual.
pub(crate) fn plain_variants(kernel: &'static str) -> Vec<Variant> {
    let of = |residual| {
        let tiles = TILES.map(|side| simt_variant(kernel, side, residual, false));
        tiles.into_iter().chain([
            few_variant(kernel, residual),
            cpu_variant(kernel, residual, false),
        ])
    };
    [false, true].into_iter().flat_map(of).collect()
}

/// Variants of a kernel whose tokens become blocks.
pub(crate) fn block_variants(kernel: &'static str) -> Vec<Variant> {
    let tiles = TILES.map(|side| simt_variant(kernel, side, false, true));
    tiles
        .into_iter()
        .chain([cpu_variant(kernel, false, true)])
        .collect()
}

impl Layer<'_> {
    /// The dispatch that applies the layer to input 0.
    pub(crate) fn dispatch(&self, caps: &Caps) -> Result<Dispatch, KernelError> {
        let channels = if self.blocks.is_some() {
            self.out_channels / 4
        } else {
            self.out_channels
        };
        let vec4s = self.in_channels.is_multiple_of(4) && channels.is_multiple_of(4);
        if self.tokens / self.groups <= FEW_TOKENS_MAX && self.blocks.is_none() {
            self.few(caps)
        } else if caps.family == Family::CpuSimd && caps.subgroup_size as usize == LANES && vec4s {
            self.cpu(caps)
        } else {
            self.simt(caps)
        }
    }

    fn bindings(&self, layout: &'static str, weights: impl FnOnce() -> Vec<u32>) -> Vec<Binding> {
        let columns = self.columns();
        let bias = |at: usize| {
            if at % columns < self.out_channels {
                (self.bias)(at / columns, at % columns)
            } else {
                0.0
            }
        };
        let mut bindings = vec![
            Binding::Input(0),
            Binding::Constant(self.packed.get(layout, weights)),
            Binding::Constant(
                self.packed
                    .get("bias", || words((0..self.groups * columns).map(bias))),
            ),
            Binding::Output(0),
        ];
        bindings.extend(self.residual.then_some(Binding::Input(1)));
        bindings
    }

    /// Output channels with padding.
    fn columns(&self) -> usize {
        self.out_channels.next_multiple_of(COLUMNS)
    }

    /// `tiles` along tokens and channels.
    fn params(&self, [token_tiles, channel_tiles]: [usize; 2]) -> Vec<u32> {
        let [h, w] = self.blocks.unwrap_or([1, 1]);
        let rows = self.tokens / self.groups;
        let depth = self.in_channels.next_multiple_of(DEPTH);
        let mut params = [
            rows,
            self.groups,
            self.in_channels,
            self.out_channels,
            depth,
            self.columns(),
            token_tiles,
            channel_tiles,
            h,
            w,
        ]
        .map(word)
        .to_vec();
        params.push(self.act.code());
        params
    }

    /// `[groups][depth][columns]`, zeros where padded.
    fn pack_columns(&self) -> Vec<u32> {
        let (depth, columns) = (self.in_channels.next_multiple_of(DEPTH), self.columns());
        let value = |at: usize| {
            let (group, ic, oc) = (at / (depth * columns), at / columns % depth, at % columns);
            if ic < self.in_channels && oc < self.out_channels {
                (self.weight)(group, oc, ic)
            } else {
                0.0
            }
        };
        words((0..self.groups * depth * columns).map(value))
    }

    fn simt(&self, caps: &Caps) -> Result<Dispatch, KernelError> {
        let tiles = |side: usize| {
            [
                (self.tokens / self.groups).div_ceil(side),
                self.out_channels.div_ceil(side),
            ]
        };
        let groups = |side: usize| tiles(side)[0] * tiles(side)[1] * self.groups;
        let side = if groups(TILES[0]) >= GROUPS_WANTED {
            TILES[0]
        } else {
            TILES[1]
        };
        Ok(Dispatch {
            variant: simt_variant(self.kernel, side, self.residual, self.blocks.is_some()),
            bindings: self.bindings("columns", || self.pack_columns()),
            params: self.params(tiles(side)),
            groups: spread(self.kernel, groups(side) as u64, caps)?,
        })
    }

    fn few(&self, caps: &Caps) -> Result<Dispatch, KernelError> {
        let tiles = [
            (self.tokens / self.groups).div_ceil(FEW_BLOCK[1]),
            self.out_channels.div_ceil(FEW_BLOCK[0]),
        ];
        Ok(Dispatch {
            variant: few_variant(self.kernel, self.residual),
            bindings: self.bindings("columns", || self.pack_columns()),
            params: self.params(tiles),
            groups: spread(
                self.kernel,
                (tiles[0] * tiles[1] * self.groups) as u64,
                caps,
            )?,
        })
    }

    /// `[groups][blocks of 32 output channels][ic][8 lanes][4]`: every lane has four output channels of each input channel.
    fn pack_lanes(&self) -> Vec<u32> {
        let (ics, width) = (self.in_channels, CPU_BLOCK[0]);
        let blocks = self.out_channels.div_ceil(width);
        let value = |at: usize| {
            let (group, block) = (at / (blocks * ics * width), at / (ics * width) % blocks);
            let oc = block * width + at % width;
            if oc < self.out_channels {
                (self.weight)(group, oc, at / width % ics)
            } else {
                0.0
            }
        };
        words((0..self.groups * blocks * ics * width).map(value))
    }

    fn cpu(&self, caps: &Caps) -> Result<Dispatch, KernelError> {
        let tiles = [
            (self.tokens / self.groups).div_ceil(CPU_BLOCK[1]),
            self.out_channels.div_ceil(CPU_BLOCK[0]),
        ];
        Ok(Dispatch {
            variant: cpu_variant(self.kernel, self.residual, self.blocks.is_some()),
            bindings: self.bindings("lanes", || self.pack_lanes()),
            params: self.params(tiles),
            groups: spread(
                self.kernel,
                (tiles[0] * tiles[1] * self.groups) as u64,
                caps,
            )?,
        })
    }
}
