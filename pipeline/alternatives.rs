//! What a pipeline with candidates would have made with each of them alone.

use std::cmp::Reverse;

use cleanplate_pictures::Photo;

use crate::{Candidate, Choice, Work};

/// The clean plate of one candidate alone.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// The candidate.
    pub name: String,
    /// Whether it was kept for every region: the result is this one.
    pub chosen: bool,
    /// Its score, the mean over all regions; the highest wins. `None` where there was nothing to compare.
    pub score: Option<f32>,
    /// The photo with its fill; `None` of the chosen one, which is the result itself.
    pub photo: Option<Photo>,
}

/// A candidate that is to be finished, with the part of its [`Alternative`] that is known.
pub(super) struct Rival {
    pub(super) candidate: Candidate,
    pub(super) told: Alternative,
}

/// Takes the candidates out of `work`, the chosen one first and then the best ones, at most `count` of them.
pub(super) fn rivals(work: &mut Work<'_>, count: usize) -> Vec<Rival> {
    let candidates = std::mem::take(&mut work.candidates);
    if count == 0 {
        return Vec::new();
    }
    let choices = &work.choices;
    let mut rivals: Vec<Rival> = candidates
        .into_iter()
        .map(|candidate| Rival {
            told: Alternative {
                name: candidate.name.clone(),
                chosen: choices.iter().all(|c| c.candidate == candidate.name),
                score: mean_score(choices, &candidate.name),
                photo: None,
            },
            candidate,
        })
        .collect();
    let key = |r: &Rival| (r.told.chosen, r.told.score.map(|s| (s * 1e6) as i64));
    rivals.sort_by_key(|rival| Reverse(key(rival)));
    rivals.truncate(count);
    rivals
}

fn mean_score(choices: &[Choice], name: &str) -> Option<f32> {
    let scores = choices.iter().flat_map(|choice| &choice.scores);
    let (sum, count) = scores
        .filter(|score| score.candidate == name)
        .fold((0.0, 0), |(sum, n), score| (sum + score.score, n + 1));
    (count > 0).then(|| sum / count as f32)
}
