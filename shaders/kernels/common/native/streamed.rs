//! Attention with an online softmax: for 32 (16, 8) queries at a time, tiles of scores `[keys, queries]` and results
//! `[channels, queries]` stay in the cache; the score matrix is never stored.
//!
//! Queries are the lanes of every vector, so the softmax over keys needs no operation across lanes, and a tile of
//! scores is at once the right matrix of the product with the values.

use super::{Isa, Tile, by_isa, micro, panel_height, part, transpose};
use crate::common::epilogue::exp;

/// Keys of a tile of scores, a multiple of every [`Isa::rows`]: a window of 14x14 is one tile.
const TILE_KEYS: usize = 204;

/// Most lanes of any instruction set.
const LANES_MAX: usize = Isa::Avx512.columns();

/// What is added to the scores of a block of queries.
#[derive(Clone, Copy)]
pub enum KeyBias<'a> {
    /// Nothing.
    None,
    /// `values[key * stride + lane]`
    Matrix {
        /// Of all keys.
        values: &'a [f32],
        /// Floats between two keys.
        stride: usize,
    },
    /// `rows[key / side * lanes + lane] + columns[key % side * lanes + lane]`
    Sums {
        /// By the key's row.
        rows: &'a [f32],
        /// By the key's column.
        columns: &'a [f32],
        /// Keys of a row.
        side: usize,
    },
}

/// Attention over `keys` keys with heads of `dim` channels.
#[derive(Clone, Copy)]
pub struct Streamed {
    /// Instruction set.
    pub isa: Isa,
    /// Channels of queries, keys and values.
    pub dim: usize,
    /// Number of keys.
    pub keys: usize,
}

/// A block of queries under way. Floats lie in lanes: `[dim, lanes]`.
pub struct Block<'a> {
    /// Scaled queries.
    pub queries: &'a [f32],
    /// Sums of values, in the end the result.
    pub out: &'a mut [f32],
    /// Added to the scores.
    pub bias: KeyBias<'a>,
    top: [f32; LANES_MAX],
    sum: [f32; LANES_MAX],
}

impl<'a> Block<'a> {
    /// A block that has seen no key.
    pub fn new(queries: &'a [f32], out: &'a mut [f32], bias: KeyBias<'a>) -> Self {
        out.fill(0.0);
        Block {
            queries,
            out,
            bias,
            top: [f32::NEG_INFINITY; LANES_MAX],
            sum: [0.0; LANES_MAX],
        }
    }
}

impl Streamed {
    /// Queries of a block.
    pub fn lanes(&self) -> usize {
        self.isa.columns()
    }
    /// Floats of the packed keys.
    pub fn keys_len(&self) -> usize {
        self.keys.next_multiple_of(self.isa.row_step()) * self.dim
    }
    /// Floats of the packed values.
    pub fn values_len(&self) -> usize {
        self.keys * self.dim.next_multiple_of(self.isa.row_step())
    }
    /// Floats of a tile of scores.
    pub fn scores_len(&self) -> usize {
        TILE_KEYS * self.lanes()
    }

    /// Packs the keys, `line(key)` being the `dim` channels of one.
    pub fn pack_keys<'l>(&self, line: impl Fn(usize) -> &'l [f32], packed: &mut [f32]) {
        let mut lines: [&[f32]; LANES_MAX] = [&[]; LANES_MAX];
        for first in (0..self.keys).step_by(self.isa.rows()) {
            let height = panel_height(self.isa, self.keys, first);
            // Rows beyond the last key repeat it; their scores are not used.
            (0..height).for_each(|r| lines[r] = &line((first + r).min(self.keys - 1))[..self.dim]);
            transpose(
                &lines[..height],
                &mut packed[first * self.dim..][..height * self.dim],
            );
        }
    }

    /// Packs the values, `line(key)` being the `dim` channels of one.
    pub fn pack_values<'l>(&self, line: impl Fn(usize) -> &'l [f32], packed: &mut [f32]) {
        for first in (0..self.dim).step_by(self.isa.rows()) {
            let height = panel_height(self.isa, self.dim, first);
            let used = height.min(self.dim - first);
            let panel = &mut packed[first * self.keys..][..height * self.keys];
            for (key, to) in panel.chunks_exact_mut(height).enumerate() {
                to[..used].copy_from_slice(&line(key)[first..first + used]);
                to[used..].fill(0.0);
            }
        }
    }

    /// Packs up to [`Streamed::lanes`] queries times `scale`; `line(lane)` is the channels of one.
    pub fn pack_queries<'l>(
        &self,
        count: usize,
        scale: f32,
        line: impl Fn(usize) -> &'l [f32],
        packed: &mut [f32],
    ) {
        let mut lines: [&[f32]; LANES_MAX] = [&[]; LANES_MAX];
        // Lanes beyond the last query repeat it; their results are not used.
        (0..self.lanes()).for_each(|lane| lines[lane] = &line(lane.min(count - 1))[..self.dim]);
        transpose(&lines[..self.lanes()], packed);
        for v in packed {
            *v *= scale;
        }
    }

    /// Attends with all blocks to all keys; afterwards every block's `out` is its result. A tile of keys and values
    /// serves all blocks while it is in the cache.
    pub fn attend(
        &self,
        keys: &[f32],
        values: &[f32],
        blocks: &mut [Block<'_>],
        scores: &mut [f32],
    ) {
        for first in (0..self.keys).step_by(TILE_KEYS) {
            let count = TILE_KEYS.min(self.keys - first);
            for block in blocks.iter_mut() {
                self.tile(keys, values, block, first, count, scores);
            }
        }
        for block in blocks {
            self.normalise(block);
        }
    }

    /// The keys `first..first + count` for one block.
    fn tile(
        &self,
        keys: &[f32],
        values: &[f32],
        block: &mut Block<'_>,
        first: usize,
        count: usize,
        scores: &mut [f32],
    ) {
        let (isa, lanes, dim) = (self.isa, self.lanes(), self.dim);
        let queries = &block.queries[..dim * lanes];
        for row in (0..count).step_by(isa.rows()) {
            let height = panel_height(isa, count, row);
            let panel = &keys[(first + row) * dim..][..height * dim];
            let tile = &mut scores[row * lanes..][..height * lanes];
            // SAFETY: the panel has `dim` columns of `height` floats, the queries `dim` rows of `lanes` floats, the tile
            // `height` rows of `lanes` floats; `isa` was found on this processor.
            unsafe {
                micro::multiply(
                    isa,
                    height,
                    dim,
                    panel.as_ptr(),
                    queries.as_ptr(),
                    tile.as_mut_ptr(),
                    lanes,
                )
            };
        }
        let scores = &mut scores[..count * lanes];
        let (bias, top, sum) = (block.bias, &mut block.top, &mut block.sum);
        let mut keep = [0.0; LANES_MAX];
        let kept = &mut keep;
        by_isa!(isa, soften::<COLUMNS>(bias: KeyBias<'_>, first: usize, scores: &mut [f32], top: &mut [f32; LANES_MAX], sum: &mut [f32; LANES_MAX], kept: &mut [f32; LANES_MAX]));
        let mut product = Tile::default();
        for channel in (0..dim).step_by(isa.rows()) {
            let height = panel_height(isa, dim, channel);
            let panel = &values[channel * self.keys + first * height..][..count * height];
            // SAFETY: the panel has `count` columns of `height` floats, the scores `count` rows of `lanes` floats, the
            // tile holds the largest result of any instruction set; `isa` was found on this processor.
            unsafe {
                micro::multiply(
                    isa,
                    height,
                    count,
                    panel.as_ptr(),
                    scores.as_ptr(),
                    product.0.as_mut_ptr(),
                    lanes,
                )
            };
            let rows = height.min(dim - channel);
            let (out, sums, keep) = (
                &mut block.out[channel * lanes..][..rows * lanes],
                &product.0[..rows * lanes],
                &keep[..lanes],
            );
            by_isa!(isa, accumulate::<COLUMNS>(sums: &[f32], keep: &[f32], out: &mut [f32]));
        }
    }

    fn normalise(&self, block: &mut Block<'_>) {
        let lanes = self.lanes();
        let factors = block.sum.map(|sum| 1.0 / sum);
        for row in block.out.chunks_exact_mut(lanes) {
            for (v, factor) in row.iter_mut().zip(&factors) {
                *v *= factor;
            }
        }
    }
}

/// `out = out * keep + sums`
#[inline(always)]
fn accumulate<const N: usize>(sums: &[f32], keep: &[f32], out: &mut [f32]) {
    let keep = *part::<N>(keep, 0);
    let sums = sums.as_chunks::<N>().0;
    for (row, out) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        // The check of this index keeps the compiler from making vectors of rows, which it gathers lane by lane.
        let (mut values, sums) = (*out, sums[row]);
        for i in 0..N {
            values[i] = values[i] * keep[i] + sums[i];
        }
        *out = values;
    }
}

/// Scores to weights: adds the bias, raises `top` to the new maximum, exponentiates, adds to `sum`; what was summed
/// before counts `kept` times.
#[inline(always)]
fn soften<const N: usize>(
    bias: KeyBias<'_>,
    first: usize,
    scores: &mut [f32],
    top: &mut [f32; LANES_MAX],
    sum: &mut [f32; LANES_MAX],
    kept: &mut [f32; LANES_MAX],
) {
    let (Some(top), Some(sum), Some(kept)) = (
        top.first_chunk_mut::<N>(),
        sum.first_chunk_mut::<N>(),
        kept.first_chunk_mut::<N>(),
    ) else {
        return;
    };
    let scores = scores.as_chunks_mut::<N>().0;
    let mut most = *top;
    match bias {
        KeyBias::None => {
            for row in scores.iter() {
                raise(&mut most, row);
            }
        }
        KeyBias::Matrix { values, stride } => {
            for (row, bias) in scores
                .iter_mut()
                .zip(values[first * stride..].chunks(stride))
            {
                let (mut values, bias) = (*row, *part::<N>(bias, 0));
                for i in 0..N {
                    values[i] += bias[i];
                }
                raise(&mut most, &values);
                *row = values;
            }
        }
        KeyBias::Sums {
            rows,
            columns,
            side,
        } => {
            let (rows, columns) = (rows.as_chunks::<N>().0, &columns.as_chunks::<N>().0[..side]);
            let (mut y, mut x) = (first / side, first % side);
            for row in scores.iter_mut() {
                let (mut values, by, bx) = (*row, rows[y], columns[x]);
                for i in 0..N {
                    values[i] += by[i] + bx[i];
                }
                raise(&mut most, &values);
                *row = values;
                x += 1;
                if x == side {
                    (y, x) = (y + 1, 0);
                }
            }
        }
    }
    let sums = exponentiate(scores, &most);
    for i in 0..N {
        // Before the first key `top` is minus infinity: nothing was summed, whatever it counts.
        kept[i] = exp(top[i] - most[i]);
        sum[i] = sum[i] * kept[i] + sums[i];
    }
    *top = most;
}

/// Scores to weights: `exp(score - most)`. Returns their sums.
#[inline(always)]
fn exponentiate<const N: usize>(scores: &mut [[f32; N]], most: &[f32; N]) -> [f32; N] {
    let mut sums = [0.0; N];
    for row in scores {
        let mut values = *row;
        for i in 0..N {
            values[i] = exp(values[i] - most[i]);
            sums[i] += values[i];
        }
        *row = values;
    }
    sums
}

#[inline(always)]
fn raise<const N: usize>(most: &mut [f32; N], row: &[f32; N]) {
    for i in 0..N {
        most[i] = if row[i] > most[i] { row[i] } else { most[i] };
    }
}
