//! Sizes of the grids of a multigrid solve.

/// V-cycles of a solve; each leaves less than a third of the error, at holes inside the photo less than a tenth.
pub(super) const CYCLES: usize = 8;
/// Red-black sweeps before and after each coarser correction.
pub(super) const SWEEPS: usize = 2;
/// Sweeps on the coarsest grid.
pub(super) const SWEEPS_COARSEST: usize = 16;
/// Grids are halved until the longer side is at most this.
const SIDE_MAX: usize = 4;

/// `(height, width)` of every grid, finest first.
pub(super) fn sizes(height: usize, width: usize) -> Vec<(usize, usize)> {
    let mut out = vec![(height, width)];
    let (mut h, mut w) = (height, width);
    while h.max(w) > SIDE_MAX {
        (h, w) = (h.div_ceil(2), w.div_ceil(2));
        out.push((h, w));
    }
    out
}
