//! Which of two fills is kept: one like its surroundings against one with something foreign in it.

use std::sync::Arc;

use cleanplate_engine::{CpuBackend, EngineOptions};
use cleanplate_models::ModelStore;
use cleanplate_pictures::{Limits, Mask, Photo, Rect, decode};
use cleanplate_pipeline::{
    Choice, Crop, CropPlan, Fill, Frame, NoObserver, Outcome, Pipeline, PluginError, PluginInfo,
    Plugins, Request, RunLimits, Runner, Stage, Work, plan,
};

use serde::Deserialize;

const SIDE: usize = 400;
const HOLE: Rect = Rect {
    x0: 150,
    y0: 140,
    x1: 260,
    y1: 250,
};

/// Slanted stripes with a little noise, so that no two patches are equal.
fn texture(x: usize, y: usize) -> [u8; 3] {
    let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7 & 15;
    let stripe = if (x + 2 * y) % 24 < 12 { 90 } else { 150 };
    let v = (stripe + noise) as u8;
    [v, v - 20, v - 40]
}

/// The texture itself; where it is foreign, with a red disk in its middle.
#[derive(Deserialize)]
struct Paint {
    foreign: bool,
}

impl Stage for Paint {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let wish = CropPlan {
            side_px_min: 0,
            context_px_min: 64,
            context_share: 0.5,
            working_px_max: 1024,
            working_px_min: 0,
            bucket_px: 64,
        };
        let (grid, planned) = plan(&work.alpha, &wish)?;
        for crop in planned {
            let rect = crop.rect;
            let mut rgb = Vec::new();
            for y in rect.y0..rect.y1 {
                for x in rect.x0..rect.x1 {
                    let (dx, dy) = (x as f32 - 205.0, y as f32 - 195.0);
                    let red = self.foreign && dx.hypot(dy) < 30.0;
                    let colour = if red { [200, 20, 20] } else { texture(x, y) };
                    rgb.extend(colour.map(|v| f32::from(v) / 255.0));
                }
            }
            work.crops.push(Crop {
                rect,
                group: crop.group,
                grid: Arc::clone(&grid),
                fill: Fill {
                    width: rect.width(),
                    height: rect.height(),
                    rgb,
                },
                alpha: None,
            });
        }
        Ok(())
    }
}

macro_rules! paint {
    ($name:literal, $foreign:literal) => {
        PluginInfo::builtin::<Paint>(concat!(
            "name = \"",
            $name,
            "\"\nversion = \"1.0.0\"\nstage = \"inpaint\"\nentry = \"builtin\"\ndescription = \"x\"\n",
            "parameters.foreign = { type = \"boolean\", doc = \"x\", default = ",
            $foreign,
            " }\n"
        ))
    };
}

static TRUE: PluginInfo = paint!("true", false);
static FOREIGN: PluginInfo = paint!("foreign", true);
static ALL: [&PluginInfo; 3] = [&TRUE, &FOREIGN, &cleanplate_plugins::curate::INFO];

fn photo() -> Photo {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgb);
    let place = |at: usize| (at % SIDE, at / SIDE);
    let inside =
        |x: usize, y: usize| (HOLE.x0..HOLE.x1).contains(&x) && (HOLE.y0..HOLE.y1).contains(&y);
    let data: Vec<u8> = (0..SIDE * SIDE)
        .flat_map(|at| {
            let (x, y) = place(at);
            // The object to remove.
            if inside(x, y) {
                [250, 250, 40]
            } else {
                texture(x, y)
            }
        })
        .collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    drop(writer);
    decode(&out, &Limits::default()).unwrap()
}

fn run(network: &str, patches: &str) -> Outcome {
    judged(&[("network", network), ("patches", patches)])
}

fn runner() -> Runner {
    let dir = tempfile::tempdir().unwrap();
    Runner::new(
        Arc::new(CpuBackend::new(&EngineOptions::default())),
        Arc::new(ModelStore::open(dir.path()).unwrap()),
        RunLimits::default(),
    )
}

/// What is kept of candidates `(name, plugin)`.
fn judged(candidates: &[(&str, &str)]) -> Outcome {
    run_on(&runner(), candidates, None)
}

fn run_on(runner: &Runner, candidates: &[(&str, &str)], frame: Option<Frame>) -> Outcome {
    let plugins = Plugins::load::<&str>(&ALL, &[]).unwrap();
    let step = |(name, plugin): &(&str, &str)| {
        format!("[[step]]\nplugin = \"{plugin}\"\ncandidate = \"{name}\"\n")
    };
    let steps: String = candidates.iter().map(step).collect();
    let text = format!("name = \"x\"\ndescription = \"x\"\n{steps}[[step]]\nplugin = \"curate\"\n");
    let pipeline = Pipeline::parse(&plugins, "x.toml", &text).unwrap();
    let mut mask = Mask::empty(SIDE, SIDE);
    for y in HOLE.y0..HOLE.y1 {
        mask.data[y * SIDE + HOLE.x0..y * SIDE + HOLE.x1].fill(255);
    }
    let request = Request {
        photo: photo(),
        mask: Some(mask),
        prompts: None,
        overrides: Vec::new(),
        frame,
    };
    runner.run(&pipeline, request, &NoObserver).unwrap()
}

/// The ratios of distances that a reason names: together they are what decided, and each is that of its own distances.
fn ratios(choice: &Choice) -> Vec<f32> {
    let found: Vec<f32> = choice
        .reason
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let mut scores: Vec<f32> = choice.scores.iter().map(|score| score.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let decided = (scores[0] - scores[1]).exp();
    let product: f32 = found.iter().product();
    // Two decimals of each are shown.
    let rounding = found.iter().map(|ratio| 0.005 / ratio).sum::<f32>() * decided;
    assert!((product - decided).abs() < 1.01 * rounding, "{choice:?}");
    found
}

#[test]
fn what_is_foreign_to_its_surroundings_loses_whoever_made_it() {
    for (network, patches, kept) in [
        ("foreign", "true", "patches"),
        ("true", "foreign", "network"),
    ] {
        let outcome = run(network, patches);
        let choice = &outcome.choices[0];
        assert_eq!(choice.candidate, kept, "{choice:?}");
        assert!(choice.reason.contains("times nearer"), "{choice:?}");
        assert_eq!(choice.scores.len(), 2);
        assert_eq!(ratios(choice).len(), 1, "{choice:?}");
        let middle = outcome.photo.pixel_f32(205, 195);
        assert!(
            (middle[0] - middle[1]).abs() < 0.2,
            "no red is left: {middle:?}"
        );
    }
}

#[test]
fn of_equal_fills_the_network_s_is_kept() {
    let outcome = run("true", "true");
    assert_eq!(outcome.choices[0].candidate, "network");
    let scores = &outcome.choices[0].scores;
    assert!(
        (scores[0].score - scores[1].score - 0.235).abs() < 1e-5,
        "{scores:?}"
    );
}

#[test]
fn a_frame_keeps_the_kind_of_fill_that_the_frame_before_took() {
    let runner = runner();
    let kept = |network: &str, shot: &str, number: u64| {
        let shot = shot.to_string();
        let outcome = run_on(
            &runner,
            &[("network", network), ("patches", "true")],
            Some(Frame { shot, number }),
        );
        let choice = outcome.choices[0].clone();
        (choice.candidate, choice.reason)
    };
    assert_eq!(kept("foreign", "a", 1).0, "patches");
    let (candidate, reason) = kept("true", "a", 2);
    assert!(
        candidate == "patches" && reason.contains("frame before"),
        "{candidate}: {reason}"
    );
    assert_eq!(kept("true", "a", 1).0, "network", "no frame before");
    assert_eq!(kept("true", "b", 2).0, "network", "another shot");
}

#[test]
fn of_two_looks_the_one_that_invents_nothing_is_kept() {
    for (network, closer, kept) in [
        ("foreign", "true", "closer"),
        ("true", "foreign", "network"),
        ("true", "true", "network"),
    ] {
        let outcome = judged(&[
            ("network", network),
            ("closer", closer),
            ("patches", "true"),
        ]);
        let choice = &outcome.choices[0];
        assert_eq!(choice.candidate, kept, "{choice:?}");
        assert_eq!(ratios(choice).len(), 2, "{choice:?}");
    }
    let outcome = judged(&[
        ("network", "foreign"),
        ("closer", "foreign"),
        ("patches", "true"),
    ]);
    assert_eq!(
        outcome.choices[0].candidate, "patches",
        "{:?}",
        outcome.choices
    );
}
