//! Fast CPU twin.

use rayon::prelude::*;

use crate::patchmatch::votes::{Field, Rule, Votes};
use crate::patchmatch::{NONE, site};

pub(super) fn run(rule: Rule, field: Field<'_>, out: &mut [u32]) {
    let width = field.width;
    out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        let (mut votes, mut found) = (Votes::new(), Vec::new());
        for (x, out) in row.iter_mut().enumerate() {
            *out = NONE;
            if field.site[y * width + x] & site::HOLE == 0 {
                continue;
            }
            votes.collect(rule, field, x, y);
            found.clear();
            found.extend(votes.iter());
            found.sort_unstable();
            let totals = found
                .chunk_by(|a, b| a.0 == b.0)
                .map(|same| (same.iter().map(|v| v.1).sum::<u32>(), same[0].0));
            *out = totals
                .max_by_key(|(total, source)| (*total, usize::MAX - source))
                .map_or(NONE, |(_, source)| source as u32);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patchmatch::scene::Scene;

    #[test]
    fn a_uniform_shift_is_picked() {
        let scene = Scene::new(40, 60, 2, false, 1);
        let shift = 17;
        let nnf: Vec<u32> = scene
            .sites
            .iter()
            .enumerate()
            .map(|(at, s)| {
                if s & site::TARGET != 0 {
                    at as u32 + shift
                } else {
                    NONE
                }
            })
            .collect();
        let mean = vec![9; nnf.len()];
        let mut out = vec![0; nnf.len()];
        let rule = crate::patchmatch::vote::rule("test", 2, 2.0, true).unwrap();
        run(
            rule,
            Field {
                site: &scene.sites,
                nnf: &nnf,
                mean: &mean,
                height: 40,
                width: 60,
            },
            &mut out,
        );
        for (at, found) in out.iter().enumerate() {
            let want = if scene.sites[at] & site::HOLE != 0 {
                at as u32 + shift
            } else {
                NONE
            };
            assert_eq!(*found, want);
        }
    }
}
