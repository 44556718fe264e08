//! The right matrix of a whole operation, block by block of pixels.

use super::{Input, Isa, by_isa, lanes, runs};

/// Floats of packed columns per thread: half a mebibyte stays in the second-level cache of common processors.
const BLOCK_FLOATS: usize = 128 * 1024;

/// Most pixels of a block: with more, few threads get the last blocks.
const BLOCK_PIXELS_MAX: usize = 256;

/// Several inputs stacked: their rows follow each other.
pub struct Columns {
    isa: Isa,
    /// Which of the operation's inputs, and how it is read.
    inputs: Vec<(usize, Input)>,
    /// Rows of all inputs.
    inner: usize,
    /// Pixels of a row of the output (or of whatever counts the pixels).
    width: usize,
    /// Pixels per block, a multiple of the microkernel's columns.
    block: usize,
}

impl Columns {
    /// Columns for `pixels` pixels over all images, in rows of `width`.
    pub fn new(isa: Isa, inputs: Vec<(usize, Input)>, width: usize, pixels: usize) -> Self {
        let inner = inputs.iter().map(|(_, input)| input.rows()).sum::<usize>();
        let columns = isa.columns();
        let fitting = BLOCK_FLOATS / inner.max(1) / columns * columns;
        let fair = pixels.div_ceil(4 * lanes()).next_multiple_of(columns);
        let block = fitting.min(fair).clamp(columns, BLOCK_PIXELS_MAX);
        Columns { isa, inputs, inner, width, block }
    }

    /// The instruction set that panels are laid out for.
    pub fn isa(&self) -> Isa {
        self.isa
    }
    /// The inputs in the order of their rows.
    pub fn inputs(&self) -> &[(usize, Input)] {
        &self.inputs
    }
    /// Rows of the matrix.
    pub fn inner(&self) -> usize {
        self.inner
    }
    /// Pixels per block.
    pub fn block(&self) -> usize {
        self.block
    }
    /// Floats of a packed block.
    pub fn block_len(&self) -> usize {
        self.inner * self.block
    }

    /// Packs the columns of the pixels `first..first + count` of one image into panels and returns those. `data` holds
    /// the operation's inputs.
    pub fn pack<'a>(&self, data: &[&[f32]], image: usize, first: usize, count: usize, block: &'a mut [f32]) -> &'a [f32] {
        let columns = self.isa.columns();
        let used = &mut block[..self.inner * count.next_multiple_of(columns)];
        if self.inputs.iter().all(|(_, input)| input.is_flat()) {
            self.pack_flat(data, image, first, count, used);
            return used;
        }
        for (index, panel) in used.chunks_exact_mut(self.inner * columns).enumerate() {
            let begin = index * columns;
            for run in runs(first + begin, columns.min(count - begin), self.width) {
                let mut rest = &mut panel[..];
                for (index, input) in &self.inputs {
                    let data = &data[*index][image * input.image_len()..][..input.image_len()];
                    let (rows, others) = rest.split_at_mut(input.rows() * columns);
                    input.pack(self.isa, data, run, rows);
                    rest = others;
                }
            }
        }
        used
    }

    /// Single pixels of one long row: channel by channel, so that memory is read in long pieces.
    fn pack_flat(&self, data: &[&[f32]], image: usize, first: usize, count: usize, block: &mut [f32]) {
        let (columns, inner) = (self.isa.columns(), self.inner);
        let mut row = 0;
        for (index, input) in &self.inputs {
            let plane = input.size[1];
            for channel in data[*index][image * input.image_len()..][..input.image_len()].chunks_exact(plane) {
                let from = &channel[first..first + count];
                by_isa!(self.isa, pack_row(from: &[f32], row: usize, inner: usize, columns: usize, block: &mut [f32]));
                row += 1;
            }
        }
    }
}

/// Row `row` of every panel (`inner` rows of `columns` floats).
#[inline(always)]
fn pack_row(from: &[f32], row: usize, inner: usize, columns: usize, block: &mut [f32]) {
    match columns {
        32 => pack_row_of::<32>(from, row, inner, block),
        16 => pack_row_of::<16>(from, row, inner, block),
        _ => pack_row_of::<8>(from, row, inner, block),
    }
}

#[inline(always)]
fn pack_row_of<const N: usize>(from: &[f32], row: usize, inner: usize, block: &mut [f32]) {
    let mut rows = block.as_chunks_mut::<N>().0.iter_mut().skip(row).step_by(inner);
    let (whole, rest) = from.as_chunks::<N>();
    whole.iter().zip(&mut rows).for_each(|(from, to)| *to = *from);
    if let (false, Some(to)) = (rest.is_empty(), rows.next()) {
        to[..rest.len()].copy_from_slice(rest);
    }
}
