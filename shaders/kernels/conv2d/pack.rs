//! Weights of a convolution in the order that each strategy reads them.

use super::Conv2d;
use crate::cache::words;

/// Rows of `simt` weights are padded to a multiple of this many output channels: the widest tile.
pub(super) const SIMT_CHANNELS: usize = 64;

/// `[blocks * bk][oc_padded]`: per segment, per block of `bk` input channels, per tap, `bk` rows; zeros where padded.
pub(super) fn simt(op: &Conv2d, bk: usize) -> Vec<u32> {
    let columns = op.out_channels.next_multiple_of(SIMT_CHANNELS);
    let mut out = Vec::new();
    for segment in &op.segments {
        let taps = segment.kernel * segment.kernel;
        for first in (0..segment.in_channels).step_by(bk) {
            for tap in 0..taps {
                for ic in first..first + bk {
                    out.extend((0..columns).map(|oc| {
                        let real = oc < op.out_channels && ic < segment.in_channels;
                        if real { segment.weight[(oc * segment.in_channels + ic) * taps + tap] } else { 0.0 }
                    }));
                }
            }
        }
    }
    words(out)
}

/// Steps of `bk` that [`simt`] lays out.
pub(super) fn simt_blocks(op: &Conv2d, bk: usize) -> usize {
    op.segments.iter().map(|s| s.in_channels.div_ceil(bk) * s.kernel * s.kernel).sum()
}

/// `[oc / 4][taps][ic][4]`: four output channels together, zeros where padded. First segment only.
pub(super) fn direct(op: &Conv2d) -> Vec<u32> {
    let segment = &op.segments[0];
    let (taps, channels) = (segment.kernel * segment.kernel, segment.in_channels);
    let blocks = op.out_channels.div_ceil(4);
    let weight = |oc: usize, ic: usize, tap: usize| {
        if oc < op.out_channels { segment.weight[(oc * channels + ic) * taps + tap] } else { 0.0 }
    };
    let value = |at: usize| weight(at / (taps * channels * 4) * 4 + at % 4, at / 4 % channels, at / (4 * channels) % taps);
    words((0..blocks * taps * channels * 4).map(value))
}
