//! Weights of a convolution in the order that each strategy reads them.

use super::Conv2d;
use crate::common::cache::words;

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
                        if real {
                            segment.weight[(oc * segment.in_channels + ic) * taps + tap]
                        } else {
                            0.0
                        }
                    }));
                }
            }
        }
    }
    words(out)
}

/// Steps of `bk` that [`simt`] lays out.
pub(super) fn simt_blocks(op: &Conv2d, bk: usize) -> usize {
    op.segments
        .iter()
        .map(|s| s.in_channels.div_ceil(bk) * s.kernel * s.kernel)
        .sum()
}

/// `[oc / 4][taps][ic][4]`: four output channels together, zeros where padded. First segment only.
pub(super) fn direct(op: &Conv2d) -> Vec<u32> {
    let segment = &op.segments[0];
    let (taps, channels) = (segment.kernel * segment.kernel, segment.in_channels);
    let blocks = op.out_channels.div_ceil(4);
    let weight = |oc: usize, ic: usize, tap: usize| {
        if oc < op.out_channels {
            segment.weight[(oc * channels + ic) * taps + tap]
        } else {
            0.0
        }
    };
    let value = |at: usize| {
        weight(
            at / (taps * channels * 4) * 4 + at % 4,
            at / 4 % channels,
            at / (4 * channels) % taps,
        )
    };
    words((0..blocks * taps * channels * 4).map(value))
}

/// Output channels of a block of `cpu_rows`, two per lane.
pub(super) const ROWS_CHANNELS: usize = 16;

/// Output channels of a block of `cpu_pointwise`, four per lane.
pub(super) const POINTWISE_CHANNELS: usize = 32;

/// Output channels of a block of `cpu_window`, two per lane.
pub(super) const WINDOW_CHANNELS: usize = 16;

/// Output channels of `cpu_window` for network heads, half of one per lane.
pub(super) const HEAD_CHANNELS: usize = 4;

/// Lanes of a subgroup.
const LANES: usize = 8;

/// The weight of one tap, zero past the last output or input channel.
fn weight(op: &Conv2d, segment: usize, oc: usize, ic: usize, tap: usize) -> f32 {
    let segment = &op.segments[segment];
    let taps = segment.kernel * segment.kernel;
    let real = oc < op.out_channels && ic < segment.in_channels;
    if real {
        segment.weight[(oc * segment.in_channels + ic) * taps + tap]
    } else {
        0.0
    }
}

/// `[oc / 16][segment][channels][vec4s][8 lanes][4]`, segments in the given order. A 3x3 segment has five vec4s per
/// channel: taps 0-3 and 4-7 of the lane's first output channel, the same of its second, tap 8 of both. A 1x1 segment
/// has one vec4 per two channels: both output channels of the first, both of the second.
pub(super) fn cpu_rows(op: &Conv2d, order: &[usize]) -> Vec<u32> {
    let mut out = Vec::new();
    for block in (0..op.out_channels).step_by(ROWS_CHANNELS) {
        for segment in order {
            let (channels, w) = (op.segments[*segment].in_channels, |oc, ic, tap| {
                weight(op, *segment, oc, ic, tap)
            });
            let lanes = (0..LANES).map(|lane| block + 2 * lane);
            if op.segments[*segment].kernel == 1 {
                for ic in (0..channels).step_by(2) {
                    out.extend(lanes.clone().flat_map(|oc| {
                        [
                            w(oc, ic, 0),
                            w(oc + 1, ic, 0),
                            w(oc, ic + 1, 0),
                            w(oc + 1, ic + 1, 0),
                        ]
                    }));
                }
                continue;
            }
            for ic in 0..channels {
                for (of_lane, first_tap) in [(0, 0), (0, 4), (1, 0), (1, 4)] {
                    out.extend(lanes.clone().flat_map(|oc| {
                        (first_tap..first_tap + 4).map(move |tap| w(oc + of_lane, ic, tap))
                    }));
                }
                out.extend(
                    lanes
                        .clone()
                        .flat_map(|oc| [w(oc, ic, 8), w(oc + 1, ic, 8), 0.0, 0.0]),
                );
            }
        }
    }
    words(out)
}

/// `[oc / 32][ceil(ic / 2)][2][8 lanes][4]`: per pair of input channels, the lane's four output channels for each.
pub(super) fn cpu_pointwise(op: &Conv2d) -> Vec<u32> {
    let mut out = Vec::new();
    for block in (0..op.out_channels).step_by(POINTWISE_CHANNELS) {
        for ic in 0..op.segments[0].in_channels.next_multiple_of(2) {
            out.extend((block..block + POINTWISE_CHANNELS).map(|oc| weight(op, 0, oc, ic, 0)));
        }
    }
    words(out)
}

/// `[oc / channels][ic][7 rows][vec4s][8 lanes][4]`: a kernel row is eight values, the last zero. With 16 channels, four
/// vec4s: both halves of the lane's first output channel, then of its second. With four, one: even lanes hold the first
/// half of channel lane / 2, odd lanes the second.
pub(super) fn cpu_window(op: &Conv2d, channels: usize) -> Vec<u32> {
    let mut out = Vec::new();
    for block in (0..op.out_channels).step_by(channels) {
        for ic in 0..op.segments[0].in_channels {
            for row in 0..7 {
                let half = |oc: usize, second: usize| {
                    (4 * second..4 * second + 4).map(move |column| {
                        if column < 7 {
                            weight(op, 0, oc, ic, row * 7 + column)
                        } else {
                            0.0
                        }
                    })
                };
                if channels == HEAD_CHANNELS {
                    out.extend((0..LANES).flat_map(|lane| half(block + lane / 2, lane % 2)));
                    continue;
                }
                for (of_lane, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    out.extend(
                        (0..LANES).flat_map(|lane| half(block + 2 * lane + of_lane, second)),
                    );
                }
            }
        }
    }
    words(out)
}
