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
    let verdicts = verdicts(work, region);
    let ranked = |i: &usize, k: &usize| verdicts[*i].score().total_cmp(&verdicts[*k].score());
    // The first of equals.
    let best = (0..verdicts.len()).rev().max_by(ranked).unwrap_or_default();
    let next = (0..verdicts.len())
        .rev()
        .filter(|i| *i != best)
        .max_by(ranked);
    let reason = match next {
        Some(next) => reason(&verdicts, best, next, &work.candidates[next].name),
        None if work.candidates.len() > 1 => {
            "the first: there are no surroundings to compare fills with".to_string()
        }
        None => "the only one".to_string(),
    };
    let names = work
        .candidates
        .iter()
        .map(|candidate| candidate.name.clone());
    let score = |(candidate, verdict): (String, &Verdict)| Score {
        candidate,
        score: verdict.score(),
    };
    let choice = Choice {
        hole,
        candidate: work.candidates[best].name.clone(),
        reason,
        scores: names.zip(&verdicts).map(score).collect(),
    };
    (best, choice)
}

/// What decided between the best fill and the next, whose name is `than`: each ratio of distances by itself, for either may speak
/// for the other fill.
fn reason(verdicts: &[Verdict], best: usize, next: usize, than: &str) -> String {
    let (best, next) = (&verdicts[best], &verdicts[next]);
    let around = (best.near - next.near).exp();
    if verdicts.len() == 2 {
        return format!(
            "its patches, for its kind of fill, are {around:.2} times nearer to those around the hole"
        );
    }
    let others = (best.shared - next.shared).exp();
    format!(
        "its patches, for its kind of fill, are {around:.2} times as near to those around the hole and {others:.2} times as near to the \
         other fills' as those of the next best, {than}"
    )
}

/// What speaks for a fill, both logarithms of nearness.
struct Verdict {
    /// To the patches around the hole, with the trust in its kind of fill.
    near: f32,
    /// To the patches of the other fills.
    shared: f32,
}

impl Verdict {
    fn score(&self) -> f32 {
        self.near + ALONE_WEIGHT * self.shared
    }
}

/// The candidate that the frame before kept for this hole.
fn of_frame_before(work: &Work<'_>, hole: [usize; 4]) -> Option<usize> {
    let name = work.shot.as_ref()?.choice(hole)?;
    work.candidates
        .iter()
        .position(|candidate| candidate.name == name)
}

/// What speaks for each candidate, in their order; nothing where there is nothing to compare.
fn verdicts(work: &Work<'_>, region: &Region) -> Vec<Verdict> {
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
    let verdict = |(i, candidate): (usize, &Candidate)| {
        let trust = TRUST.iter().find(|(kind, ..)| *kind == candidate.name);
        let trust = trust.map_or(
            0.0,
            |(_, two, more)| if shown.len() > 2 { *more } else { *two },
        );
        Verdict {
            near: trust - place.strangeness(&shown[i]),
            shared: -shown[i].aloneness(others(i)),
        }
    };
    work.candidates.iter().enumerate().map(verdict).collect()
}
