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

    /// Multiplies with a packed block of B and gives every result tile to `store` as
    /// `(first row, rows, first column, tile)`, the tile's rows being [`Isa::columns`] floats long.
    ///
    /// `b` holds panels of `panel_k` rows, of which this matrix takes as many as it has columns, from row `from` on.
    pub fn multiply(&self, b: &[f32], panel_k: usize, from: usize, mut store: impl FnMut(usize, usize, usize, &[f32])) {
        let columns = self.isa.columns();
        assert!(from + self.k <= panel_k, "the right matrix has fewer rows than the left one has columns");
        let mut tile = Tile([0.0; TILE]);
        for first in (0..self.rows).step_by(self.isa.rows()) {
            let height = panel_height(self.isa, self.rows, first);
            let a = &self.data[first * self.k..][..height * self.k];
            for (index, panel) in b.chunks_exact(panel_k * columns).enumerate() {
                let panel = &panel[from * columns..][..self.k * columns];
                // SAFETY: `a` has k columns of `height` floats, `panel` k rows of `columns` floats, the tile holds the
                // largest result of any instruction set; `isa` was found on this processor.
                unsafe { micro::multiply(self.isa, height, self.k, a.as_ptr(), panel.as_ptr(), tile.0.as_mut_ptr(), columns) };
                store(first, height.min(self.rows - first), index * columns, &tile.0);
            }
        }
    }
}

/// Rows of the panel that starts at row `first`, zero rows included.
pub fn panel_height(isa: Isa, rows: usize, first: usize) -> usize {
    (rows - first).min(isa.rows()).next_multiple_of(isa.row_step())
}

const TILE: usize = Isa::Avx512.rows() * Isa::Avx512.columns();

/// One result of the microkernel, on a cache line boundary.
#[repr(align(64))]
struct Tile([f32; TILE]);
