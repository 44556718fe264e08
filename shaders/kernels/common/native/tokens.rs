//! Matrix products whose rows are tokens: `C[T, columns] = X[T, k] W[k, columns]`, the layout of transformers, where the
//! channels of a token are neighbours. The weights are the microkernel's right matrix, packed once per operation; the
//! tokens are its left one, packed per block.

use std::ops::Range;

use super::{Isa, Tile, lanes, micro, panel_height, run_tasks, transpose};

/// Floats of packed tokens per thread: beside a panel of weights they stay in the second-level cache.
const BLOCK_FLOATS: usize = 160 * 1024;

/// Most tokens of a block.
const BLOCK_TOKENS_MAX: usize = 384;

/// A `[k, columns]` matrix in panels of [`Isa::columns`] columns, each row by row; the last panel is filled with zeros.
pub struct PackedColumns {
    isa: Isa,
    k: usize,
    columns: usize,
    data: Vec<f32>,
}

impl PackedColumns {
    /// Packs the matrix whose element at (row, column) is `at(row, column)`.
    pub fn new(isa: Isa, k: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let width = isa.columns();
        let mut data = Vec::with_capacity(columns.next_multiple_of(width) * k);
        for first in (0..columns).step_by(width) {
            for row in 0..k {
                data.extend(
                    (first..first + width).map(|c| if c < columns { at(row, c) } else { 0.0 }),
                );
            }
        }
        PackedColumns {
            isa,
            k,
            columns,
            data,
        }
    }

    /// Multiplies with `tokens` rows of `x`, each `k` floats long. Every result is given to `store` once, in tiles.
    pub fn multiply(
        &self,
        x: &[f32],
        tokens: usize,
        scratch: &mut [f32],
        store: impl Fn(TokenTile<'_>) + Sync,
    ) {
        let cut = Cut::new(self.isa, self.k, tokens, self.columns);
        run_tasks(
            cut.blocks * cut.bands,
            scratch,
            cut.lane_len(self.isa, self.k),
            |task, scratch| {
                let (block, band) = (task / cut.bands, task % cut.bands);
                let first = block * cut.tokens;
                let count = cut.tokens.min(tokens - first);
                let panels = band * cut.panels..(band + 1) * cut.panels;
                self.block(
                    &x[first * self.k..][..count * self.k],
                    panels,
                    scratch,
                    |tile| {
                        store(TokenTile {
                            token: first + tile.token,
                            ..tile
                        })
                    },
                );
            },
        );
    }

    /// Multiplies one block of tokens with some of the panels of columns, on this thread. `packed` holds at least
    /// [`PackedColumns::block_len`] floats.
    pub fn block(
        &self,
        x: &[f32],
        panels: Range<usize>,
        packed: &mut [f32],
        mut store: impl FnMut(TokenTile<'_>),
    ) {
        let (count, width) = (x.len() / self.k, self.isa.columns());
        self.pack(x, count, packed);
        let all = self.data.chunks_exact(self.k * width).enumerate();
        for (index, panel) in all.skip(panels.start).take(panels.len()) {
            let column = index * width;
            self.tiles(panel, count, packed, |row, rows, tile| {
                store(TokenTile {
                    token: row,
                    rows,
                    column,
                    len: width.min(self.columns - column),
                    width,
                    sums: tile,
                });
            });
        }
    }

    /// Floats that [`PackedColumns::block`] packs `tokens` tokens of `k` channels into.
    pub fn block_len(isa: Isa, k: usize, tokens: usize) -> usize {
        tokens.next_multiple_of(isa.row_step()) * k
    }

    fn pack(&self, x: &[f32], count: usize, packed: &mut [f32]) {
        for first in (0..count).step_by(self.isa.rows()) {
            let height = panel_height(self.isa, count, first);
            // Rows beyond the last token repeat it; their results are not used.
            let line = |r: usize| &x[(first + r).min(count - 1) * self.k..][..self.k];
            let mut lines = [&x[..0]; Isa::Avx512.rows()];
            (0..height).for_each(|r| lines[r] = line(r));
            transpose(
                &lines[..height],
                &mut packed[first * self.k..][..height * self.k],
            );
        }
    }

    fn tiles(
        &self,
        panel: &[f32],
        count: usize,
        packed: &[f32],
        mut give: impl FnMut(usize, usize, &[f32]),
    ) {
        let mut tile = Tile::default();
        for first in (0..count).step_by(self.isa.rows()) {
            let height = panel_height(self.isa, count, first);
            let a = &packed[first * self.k..][..height * self.k];
            // SAFETY: `a` has k columns of `height` floats, `panel` k rows of `columns` floats, the tile holds the largest
            // result of any instruction set; `isa` was found on this processor.
            unsafe {
                micro::multiply(
                    self.isa,
                    height,
                    self.k,
                    a.as_ptr(),
                    panel.as_ptr(),
                    tile.0.as_mut_ptr(),
                    self.isa.columns(),
                )
            };
            give(first, self.isa.rows().min(count - first), &tile.0);
        }
    }

    /// Floats of scratch memory that [`PackedColumns::multiply`] needs for all threads.
    pub fn scratch(isa: Isa, k: usize, tokens: usize, columns: usize) -> usize {
        lanes() * Cut::new(isa, k, tokens, columns).lane_len(isa, k)
    }
}

/// A part of a product.
pub struct TokenTile<'a> {
    /// First token.
    pub token: usize,
    /// Number of tokens.
    pub rows: usize,
    /// First column.
    pub column: usize,
    /// Number of columns.
    pub len: usize,
    width: usize,
    sums: &'a [f32],
}

impl<'a> TokenTile<'a> {
    /// The `len` sums of token `i` of this tile.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.sums[i * self.width..][..self.len]
    }

    /// Each token with its `len` sums.
    pub fn tokens(&self) -> impl Iterator<Item = (usize, &'a [f32])> + use<'a> {
        let (first, len) = (self.token, self.len);
        self.sums
            .chunks_exact(self.width)
            .take(self.rows)
            .enumerate()
            .map(move |(r, sums)| (first + r, &sums[..len]))
    }
}

/// How a product is cut into tasks.
struct Cut {
    /// Tokens of a block.
    tokens: usize,
    blocks: usize,
    /// Panels of a band of columns: bands exist only where blocks are too few for all threads.
    panels: usize,
    bands: usize,
}

impl Cut {
    fn new(isa: Isa, k: usize, tokens: usize, columns: usize) -> Self {
        let (rows, wanted) = (isa.rows(), 4 * lanes());
        let fitting = BLOCK_FLOATS / k.max(1) / rows * rows;
        let fair = tokens.div_ceil(wanted).next_multiple_of(rows);
        let block = fitting
            .min(fair.max(4 * rows))
            .clamp(rows, BLOCK_TOKENS_MAX / rows * rows);
        let (blocks, panels) = (tokens.div_ceil(block), columns.div_ceil(isa.columns()));
        let per_band = panels.div_ceil(wanted.div_ceil(blocks)).max(1);
        Cut {
            tokens: block,
            blocks,
            panels: per_band,
            bands: panels.div_ceil(per_band),
        }
    }

    fn lane_len(&self, isa: Isa, k: usize) -> usize {
        PackedColumns::block_len(isa, k, self.tokens)
    }
}
