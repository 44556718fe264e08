//! The left matrix (weights) in panels, ready for the microkernel.

use super::{Isa, micro};

/// A `[rows, k]` matrix packed for one instruction set: panels of [`Isa::rows`] rows, each stored column by column;
/// the last panel has as many rows as are left, rounded up to [`Isa::row_step`] with zeros.
pub struct Packed {
    isa: Isa,
    rows: usize,
    k: usize,
    data: Vec<f32>,
}

impl Packed {
    /// Packs the matrix whose element at (row, column) is `at(row, column)`.
    pub fn new(isa: Isa, rows: usize, k: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(rows.next_multiple_of(isa.row_step()) * k);
        for first in (0..rows).step_by(isa.rows()) {
            let height = panel_height(isa, rows, first);
            for p in 0..k {
                data.extend((first..first + height).map(|r| if r < rows { at(r, p) } else { 0.0 }));
            }
        }
        Packed { isa, rows, k, data }
    }

    /// First row and number of rows of each panel.
    pub fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (rows, step) = (self.rows, self.isa.rows());
        (0..rows)
            .step_by(step)
            .map(move |first| (first, step.min(rows - first)))
    }

    /// The product of the panel that starts at row `first` with a panel of the right matrix, of which as many rows are
    /// used as this one has columns.
    #[inline]
    pub fn tile(&self, first: usize, b: &[f32], tile: &mut Tile) {
        let height = panel_height(self.isa, self.rows, first);
        let a = &self.data[first * self.k..][..height * self.k];
        let b = &b[..self.k * self.isa.columns()];
        // SAFETY: `a` has k columns of `height` floats, `b` k rows of `columns` floats, the tile holds the largest result
        // of any instruction set; `isa` was found on this processor.
        unsafe {
            micro::multiply(
                self.isa,
                height,
                self.k,
                a.as_ptr(),
                b.as_ptr(),
                tile.0.as_mut_ptr(),
                self.isa.columns(),
            )
        };
    }

    /// Multiplies with packed columns (panels of as many rows as this matrix has columns) and gives every result tile to `store` as
    /// `(first row, rows, first column, tile)`, the tile's rows being [`Isa::columns`] floats long.
    pub fn multiply(&self, b: &[f32], mut store: impl FnMut(usize, usize, usize, &[f32])) {
        let columns = self.isa.columns();
        let mut tile = Tile::default();
        for (first, rows) in self.panels() {
            for (index, panel) in b.chunks_exact(self.k * columns).enumerate() {
                self.tile(first, panel, &mut tile);
                store(first, rows, index * columns, &tile.0);
            }
        }
    }
}

/// Rows of the panel that starts at row `first`, zero rows included.
pub fn panel_height(isa: Isa, rows: usize, first: usize) -> usize {
    (rows - first)
        .min(isa.rows())
        .next_multiple_of(isa.row_step())
}

const TILE: usize = Isa::Avx512.rows() * Isa::Avx512.columns();

/// One result of the microkernel, rows of [`Isa::columns`] floats, on a cache line boundary.
#[repr(align(64))]
pub struct Tile(pub [f32; TILE]);

impl Default for Tile {
    fn default() -> Self {
        Tile([0.0; TILE])
    }
}
