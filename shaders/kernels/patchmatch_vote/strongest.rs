//! One source per hole pixel instead of a mean of many: for copies at a finer scale than the field's own.

use rayon::prelude::*;

use super::{Vote, native};
use crate::patchmatch::votes::{Field, Votes};
use crate::patchmatch::{NONE, site};

/// For each hole pixel the source pixel with the greatest total weight among its votes (on a tie the smallest index), for others
/// [`NONE`]. Sites, field and distances are `[height, width]` as in [`Vote`]; empty if their lengths differ or are no whole rows.
pub fn strongest(vote: &Vote, sites: &[u32], nnf: &[u32], distances: &[u32], width: usize) -> Vec<u32> {
    if width == 0 || !sites.len().is_multiple_of(width) || nnf.len() != sites.len() || distances.len() != sites.len() {
        return Vec::new();
    }
    let mut mean = vec![0; sites.len()];
    native::means(sites, distances, &mut mean);
    let field = Field { site: sites, nnf, mean: &mean, height: sites.len() / width, width };
    let mut out = vec![NONE; sites.len()];
    out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        let mut votes = Votes::new();
        for (x, out) in row.iter_mut().enumerate() {
            if sites[y * width + x] & site::HOLE == 0 {
                continue;
            }
            votes.collect(vote.rule, field, x, y);
            let mut found: Vec<(usize, u32)> = votes.iter().collect();
            found.sort_unstable();
            let totals = found.chunk_by(|a, b| a.0 == b.0).map(|same| (same.iter().map(|v| v.1).sum::<u32>(), same[0].0));
            *out = totals.max_by_key(|(total, source)| (*total, usize::MAX - source)).map_or(NONE, |(_, source)| source as u32);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patchmatch::scene::Scene;

    #[test]
    fn a_uniform_shift_is_copied() {
        let scene = Scene::new(40, 60, 2, false, 1);
        let shift = 17;
        let nnf: Vec<u32> =
            scene.sites.iter().enumerate().map(|(at, s)| if s & site::TARGET != 0 { at as u32 + shift } else { NONE }).collect();
        let distances = vec![9; nnf.len()];
        let vote = Vote::new(2, 2.0).unwrap();
        for (at, found) in strongest(&vote, &scene.sites, &nnf, &distances, 60).iter().enumerate() {
            let want = if scene.sites[at] & site::HOLE != 0 { at as u32 + shift } else { NONE };
            assert_eq!(*found, want);
        }
        assert!(strongest(&vote, &scene.sites, &nnf[1..], &distances, 60).is_empty());
    }
}
