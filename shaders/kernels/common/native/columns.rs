//! The right matrix of a whole operation, block by block of pixels.

use super::{Input, Isa, lanes, runs};

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
        Columns {
            isa,
            inputs,
            inner,
            width,
            block,
        }
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
    pub fn pack<'a>(
        &self,
        data: &[&[f32]],
        image: usize,
        first: usize,
        count: usize,
        block: &'a mut [f32],
    ) -> &'a [f32] {
        let columns = self.isa.columns();
        let used = &mut block[..self.inner * count.next_multiple_of(columns)];
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
}
