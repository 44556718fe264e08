//! `sam`: points or a box to a mask, with a Segment Anything network.
//!
//! The photo's embedding is kept by content: another prompt on the same photo costs the decoder only. One point is
//! ambiguous (a shirt, or who wears it): of the three candidates the one with the best predicted quality is taken, or a larger one that
//! is nearly as good by a network whose predictions favour parts, unless another one is asked for.

mod fit;
mod guided;
mod islands;

use std::sync::Arc;

use cleanplate_engine::{EngineError, Executable, Graph, Tensor};
use cleanplate_models::arch::{Label, Prompt};
use cleanplate_models::sam::{Choice, choose};
use cleanplate_pipeline::WHOLE_SHARE;
use serde::Deserialize;

use crate::fill_holes;
use cleanplate_pictures::{Mask, Rect};
use cleanplate_pipeline::embeddings;
use cleanplate_pipeline::models::{AUTO, Networks, SegmentNetwork};
use cleanplate_pipeline::{ExecutableKey, Maps, Prompts, Stage, Work};
use cleanplate_pipeline::{PluginError, PluginInfo};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Sam>(include_str!("plugin.toml"));

const NAME: &str = "sam";

/// A single click means a thing, which is hardly ever more of the photo than this.
const CLICK_SHARE_MAX: f64 = 0.4;

/// Most bytes that finding an object takes for each pixel of the photo, besides the photo and the network: its colours in 8
/// bits, the map of logits and the masks made of it.
pub const FOUND_BYTES: u64 = 16;

/// Share of the work that is done once the photo is encoded.
const ENCODED: f32 = 0.9;

#[derive(Deserialize)]
struct Sam {
    model: String,
    island_share: f64,
    hole_share: f64,
    edge_share: f64,
    /// Rank of the mask that is taken, from 1.
    alternative: Option<usize>,
}

impl Stage for Sam {
    fn ready(&self, networks: &dyn Networks) -> Result<(), PluginError> {
        networks.segment_name(&self.model).map(|_| ())
    }

    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let prompts = work.prompts.clone().ok_or(PluginError::NoMask)?;
        let many = !prompts.others.is_empty();
        let mut embedded = Vec::new();
        let (mut mask, mut quality) =
            self.find(work, &prompts, many.then_some(1), &mut embedded)?;
        for (other, number) in prompts.others.iter().zip(2..) {
            work.check_cancelled(&format!("sam, region {number}"))?;
            let (found, own) = self.find(work, other, Some(number), &mut embedded)?;
            mask.data
                .iter_mut()
                .zip(found.data)
                .for_each(|(all, one)| *all = (*all).max(one));
            quality = quality.min(own);
        }
        work.set_user_mask(mask);
        work.predicted_iou = Some(quality);
        Ok(())
    }
}

/// What networks made of the photo of one run, by the hash of their weights.
type Embedded = Vec<(String, Arc<Maps>)>;

impl Sam {
    /// The mask that one prompt means, and its predicted quality.
    fn find(
        &self,
        work: &mut Work<'_>,
        prompts: &Prompts,
        region: Option<usize>,
        embedded: &mut Embedded,
    ) -> Result<(Mask, f32), PluginError> {
        let size = [work.photo.height, work.photo.width];
        let prompt = read(prompts, size)?;
        let alone = prompt.points.len() == 1 && prompt.rectangle.is_none();
        let network = if alone && self.model == AUTO {
            work.networks.segment(&work.networks.click_name()?)?
        } else {
            work.networks.segment(&self.model)?
        };
        let known = embedded
            .iter()
            .find(|(sha256, _)| *sha256 == network.sha256);
        let maps = match known {
            Some((_, maps)) => Arc::clone(maps),
            None => {
                let maps = embed(work, &network)?;
                embedded.push((network.sha256.clone(), Arc::clone(&maps)));
                maps
            }
        };
        work.observer.stage(NAME, ENCODED);
        let choice = match self.alternative {
            Some(rank) => Choice::Ranked(rank.saturating_sub(1)),
            None if alone => Choice::Ranked(0),
            None => Choice::Single,
        };
        let (mut mask, quality) = decode(work, &network, &maps, (&prompt, choice))?;
        let clicks: Vec<[usize; 2]> = prompts
            .points
            .iter()
            .filter(|p| p.2 == 1)
            .map(|p| [p.0 as usize, p.1 as usize])
            .collect();
        islands::drop_small(&mut mask, self.island_share, &clicks);
        let holes = (mask.count() as f64 * self.hole_share) as usize;
        fill_holes::fill(&mut mask, holes);
        let reach_px = (self.edge_share * size[0].max(size[1]) as f64) as f32;
        let points: Vec<_> = prompts
            .points
            .iter()
            .map(|p| ([p.0 as usize, p.1 as usize], p.2 == 1))
            .collect();
        fit::fit(&mut mask, &work.photo, reach_px, &points);
        fill_holes::fill(&mut mask, holes);
        if mask.count() == 0 {
            return Err(PluginError::NothingFound {
                model: network.name.clone(),
                given: prompts.given(),
                region,
            });
        }
        work.used_model(&network.name, &network.sha256);
        Ok((mask, quality))
    }
}

/// The prompt in the network's terms. Everything must lie inside the photo of `[height, width]` pixels.
fn read(prompts: &Prompts, [height, width]: [usize; 2]) -> Result<Prompt, PluginError> {
    let inside =
        |x: f64, y: f64| (0.0..=width as f64).contains(&x) && (0.0..=height as f64).contains(&y);
    let refused = |parameter: &str, value: String| PluginError::Parameter {
        plugin: NAME.to_string(),
        parameter: parameter.to_string(),
        value,
        expected: format!("expected positions inside the photo, 0 to {width} and 0 to {height} px"),
    };
    let mut points = Vec::with_capacity(prompts.points.len());
    for &(x, y, label) in &prompts.points {
        if !inside(x, y) {
            return Err(refused("points", format!("[{x}, {y}]")));
        }
        points.push((
            x as f32,
            y as f32,
            if label == 1 {
                Label::Foreground
            } else {
                Label::Background
            },
        ));
    }
    let rectangle = match prompts.boxes {
        Some([x1, y1, x2, y2]) if !inside(x1, y1) || !inside(x2, y2) => {
            return Err(refused("box", format!("[{x1}, {y1}, {x2}, {y2}]")));
        }
        corners => corners.map(|corners| corners.map(|v| v as f32)),
    };
    if points.is_empty() && rectangle.is_none() {
        return Err(PluginError::NoMask);
    }
    Ok(Prompt { points, rectangle })
}

/// The photo's embedding, computed unless it is kept.
fn embed(work: &Work<'_>, network: &SegmentNetwork) -> Result<Arc<Maps>, PluginError> {
    let (height, width) = (work.photo.height, work.photo.width);
    let bytes = work.seen_rgb8(Rect {
        x0: 0,
        y0: 0,
        x1: width,
        y1: height,
    })?;
    let resized = network
        .network
        .resize(&Tensor::u8(&[1, height, width, 3], bytes))
        .map_err(|e| network.refused(&e))?;
    let [h, w] = network.network.resized(height, width);
    let key = embeddings::key(&network.sha256, &resized);
    if let Some(kept) = work.embeddings.get(&key) {
        return Ok(kept);
    }
    work.check_cancelled("sam, encoding the photo")?;
    let executable = compile(work, network, "encoder", [h, w], || {
        network.network.encoder_graph([h, w])
    })?;
    let whole = work.observer.watch(NAME, 0, 1);
    let maps = Arc::new(execute(
        work,
        &*executable,
        &[&resized],
        ("sam, encoding the photo", &|done| whole(ENCODED * done)),
    )?);
    work.embeddings.put(key, maps.clone());
    Ok(maps)
}

/// The mask at the photo's size and its predicted quality.
fn decode(
    work: &Work<'_>,
    network: &SegmentNetwork,
    maps: &Maps,
    (prompt, choice): (&Prompt, Choice),
) -> Result<(Mask, f32), PluginError> {
    let (height, width) = (work.photo.height, work.photo.width);
    let tokens = network
        .network
        .tokens(prompt, [height, width])
        .map_err(|e| network.refused(&e))?;
    let count = prompt.tokens();
    let executable = compile(work, network, "decoder", [count, 0], || {
        network.network.decoder_graph(count)
    })?;
    let outputs = execute(
        work,
        &*executable,
        &maps.iter().chain([&tokens]).collect::<Vec<_>>(),
        ("sam, finding the object", &|_| work.observer.cancelled()),
    )?;
    let [logits, iou] = outputs.as_slice() else {
        return Err(unusable(format!("{} outputs, wanted 2", outputs.len())));
    };
    let (logits, iou) = (
        logits.as_f32().unwrap_or_default(),
        iou.as_f32().unwrap_or_default(),
    );
    if iou.is_empty()
        || !logits.len().is_multiple_of(iou.len())
        || iou.iter().chain(logits).any(|v| !v.is_finite())
    {
        return Err(unusable(format!(
            "{} logits and {} qualities, not all finite",
            logits.len(),
            iou.len()
        )));
    }
    let plane = logits.len() / iou.len();
    let answer = |row: usize| {
        let logits = &logits[row * plane..][..plane];
        let data = network.network.mask(logits, [height, width]);
        Mask {
            width,
            height,
            data,
        }
    };
    if prompt.points.len() > 1 || prompt.rectangle.is_some() {
        return Ok(meant(iou, choice, answer));
    }
    let (side, resized) = (
        network.network.side_px(),
        network.network.resized(height, width),
    );
    let share = |row: usize| share_of_photo(&logits[row * plane..][..plane], side, resized);
    let order = by_click(iou, network.click_margin, share);
    let (mask, place) = meant(&order, choice, answer);
    let row = order.iter().position(|other| *other == place);
    Ok((mask, row.map_or(place, |row| iou[row])))
}

/// Predicted qualities of the masks of a single click, so that the likeliest has the highest: the largest mask that is no more than
/// `margin` worse than the best and covers a thing's `share` of the photo is raised above it.
fn by_click(iou: &[f32], margin: f32, share: impl Fn(usize) -> f64) -> Vec<f32> {
    let mut order = iou.to_vec();
    let best = choose(iou, Choice::Ranked(0)).1;
    let near = (1..iou.len()).filter(|row| margin > 0.0 && iou[*row] >= best - margin);
    let things = near
        .map(|row| (row, share(row)))
        .filter(|(_, share)| *share > 0.0 && *share < CLICK_SHARE_MAX);
    if let Some((row, _)) = things.max_by(|a, b| a.1.total_cmp(&b.1)) {
        order[row] = best + margin;
    }
    order
}

/// The share of the photo that a small mask covers, by its logits above 0 within the part of the square of `side` that the photo takes.
fn share_of_photo(logits: &[f32], side: usize, [rows, columns]: [usize; 2]) -> f64 {
    let low = logits.len().isqrt();
    let part = |length: usize| (length * low).div_ceil(side).clamp(1, low);
    let inside = logits.chunks_exact(low).take(part(rows));
    let masked = inside
        .flat_map(|row| &row[..part(columns)])
        .filter(|v| **v > 0.0);
    masked.count() as f64 / (part(rows) * part(columns)) as f64
}

/// The mask of `choice` and its predicted quality. A click means a thing in the photo, not all of it: where the likeliest of the masks
/// that one click may mean is nearly all, the likeliest of a thing's share is taken, or else of less than all.
fn meant(iou: &[f32], choice: Choice, answer: impl Fn(usize) -> Mask) -> (Mask, f32) {
    let of = |(row, quality)| (answer(row), quality);
    let (mask, quality) = of(choose(iou, choice));
    if choice != Choice::Ranked(0) || !is_whole(&mask) {
        return (mask, quality);
    }
    let next = (1..iou.len().saturating_sub(1)).map(|rank| choose(iou, Choice::Ranked(rank)));
    let (things, others): (Vec<_>, Vec<_>) = next
        .map(of)
        .filter(|(mask, _)| mask.count() > 0 && !is_whole(mask))
        .partition(|(mask, _)| covered(mask) < CLICK_SHARE_MAX);
    let found = things.into_iter().chain(others).next();
    found.unwrap_or((mask, quality))
}

/// The share of the photo that a mask covers.
fn covered(mask: &Mask) -> f64 {
    mask.count() as f64 / mask.data.len() as f64
}

/// Whether a mask is nearly the whole photo.
fn is_whole(mask: &Mask) -> bool {
    covered(mask) > WHOLE_SHARE
}

fn compile(
    work: &Work<'_>,
    network: &SegmentNetwork,
    part: &str,
    [height, width]: [usize; 2],
    graph: impl FnOnce() -> Result<Graph, EngineError>,
) -> Result<Arc<dyn Executable>, PluginError> {
    let key = ExecutableKey {
        sha256: format!("{} {part}", network.sha256),
        height,
        width,
    };
    let during = format!("building {}'s {part}", network.name);
    work.executables.get(key, work.backend, || {
        graph().map_err(|source| PluginError::Engine {
            during,
            source: Box::new(source),
        })
    })
}

fn execute(
    work: &Work<'_>,
    executable: &dyn Executable,
    inputs: &[&Tensor],
    (during, watch): (&str, &dyn Fn(f32) -> bool),
) -> Result<Vec<Tensor>, PluginError> {
    let views: Vec<_> = inputs.iter().map(|tensor| tensor.view()).collect();
    executable.run_until(&views, watch).map_err(|source| {
        if source.retryable() {
            work.executables.clear();
        }
        match source {
            EngineError::Cancelled => PluginError::Cancelled {
                before: format!("the end of {during}"),
            },
            source => PluginError::Engine {
                during: during.to_string(),
                source: Box::new(source),
            },
        }
    })
}

fn unusable(detail: String) -> PluginError {
    PluginError::Output {
        plugin: NAME,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(points: &[(f64, f64, u8)], boxes: Option<[f64; 4]>) -> Prompts {
        Prompts {
            points: points.to_vec(),
            boxes,
            ..Prompts::default()
        }
    }

    #[test]
    fn a_click_on_all_of_the_photo_means_the_next_thing_in_it() {
        // The first row is the answer for many prompts; the rest are ranked by their quality.
        let iou = [0.1, 0.9, 0.5, 0.7];
        let masks = |sizes: [usize; 4]| {
            move |row: usize| {
                let mut mask = Mask::empty(10, 10);
                mask.data[..sizes[row]].fill(255);
                mask
            }
        };
        for (sizes, choice, want) in [
            ([5, 40, 20, 60], Choice::Ranked(0), (40, 0.9)),
            ([5, 99, 20, 60], Choice::Ranked(0), (20, 0.5)),
            ([5, 99, 50, 60], Choice::Ranked(0), (60, 0.7)),
            ([5, 99, 20, 95], Choice::Ranked(0), (20, 0.5)),
            ([5, 99, 20, 0], Choice::Ranked(0), (20, 0.5)),
            // Nothing else was meant: the runner refuses it.
            ([5, 99, 100, 0], Choice::Ranked(0), (99, 0.9)),
            ([5, 99, 20, 60], Choice::Ranked(1), (60, 0.7)),
            ([95, 99, 20, 60], Choice::Single, (95, 0.1)),
        ] {
            let (mask, quality) = meant(&iou, choice, masks(sizes));
            assert_eq!((mask.count(), quality), want, "{sizes:?} {choice:?}");
        }
    }

    #[test]
    fn a_click_takes_the_largest_of_the_masks_that_are_nearly_as_good() {
        let shares = [0.0, 0.05, 0.2, 0.6];
        let order = |iou: &[f32], margin| {
            let order = by_click(iou, margin, |row| shares[row]);
            [0, 1, 2].map(|rank| choose(&order, Choice::Ranked(rank)).0)
        };
        let near = [0.99, 0.90, 0.86, 0.88];
        assert_eq!(order(&near, 0.0), [1, 3, 2], "by quality alone");
        assert_eq!(
            order(&near, 0.05),
            [2, 1, 3],
            "the photo's greater part is no thing"
        );
        assert_eq!(order(&near, 0.03), [1, 3, 2], "too much worse");
        assert_eq!(
            order(&[0.99, 0.1, 0.2, 0.9], 0.05),
            [3, 2, 1],
            "the best by far, whatever it covers"
        );
    }

    #[test]
    fn the_share_counts_within_the_photo_alone() {
        // A photo half as high as wide takes the upper half of the square.
        let logits: Vec<f32> = (0..16)
            .map(|i| if (4..8).contains(&i) { -1.0 } else { 1.0 })
            .collect();
        assert_eq!(share_of_photo(&logits, 64, [32, 64]), 0.5);
    }

    #[test]
    fn positions_outside_the_photo_are_refused_by_name() {
        let size = [20, 30];
        assert!(
            read(
                &prompts(&[(29.5, 19.5, 1)], Some([30.0, 20.0, 0.0, 0.0])),
                size
            )
            .is_ok()
        );
        for (points, boxes, name) in [
            (vec![(31.0, 1.0, 1)], None, "sam.points"),
            (vec![(f64::NAN, 1.0, 1)], None, "sam.points"),
            (vec![], Some([0.0, 0.0, 10.0, 21.0]), "sam.box"),
            (vec![], Some([f64::INFINITY, 0.0, 10.0, 2.0]), "sam.box"),
        ] {
            let text = read(&prompts(&points, boxes), size)
                .unwrap_err()
                .to_string();
            assert!(text.contains(name) && text.contains("30"), "{text}");
        }
        assert!(matches!(
            read(&prompts(&[], None), size),
            Err(PluginError::NoMask)
        ));
    }
}
