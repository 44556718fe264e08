//! `curate`: keeps, for each region of the hole, the fill that looks most like the photo around it.
//!
//! A fill that shows what stands nowhere around it (something invented, or smeared) has patches that are far from all known ones
//! (`place`); a network's fill, which continues edges and surfaces, is allowed some of that. And what one look of a network invents
//! another rarely does: of three fills or more, one that shows what no other shows is likely wrong. The rule was learned from blind
//! comparisons by eye and from photos with a known truth (training/curate, docs/MEASURED.md). No random numbers take part.

mod lab;
mod patches;
mod place;

use serde::Deserialize;

use cleanplate_pipeline::{
    Candidate, Choice, Crop, PluginError, PluginInfo, Region, Score, Stage, Work, regions,
};

use place::{Place, Shown};

const NAME: &str = "curate";

/// How much stranger a kind of fill may be than one of patches and still be kept, the natural logarithm of a ratio of distances:
/// between two fills, and among more, where patches are most often the ones that show what no other does. `closer` is the network's
/// second look, `structure` its fill at half its size, rebuilt from patches.
const TRUST: [(&str, f32, f32); 3] = [
    ("network", 0.235, 0.1),
    ("closer", 0.17, 0.035),
    ("structure", 0.07, -0.065),
];

/// How much a fill loses by showing what no other shows: the weight of the logarithm of its mean distance to them.
const ALONE_WEIGHT: f32 = 1.0;

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Curate>(include_str!("plugin.toml"));

#[derive(Deserialize)]
struct Curate {}

impl Stage for Curate {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let regions = regions(&work.candidates, &work.alpha);
        for (i, region) in regions.iter().enumerate() {
            work.check_cancelled(&format!("{NAME}, region {} of {}", i + 1, regions.len()))?;
            let (index, choice) = choose(work, region);
            work.keep(region, index, choice);
            work.observer
                .stage(NAME, (i + 1) as f32 / regions.len() as f32);
        }
        Ok(())
    }
}

/// The candidate to keep for `region`, and why.
fn choose(work: &Work<'_>, region: &Region) -> (usize, Choice) {
    let hole = region.hole;
    let hole = [hole.x0, hole.y0, hole.x1, hole.y1];
    if let Some(at) = of_frame_before(work, hole) {
        let choice = Choice {
            hole,
            candidate: work.candidates[at].name.clone(),
            reason: "that of the frame before, which looks alike".to_string(),
            scores: Vec::new(),
        };
        return (at, choice);
    }
    let scores = scores(work, region);
    let best = (0..scores.len())
        .reduce(|best, i| {
            if scores[i].score > scores[best].score {
                i
            } else {
                best
            }
        })
        .unwrap_or_default();
    let reason = match scores.len() {
        0 if work.candidates.len() > 1 => {
            "the first: there are no surroundings to compare fills with".to_string()
        }
        0 => "the only one".to_string(),
        _ => {
            let others = scores.iter().enumerate().filter(|(i, _)| *i != best);
            let next = others
                .map(|(_, s)| s.score)
                .fold(f32::NEG_INFINITY, f32::max);
            let ratio = (scores[best].score - next).exp();
            let also = if scores.len() > 2 {
                " and of the other fills"
            } else {
                ""
            };
            format!(
                "its patches, for its kind of fill, are {ratio:.2} times nearer to those around the hole{also}"
            )
        }
    };
    let choice = Choice {
        hole,
        candidate: work.candidates[best].name.clone(),
        reason,
        scores,
    };
    (best, choice)
}

/// The candidate that the frame before kept for this hole.
fn of_frame_before(work: &Work<'_>, hole: [usize; 4]) -> Option<usize> {
    let name = work.shot.as_ref()?.choice(hole)?;
    work.candidates
        .iter()
        .position(|candidate| candidate.name == name)
}

/// A score for each candidate, in their order; none where there is nothing to compare.
fn scores(work: &Work<'_>, region: &Region) -> Vec<Score> {
    if work.candidates.len() < 2 {
        return Vec::new();
    }
    let Some(place) = Place::of(work, region) else {
        return Vec::new();
    };
    let shown: Vec<Shown> = work
        .candidates
        .iter()
        .zip(&region.crops)
        .map(|(candidate, at)| {
            let crops: Vec<&Crop> = at.iter().map(|at| &candidate.crops[*at]).collect();
            place.shown(&crops)
        })
        .collect();
    let others = |i: usize| {
        let others = shown.iter().enumerate().filter(move |(k, _)| *k != i);
        others.map(|(_, shown)| shown)
    };
    let score = |(i, candidate): (usize, &Candidate)| {
        let trust = TRUST.iter().find(|(kind, ..)| *kind == candidate.name);
        let trust = trust.map_or(
            0.0,
            |(_, two, more)| if shown.len() > 2 { *more } else { *two },
        );
        let strange = place.strangeness(&shown[i]) + ALONE_WEIGHT * shown[i].aloneness(others(i));
        Score {
            candidate: candidate.name.clone(),
            score: trust - strange,
        }
    };
    work.candidates.iter().enumerate().map(score).collect()
}
