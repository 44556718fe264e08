//! Weights of a transposed convolution in the order that each strategy reads them.

use super::{ConvTranspose2d, KERNEL, PHASE_TAPS, Segment};
use crate::common::cache::words;

/// Rows of `simt` weights are padded to a multiple of this many output channels: the widest tile.
pub(super) const SIMT_CHANNELS: usize = 64;

/// The weight of one tap, zero past the last input or output channel.
fn weight(
    op: &ConvTranspose2d,
    segment: &Segment,
    ic: usize,
    oc: usize,
    ky: usize,
    kx: usize,
) -> f32 {
    let real = ic < segment.in_channels && oc < op.out_channels;
    if real {
        segment.weight[((ic * op.out_channels + oc) * KERNEL + ky) * KERNEL + kx]
    } else {
        0.0
    }
}

/// `[phase][steps][taps][bk][oc_padded]`, phases in the order (y, x) = (0,0), (0,1), (1,0), (1,1).
pub(super) fn simt(op: &ConvTranspose2d, bk: usize) -> Vec<u32> {
    let columns = op.out_channels.next_multiple_of(SIMT_CHANNELS);
    let mut out = Vec::new();
    for phase in 0..4 {
        for segment in &op.segments {
            for first in (0..segment.in_channels).step_by(bk) {
                for (ky, _) in PHASE_TAPS[phase / 2] {
                    for (kx, _) in PHASE_TAPS[phase % 2] {
                        for ic in first..first + bk {
                            out.extend(
                                (0..columns).map(|oc| weight(op, segment, ic, oc, *ky, *kx)),
                            );
                        }
                    }
                }
            }
        }
    }
    words(out)
}

/// Blocks of `bk` input channels over all segments.
pub(super) fn simt_steps(op: &ConvTranspose2d, bk: usize) -> usize {
    op.segments.iter().map(|s| s.in_channels.div_ceil(bk)).sum()
}

/// Output channels of a block of `cpu_quads`, one per lane.
pub(super) const QUADS_CHANNELS: usize = 8;

/// `[oc / 8][segments and channels][3][8 lanes][4]`: taps 0-3, 4-7 and 8 of the lane's output channel.
pub(super) fn cpu_quads(op: &ConvTranspose2d) -> Vec<u32> {
    let mut out = Vec::new();
    for block in (0..op.out_channels).step_by(QUADS_CHANNELS) {
        for segment in &op.segments {
            for ic in 0..segment.in_channels {
                for first in [0, 4, 8] {
                    let value = |oc: usize, tap: usize| {
                        if tap < KERNEL * KERNEL {
                            weight(op, segment, ic, oc, tap / KERNEL, tap % KERNEL)
                        } else {
                            0.0
                        }
                    };
                    out.extend(
                        (block..block + QUADS_CHANNELS)
                            .flat_map(|oc| (first..first + 4).map(move |tap| value(oc, tap))),
                    );
                }
            }
        }
    }
    words(out)
}
