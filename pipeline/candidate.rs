//! Several fills of the same hole, and the regions that a choice is made for.

use cleanplate_pictures::components::Sets;
use cleanplate_pictures::{Mask, Rect};
use serde::Serialize;

use crate::Crop;

/// One fill of the whole hole, made by the steps of one branch of a pipeline.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name in the pipeline.
    pub name: String,
    /// The fills it is made of.
    pub crops: Vec<Crop>,
}

/// A part of the hole that each candidate fills with crops of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Bounds of its hole pixels.
    pub hole: Rect,
    /// For each candidate, which of its crops fill it.
    pub crops: Vec<Vec<usize>>,
}

/// Which candidate fills a region, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Left, top, right and bottom of the region's hole in pixels of the photo.
    pub hole: [usize; 4],
    /// The candidate that was kept.
    pub candidate: String,
    /// Why, in words.
    pub reason: String,
    /// Each candidate's score; the highest wins.
    pub scores: Vec<Score>,
}

impl Choice {
    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> u64 {
        let names = self.scores.iter().map(|score| score.candidate.len());
        let texts = self.candidate.len() + self.reason.len() + names.sum::<usize>();
        (size_of::<Choice>() + self.scores.len() * size_of::<Score>() + texts) as u64
    }
}

/// A candidate's score in a [`Choice`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The candidate.
    pub candidate: String,
    /// Its score.
    pub score: f32,
}

/// The regions of the hole: crops of different candidates that share a hole pixel belong together.
pub fn regions(candidates: &[Candidate], alpha: &Mask) -> Vec<Region> {
    let Some((first, others)) = candidates.split_first() else {
        return Vec::new();
    };
    let starts: Vec<usize> = candidates
        .iter()
        .scan(0, |sum, candidate| {
            let start = *sum;
            *sum += candidate.crops.len();
            Some(start)
        })
        .collect();
    let count = candidates.iter().map(|c| c.crops.len()).sum();
    let mut sets = Sets::new(count);
    let mut holes = Vec::with_capacity(first.crops.len());
    for (i, crop) in first.crops.iter().enumerate() {
        let mut hole: Option<Rect> = None;
        for y in crop.rect.y0..crop.rect.y1 {
            for span in crop.grid.spans(crop.group, crop.rect, y) {
                let row = &alpha.row(y)[span.clone()];
                let (Some(left), Some(right)) = (
                    row.iter().position(|share| *share > 0),
                    row.iter().rposition(|share| *share > 0),
                ) else {
                    continue;
                };
                let line = Rect {
                    x0: span.start + left,
                    y0: y,
                    x1: span.start + right + 1,
                    y1: y + 1,
                };
                hole = Some(hole.map_or(line, |h| h.union(&line)));
                for (other, start) in others.iter().zip(&starts[1..]) {
                    let there = other
                        .crops
                        .iter()
                        .position(|c| c.grid.group_at(line.x0, y) == Some(c.group));
                    if let Some(at) = there {
                        sets.join(i, start + at);
                    }
                }
            }
        }
        holes.push(hole);
    }
    let mut found: Vec<(usize, Region)> = Vec::new();
    for (i, hole) in holes.into_iter().enumerate() {
        let (root, Some(hole)) = (sets.least(i), hole) else {
            continue;
        };
        if let Some((_, region)) = found.iter_mut().find(|(other, _)| *other == root) {
            region.hole = region.hole.union(&hole);
            continue;
        }
        let crops = candidates.iter().zip(&starts).map(|(candidate, start)| {
            (0..candidate.crops.len())
                .filter(|at| sets.least(start + at) == root)
                .collect()
        });
        let crops = crops.collect();
        found.push((root, Region { hole, crops }));
    }
    found.into_iter().map(|(_, region)| region).collect()
}
