//! Who votes for a pixel and how much: shared by [`crate::patchmatch::vote`] and [`crate::patchmatch::compose`].

use super::weights::{Decay, falloff_exponent, weight};
use super::{NONE, RADIUS_MAX, site};

const SIDE_MAX: usize = 2 * RADIUS_MAX + 1;
/// Most patches that cover a pixel.
const VOTES_MAX: usize = SIDE_MAX * SIDE_MAX;

/// Exponent steps per squared pixel of a Gaussian of one pixel: `32 * log2(e) / 2`, rounded.
pub(crate) const SPREAD: u32 = 23;

/// How votes are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Patch radius.
    pub(crate) radius: usize,
    /// `round(64 * log2(gamma))`, see [`falloff_exponent`].
    pub(crate) falloff: u32,
    /// Exponent steps per squared pixel between the pixel and the patch centre; 0 for equal votes.
    pub(crate) spread: u32,
}

/// What weighting reads; `mean` is the mean square of each target, see [`mean_square`].
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) site: &'a [u32],
    pub(crate) nnf: &'a [u32],
    pub(crate) mean: &'a [u32],
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// Mean square of a target's patch: its distance divided by the weights of its taps.
pub(crate) fn mean_square(site: u32, distance: u32) -> u32 {
    distance / site::weight(site).max(1)
}

/// The votes for one pixel: which source pixel, with which weight.
pub(crate) struct Votes {
    source: [u32; VOTES_MAX],
    exponent: [u32; VOTES_MAX],
    count: usize,
}

impl Votes {
    pub(crate) fn new() -> Self {
        Votes {
            source: [0; VOTES_MAX],
            exponent: [0; VOTES_MAX],
            count: 0,
        }
    }

    /// Collects the votes of all patches that cover `(x, y)`, in row order of their centres.
    #[inline(always)]
    pub(crate) fn collect(&mut self, rule: Rule, field: Field<'_>, x: usize, y: usize) {
        let (r, w) = (rule.radius, field.width);
        let (x0, x1, y1) = (
            x.saturating_sub(r),
            (x + r).min(w - 1),
            (y + r).min(field.height - 1),
        );
        let mut means = [0u32; VOTES_MAX];
        let (mut count, mut sum) = (0, 0);
        for qy in y.saturating_sub(r)..=y1 {
            for q in qy * w + x0..=qy * w + x1 {
                let source = field.nnf[q];
                if source == NONE {
                    continue;
                }
                let (dx, dy) = ((q - qy * w).abs_diff(x) as u32, qy.abs_diff(y) as u32);
                // The source pixel is as far from the source's centre as this pixel is from the patch's centre.
                self.source[count] = (source as usize + y * w + x - q) as u32;
                self.exponent[count] =
                    falloff_exponent(site::distance(field.site[q]), rule.falloff)
                        + (dx * dx + dy * dy) * rule.spread;
                means[count] = field.mean[q];
                sum += field.mean[q];
                count += 1;
            }
        }
        self.count = count;
        let decay = Decay::new(sum / (count as u32).max(1));
        let mut least = u32::MAX;
        for (exponent, mean) in self.exponent[..count].iter_mut().zip(&means) {
            *exponent += decay.exponent(*mean);
            least = least.min(*exponent);
        }
        for exponent in &mut self.exponent[..count] {
            *exponent -= least;
        }
    }

    /// Source pixels and weights; the greatest weight is 2^13.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.source[..self.count]
            .iter()
            .zip(&self.exponent[..self.count])
            .map(|(s, e)| (*s as usize, weight(*e)))
    }
}

/// The plain meaning of [`Votes`]: every patch that covers `(x, y)`, its source pixel and weight.
pub(crate) fn plain(rule: Rule, field: Field<'_>, x: usize, y: usize) -> Vec<(usize, u32)> {
    let (r, w) = (rule.radius as isize, field.width as isize);
    let (x, y) = (x as isize, y as isize);
    let mut votes = Vec::new();
    for (qx, qy) in (y - r..=y + r).flat_map(|qy| (x - r..=x + r).map(move |qx| (qx, qy))) {
        if qx < 0 || qy < 0 || qx >= w || qy >= field.height as isize {
            continue;
        }
        let q = (qy * w + qx) as usize;
        if field.nnf[q] == NONE {
            continue;
        }
        let source = field.nnf[q] as isize + (y - qy) * w + (x - qx);
        let apart = ((x - qx) * (x - qx) + (y - qy) * (y - qy)) as u32;
        votes.push((
            source as usize,
            field.mean[q],
            falloff_exponent(site::distance(field.site[q]), rule.falloff) + apart * rule.spread,
        ));
    }
    let sum: u32 = votes.iter().map(|v| v.1).sum();
    let decay = Decay::new(sum / (votes.len() as u32).max(1));
    let exponents: Vec<u32> = votes.iter().map(|v| v.2 + decay.exponent(v.1)).collect();
    let least = exponents.iter().copied().min().unwrap_or(0);
    votes
        .iter()
        .zip(&exponents)
        .map(|(v, e)| (v.0, weight(e - least)))
        .collect()
}
