//! The shipped networks that fill holes, end to end on the CPU.

use std::sync::Arc;

use cleanplate_engine::{BackendChoice, EngineOptions, open};
use cleanplate_models::ModelStore;
use cleanplate_pictures::{Limits, Mask, Samples, decode};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::{NoObserver, Request, RunLimits, Runner};

#[test]
fn the_shipped_networks_fill_with_the_colours_around() {
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
    let fixture = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../pictures/tests/fixtures/upright.png"
    ))
    .unwrap();
    let mut photo = decode(&fixture, &Limits::default()).unwrap();
    // A magenta object on the photo: no fill that looks at the surroundings may contain its colour.
    let mut mask = Mask::empty(photo.width, photo.height);
    let Samples::U8(samples) = &mut photo.samples else {
        panic!()
    };
    for y in 15..27 {
        for x in 20..34 {
            mask.data[y * 60 + x] = 255;
            samples[(y * 60 + x) * 3..][..3].copy_from_slice(&[255, 0, 255]);
        }
    }
    let set = cleanplate_plugins::pipelines::<&str>(&crate::builtin(), &[]).unwrap();
    let request = || Request {
        photo: photo.clone(),
        mask: Some(mask.clone()),
        prompts: None,
        overrides: Vec::new(),
        frame: None,
    };
    for (pipeline, model) in [("lama-small", "lama-small"), ("migan", "migan-512")] {
        let run = || runner.run(set.get(pipeline).unwrap(), request(), &NoObserver);
        let outcome = run().unwrap();
        let Samples::U8(after) = &outcome.photo.samples else {
            panic!()
        };
        for (i, px) in after
            .chunks_exact(3)
            .enumerate()
            .filter(|(i, _)| mask.data[*i] != 0)
        {
            let magenta = i32::from(px[0].min(px[2])) - i32::from(px[1]);
            assert!(magenta < 60, "{pipeline}: pixel {i} is {px:?}");
        }
        let used: Vec<&str> = outcome
            .models
            .iter()
            .map(|used| used.name.as_str())
            .collect();
        assert_eq!(used, [model]);
        assert_eq!(outcome.models[0].sha256.len(), 64);
        assert!(
            run().unwrap().photo == outcome.photo,
            "{pipeline}: the same request gives the same bytes"
        );
    }

    let absent = runner
        .run(set.get("big-lama").unwrap(), request(), &NoObserver)
        .unwrap_err();
    assert!(
        matches!(&absent, PluginError::Unavailable { remedy, .. } if remedy.contains("models")),
        "{absent}"
    );
}
