//! Clicks and boxes with a small published-shape network, end to end on the CPU.

use std::path::Path;
use std::sync::Arc;

use cleanplate_engine::{BackendChoice, EngineOptions, open};
use cleanplate_models::{Limits as ModelLimits, ModelStore, registry};
use cleanplate_pictures::{Limits, Photo, decode};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::{NoObserver, Outcome, Pipeline, Prompts, Request, RunLimits, Runner};

const PIPELINE: &str = r#"
name = "clicked"
description = "Exactly what the network marks."
[[step]]
plugin = "sam"
parameters = { model = "tiny", island_share = 0.0, hole_share = 0.0, edge_share = 0.0 }
[[step]]
plugin = "lama"
parameters = { model = "lama-small", working_px_max = 128 }
"#;

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sam/golden/sam_vit_tiny.safetensors.gz")
}

fn photo(rgb: &[u8], height: usize, width: usize) -> Photo {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(rgb)
        .unwrap();
    decode(&out, &Limits::default()).unwrap()
}

fn overlap(outcome: &Outcome, want: &[u8]) -> f64 {
    let pairs = || {
        outcome
            .mask
            .data
            .iter()
            .zip(want)
            .map(|(a, b)| (*a > 0, *b > 0))
    };
    pairs().filter(|(a, b)| *a && *b).count() as f64
        / pairs().filter(|(a, b)| *a || *b).count() as f64
}

#[test]
fn one_click_gives_the_published_mask_and_the_second_prompt_skips_the_encoder() {
    let dir = tempfile::tempdir().unwrap();
    let store = ModelStore::open(dir.path()).unwrap();
    let published = dir.path().join("published.bin");
    std::fs::write(&published, registry::published_weights(&golden()).unwrap()).unwrap();
    store.import(&published, "tiny", &mut |_| ()).unwrap();
    let refused = store
        .import(&published, "mobile-sam", &mut |_| ())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("mobile-sam") && refused.contains("--as"),
        "{refused}"
    );

    let file = registry::read(&golden(), &ModelLimits::default()).unwrap();
    let image = file.get("case0.image").unwrap();
    let (height, width) = (image.shape()[0], image.shape()[1]);
    let photo = photo(&image.to_bytes().unwrap(), height, width);
    let want = file
        .get("case0.prompt0.expect.mask_u8")
        .unwrap()
        .to_bytes()
        .unwrap();
    let best = file
        .get("case0.prompt0.expect.iou")
        .unwrap()
        .to_f32()
        .unwrap()[1..]
        .iter()
        .copied()
        .fold(f32::MIN, f32::max);

    let backend = open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let runner = Runner::new(backend, Arc::new(store), RunLimits::default());
    let pipeline = Pipeline::parse(&crate::builtin(), "clicked.toml", PIPELINE).unwrap();
    let run = |prompts: Prompts| {
        let request = Request {
            photo: photo.clone(),
            mask: None,
            prompts: Some(prompts),
            overrides: Vec::new(),
            frame: None,
        };
        runner.run(&pipeline, request, &NoObserver)
    };
    let click = Prompts {
        points: vec![(320.0, 213.5, 1)],
        boxes: None,
        ..Prompts::default()
    };
    let outcome = run(click.clone()).unwrap();
    assert!(
        overlap(&outcome, &want) > 0.995,
        "overlap {}",
        overlap(&outcome, &want)
    );
    assert!((outcome.predicted_iou.unwrap() - best).abs() < 1e-2);
    assert_eq!(outcome.models[0].name, "tiny");

    let again = run(click.clone()).unwrap();
    assert_eq!(runner.embedding_counts(), (1, 1));
    assert!(again.mask == outcome.mask);

    // Corners in any order mean the same box.
    let boxed = |b: [f64; 4]| {
        run(Prompts {
            points: vec![(256.0, 213.5, 0)],
            boxes: Some(b),
            ..Prompts::default()
        })
        .map(|o| o.mask)
    };
    match (
        boxed([64.0, 42.7, 576.0, 384.3]),
        boxed([576.0, 384.3, 64.0, 42.7]),
    ) {
        (Ok(a), Ok(b)) => assert!(a == b),
        (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
        (a, b) => panic!("{:?} and {:?}", a.map(|_| ()), b.map(|_| ())),
    }
    // Several regions are each found by themselves, and the mask is all of them.
    let box_alone = Prompts {
        boxes: Some([64.0, 42.7, 576.0, 384.3]),
        ..Prompts::default()
    };
    let both = Prompts {
        others: vec![box_alone.clone()],
        ..click.clone()
    };
    let found = |prompts: Prompts| {
        let request = Request {
            photo: photo.clone(),
            mask: None,
            prompts: Some(prompts),
            overrides: Vec::new(),
            frame: None,
        };
        runner.segment(&pipeline, request, &NoObserver).unwrap()
    };
    let alone = found(box_alone);
    let asked = || {
        let (found, missed) = runner.embedding_counts();
        found + missed
    };
    let before = asked();
    let both = found(both);
    assert_eq!(
        asked() - before,
        1,
        "the photo is prepared once for all regions"
    );
    let pairs = outcome.mask.data.iter().zip(&alone.mask.data);
    assert!(pairs.map(|(a, b)| a.max(b)).eq(&both.mask.data));
    assert!(
        both.predicted_iou <= outcome.predicted_iou && both.predicted_iou <= alone.predicted_iou
    );
    let outside = run(Prompts {
        points: vec![(700.0, 1.0, 1)],
        boxes: None,
        ..Prompts::default()
    })
    .unwrap_err();
    assert!(
        matches!(outside, PluginError::Parameter { .. }),
        "{outside}"
    );
}

#[test]
fn without_the_network_the_remedy_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let runner = Runner::new(
        backend,
        Arc::new(ModelStore::open(dir.path()).unwrap()),
        RunLimits::default(),
    );
    let text = PIPELINE.replace("\"tiny\"", "\"mobile-sam\"");
    let request = Request {
        photo: photo(&[90; 64 * 48 * 3], 48, 64),
        mask: None,
        prompts: Some(Prompts {
            points: vec![(10.0, 10.0, 1)],
            boxes: None,
            ..Prompts::default()
        }),
        overrides: Vec::new(),
        frame: None,
    };
    let error = runner
        .run(
            &Pipeline::parse(&crate::builtin(), "clicked.toml", &text).unwrap(),
            request,
            &NoObserver,
        )
        .unwrap_err();
    assert!(
        matches!(&error, PluginError::Unavailable { remedy, .. } if remedy.contains("cleanplate models")),
        "{error}"
    );
}
