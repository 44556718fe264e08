//! Pipelines with several candidates: who fills what, what is kept, which pipelines are refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use cleanplate_engine::{Backend, CpuBackend, EngineOptions};
use cleanplate_pictures::{Limits, Mask, Photo, Rect, decode};
use cleanplate_pipeline::models::{InpaintNetwork, Networks};
use cleanplate_pipeline::{
    BUCKET_PX, Choice, Crop, CropPlan, Fill, NoObserver, Outcome, Pipeline, Pixel, PluginError,
    PluginInfo, Plugins, Request, RunLimits, Runner, Score, Stage, View, Work, plan, regions,
};
use serde::Deserialize;

/// Fills every crop with one gray; joins holes up to a crop of `joined_px`.
#[derive(Deserialize)]
struct Gray {
    value: f32,
    joined_px: usize,
    scaled: bool,
}

impl Stage for Gray {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let wish = CropPlan {
            side_px_min: 0,
            context_px_min: 80,
            context_share: 0.0,
            working_px_max: self.joined_px,
            working_px_min: 0,
            bucket_px: BUCKET_PX,
        };
        let (grid, planned) = plan(&work.alpha, &wish)?;
        for crop in planned {
            let by = if self.scaled { 2 } else { 1 };
            let (width, height) = (crop.rect.width() / by, crop.rect.height() / by);
            work.crops.push(Crop {
                rect: crop.rect,
                group: crop.group,
                grid: Arc::clone(&grid),
                fill: Fill {
                    width,
                    height,
                    rgb: vec![self.value; 3 * width * height],
                },
                alpha: None,
            });
        }
        Ok(())
    }
}

/// Keeps the darkest fill on the left half of the photo, the brightest on the right; looks at the views.
#[derive(Deserialize)]
struct Judge {}

impl Stage for Judge {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        for region in regions(&work.candidates, &work.alpha) {
            let rect = region.hole.grown(40, work.photo.width, work.photo.height);
            let size = (rect.width() / 3, rect.height() / 3);
            let view = View::of(work, &region, rect, size);
            assert!((view.width, view.height) == size && view.pixels.contains(&Pixel::Known));
            let looks: Vec<f32> = (0..work.candidates.len())
                .map(|i| {
                    let crops = region.crops[i]
                        .iter()
                        .map(|at| &work.candidates[i].crops[*at]);
                    let filled = view.filled(crops);
                    let holes = view.pixels.iter().zip(filled.chunks_exact(3));
                    let values: Vec<f32> = holes
                        .filter(|(pixel, _)| **pixel == Pixel::Hole)
                        .map(|(_, rgb)| rgb[0])
                        .collect();
                    assert!(values.iter().all(|v| (v - values[0]).abs() < 1e-6));
                    values[0]
                })
                .collect();
            let sign = if region.hole.x0 < work.photo.width / 2 {
                1.0
            } else {
                -1.0
            };
            let best =
                (0..looks.len()).min_by(|a, b| (sign * looks[*a]).total_cmp(&(sign * looks[*b])));
            let best = best.unwrap();
            let choice = Choice {
                hole: [
                    region.hole.x0,
                    region.hole.y0,
                    region.hole.x1,
                    region.hole.y1,
                ],
                candidate: work.candidates[best].name.clone(),
                reason: "by its gray".to_string(),
                scores: work
                    .candidates
                    .iter()
                    .zip(&looks)
                    .map(|(candidate, look)| Score {
                        candidate: candidate.name.clone(),
                        score: -sign * look,
                    })
                    .collect(),
            };
            work.keep(&region, best, choice);
        }
        Ok(())
    }
}

macro_rules! plugin {
    ($name:literal, $stage:literal, $kind:ty, $parameters:literal) => {
        PluginInfo::builtin::<$kind>(concat!(
            "name = \"",
            $name,
            "\"\nversion = \"1.0.0\"\nstage = \"",
            $stage,
            "\"\nentry = \"builtin\"\ndescription = \"For tests.\"\n",
            $parameters
        ))
    };
}

static DARK: PluginInfo = plugin!(
    "dark",
    "inpaint",
    Gray,
    r#"
    parameters.value = { type = "number", range = [0, 1], default = 0.125, doc = "x" }
    parameters.joined_px = { type = "integer", range = [0, 9999], default = 64, doc = "x" }
    parameters.scaled = { type = "boolean", default = true, doc = "x" }
    "#
);
static BRIGHT: PluginInfo = plugin!(
    "bright",
    "inpaint",
    Gray,
    r#"
    parameters.value = { type = "number", range = [0, 1], default = 0.75, doc = "x" }
    parameters.joined_px = { type = "integer", range = [0, 9999], default = 1024, doc = "x" }
    parameters.scaled = { type = "boolean", default = false, doc = "x" }
    "#
);
static JUDGE: PluginInfo = plugin!("judge", "curate", Judge, "");
static ALL: [&PluginInfo; 3] = [&DARK, &BRIGHT, &JUDGE];

struct NoNetworks;

impl Networks for NoNetworks {
    fn inpaint(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        Err(PluginError::Unavailable {
            what: name.to_string(),
            remedy: String::new(),
        })
    }
}

fn parse(steps: &str) -> Result<Pipeline, PluginError> {
    let plugins = Plugins::load::<&str>(&ALL, &[]).unwrap();
    let text = format!("name = \"test\"\ndescription = \"x\"\n{steps}");
    Pipeline::parse(&plugins, "test.toml", &text)
}

fn step(plugin: &str, candidate: &str) -> String {
    let candidate = match candidate {
        "" => String::new(),
        name => format!("candidate = \"{name}\"\n"),
    };
    format!("[[step]]\nplugin = \"{plugin}\"\n{candidate}")
}

fn photo(width: usize, height: usize) -> Photo {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let data: Vec<u8> = (0..width * height * 3)
        .map(|i| (i * 31 % 251) as u8)
        .collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    drop(writer);
    decode(&out, &Limits::default()).unwrap()
}

fn holes(width: usize, height: usize, rects: &[Rect]) -> Mask {
    let mut mask = Mask::empty(width, height);
    for r in rects {
        for y in r.y0..r.y1 {
            mask.data[y * width + r.x0..y * width + r.x1].fill(255);
        }
    }
    mask
}

fn run(steps: &str, mask: Mask) -> Outcome {
    run_with(steps, mask, 0)
}

fn run_with(steps: &str, mask: Mask, alternatives_max: usize) -> Outcome {
    let backend: Arc<dyn Backend> = Arc::new(CpuBackend::new(&EngineOptions::default()));
    let runner = Runner::new(backend, Arc::new(NoNetworks), RunLimits::default());
    let request = Request {
        photo: photo(mask.width, mask.height),
        mask: Some(mask),
        prompts: None,
        overrides: Vec::new(),
        frame: None,
    };
    let pipeline = parse(steps).unwrap();
    runner
        .run_with_alternatives(&pipeline, request, alternatives_max, &NoObserver)
        .unwrap()
}

const LEFT: Rect = Rect {
    x0: 40,
    y0: 60,
    x1: 130,
    y1: 150,
};
const RIGHT: Rect = Rect {
    x0: 700,
    y0: 300,
    x1: 790,
    y1: 380,
};

fn both() -> String {
    step("dark", "a") + &step("bright", "b") + &step("judge", "")
}

#[test]
fn each_region_keeps_its_own_best_fill_and_nothing_else_changes() {
    let mask = holes(900, 500, &[LEFT, RIGHT]);
    let before = photo(900, 500);
    let outcome = run(&both(), mask);
    let kept: Vec<&str> = outcome
        .choices
        .iter()
        .map(|c| c.candidate.as_str())
        .collect();
    assert_eq!(kept, ["a", "b"]);
    assert_eq!(
        outcome.choices[0].hole,
        [LEFT.x0, LEFT.y0, LEFT.x1, LEFT.y1]
    );
    for (rect, value) in [(LEFT, 32), (RIGHT, 191)] {
        let found = outcome.photo.crop_rgb8(rect);
        assert!(found.iter().all(|v| *v == value), "{:?}", &found[..6]);
    }
    let around = LEFT.grown(1, 900, 500);
    let ring = |p: &Photo| {
        p.crop_rgb8(Rect {
            y1: around.y0 + 1,
            ..around
        })
    };
    assert_eq!(ring(&outcome.photo), ring(&before));
    let branches: Vec<Option<&str>> = outcome
        .stages
        .iter()
        .map(|s| s.candidate.as_deref())
        .collect();
    assert_eq!(branches, [Some("a"), Some("b"), None, None]);
}

#[test]
fn every_candidate_can_be_had_alone_and_changes_nothing_of_the_result() {
    let one = || holes(900, 500, &[LEFT]);
    let (plain, outcome) = (run(&both(), one()), run_with(&both(), one(), 5));
    assert!(plain.alternatives.is_empty());
    assert_eq!(
        outcome.photo.crop_rgb8(LEFT),
        plain.photo.crop_rgb8(LEFT),
        "the result is the same"
    );
    let [kept, other] = &outcome.alternatives[..] else {
        panic!("{} alternatives", outcome.alternatives.len());
    };
    assert_eq!((kept.name.as_str(), kept.chosen), ("a", true));
    assert!(kept.photo.is_none(), "it is the result");
    assert_eq!((other.name.as_str(), other.chosen), ("b", false));
    assert!(other.score < kept.score);
    let photo = other.photo.as_ref().unwrap();
    assert!(photo.crop_rgb8(LEFT).iter().all(|v| *v == 191));
    assert_eq!(photo.crop_rgb8(RIGHT), plain.photo.crop_rgb8(RIGHT));
    let last = outcome.stages.last().unwrap();
    assert_eq!(
        (last.plugin.as_str(), last.candidate.as_deref()),
        ("composite", Some("b"))
    );

    // Where each region keeps another one, no candidate alone is the result.
    let two = run_with(&both(), holes(900, 500, &[LEFT, RIGHT]), 1);
    let [first] = &two.alternatives[..] else {
        panic!("one was asked for");
    };
    assert!(!first.chosen && first.photo.is_some());
}

#[test]
fn crops_that_one_candidate_joins_are_judged_together() {
    // Near enough that `bright` fills both in one crop, `dark` each by itself.
    let near = Rect {
        x0: 260,
        x1: 330,
        ..LEFT
    };
    let outcome = run(&both(), holes(900, 500, &[LEFT, near]));
    assert_eq!(outcome.choices.len(), 1);
    assert_eq!(
        outcome.choices[0].hole,
        [LEFT.x0, LEFT.y0, near.x1, LEFT.y1]
    );
    for rect in [LEFT, near] {
        assert!(outcome.photo.crop_rgb8(rect).iter().all(|v| *v == 32));
    }
}

#[test]
fn pipelines_that_make_no_sense_are_refused() {
    let wrong = [
        (
            step("dark", "a") + &step("judge", ""),
            "2 candidates or more",
        ),
        (
            step("dark", "") + &step("judge", ""),
            "no candidates for it",
        ),
        (step("dark", "a") + &step("bright", "b"), "0 curate plugins"),
        (
            step("dark", "a") + &step("dark", "a") + &step("bright", "b") + &step("judge", ""),
            "has 2 inpaint plugins",
        ),
        (
            step("dark", "a") + &step("bright", "b") + &step("dark", "a") + &step("judge", ""),
            "stand together",
        ),
        (
            step("judge", "") + &step("dark", "a") + &step("bright", "b"),
            "before the curate plugin",
        ),
        (
            step("dark", "") + &both(),
            "1 inpaint plugins of no candidate",
        ),
        (
            step("dark", "a") + &step("judge", "a") + &step("bright", "b") + &step("judge", ""),
            "it may have inpaint, refine and finish",
        ),
    ];
    for (steps, expected) in wrong {
        let error = parse(&steps).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "{error:?} lacks {expected:?} for\n{steps}"
        );
    }
    let named = parse(&(step("dark", "a/b") + &step("bright", "b") + &step("judge", "")));
    assert!(named.unwrap_err().to_string().contains("\"a/b\""));
    assert!(parse(&both()).is_ok());
}
