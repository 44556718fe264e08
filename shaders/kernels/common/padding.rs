//! What a convolution reads beyond the rim of its input.

/// What lies outside the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// `p` zeros on every side.
    Zero(usize),
    /// `p` mirrored pixels on every side, edge pixel not repeated (numpy `reflect`); needs an input longer than `p`.
    Reflect(usize),
}

impl Padding {
    /// Pixels added on each side.
    pub fn amount(self) -> usize {
        match self {
            Padding::Zero(p) | Padding::Reflect(p) => p,
        }
    }
    /// Source index for output-aligned position `i` (already shifted by the padding) on an axis of length `n`;
    /// `None` where a zero is read.
    #[inline]
    pub fn source(self, i: isize, n: usize) -> Option<usize> {
        match self {
            Padding::Zero(_) => (i >= 0 && (i as usize) < n).then_some(i as usize),
            Padding::Reflect(_) => {
                let last = n as isize - 1;
                let j = if i < 0 { -i } else { i };
                let j = if j > last { 2 * last - j } else { j };
                Some(j as usize)
            }
        }
    }
}
