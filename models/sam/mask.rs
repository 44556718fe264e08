//! From the decoder's logits to a mask of the photo's size.

use cleanplate_kernels::upsample::Upsample;
use cleanplate_kernels::{Op, Shape, TensorMut, TensorRef};

/// Which of the decoder's answers counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The single-mask answer: for several prompts.
    Single,
    /// The candidate of this rank by predicted quality, from 0: one click is ambiguous.
    Ranked(usize),
}

/// The chosen answer's row and its predicted quality; `iou` holds one value a row. A rank that there is not is the last one.
pub fn choose(iou: &[f32], choice: Choice) -> (usize, f32) {
    let Choice::Ranked(rank) = choice else {
        return (0, iou.first().copied().unwrap_or(f32::NEG_INFINITY));
    };
    let mut rows: Vec<(usize, f32)> = iou.iter().copied().enumerate().skip(1).collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    rows.get(rank)
        .or(rows.last())
        .copied()
        .unwrap_or((0, f32::NEG_INFINITY))
}

/// Mask 0/255 of a photo of `[height, width]` pixels from one row of logits `[4S, 4S]`: to the network's square of `side` pixels, cut to
/// the part of it that the `resized` photo takes, to the photo, above 0. Bilinear both times, as published.
pub(super) fn of_photo(
    logits: &[f32],
    side: usize,
    resized: [usize; 2],
    [height, width]: [usize; 2],
) -> Vec<u8> {
    let low = logits.len().isqrt();
    let square = upsample(
        logits,
        [low, low],
        Upsample {
            crop: None,
            height: side,
            width: side,
        },
    );
    // A band of rows at a time would need the same two source rows; the whole map is 4 bytes a pixel, for a moment.
    let photo = upsample(
        &square,
        [side, side],
        Upsample {
            crop: Some(resized),
            height,
            width,
        },
    );
    photo
        .iter()
        .map(|v| if *v > 0.0 { 255 } else { 0 })
        .collect()
}

fn upsample(values: &[f32], [h, w]: [usize; 2], op: Upsample) -> Vec<f32> {
    let (from, to) = (
        Shape::new(&[1, 1, h, w]),
        Shape::new(&[1, 1, op.height, op.width]),
    );
    let mut out = vec![0.0; op.height * op.width];
    op.native(
        &[TensorRef::F32(&from, values)],
        &mut [TensorMut::F32(&to, &mut out)],
        &mut [],
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_ranked_without_the_single_answer() {
        let iou = [0.9, 0.2, 0.8, 0.5];
        assert_eq!(choose(&iou, Choice::Single), (0, 0.9));
        let ranked = [0, 1, 2, 9].map(|rank| choose(&iou, Choice::Ranked(rank)));
        assert_eq!(ranked, [(2, 0.8), (3, 0.5), (1, 0.2), (1, 0.2)]);
        assert_eq!(choose(&[], Choice::Ranked(0)).0, 0);
    }
}
