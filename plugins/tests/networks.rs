//! The shipped networks that fill holes, end to end on the CPU.

use std::path::Path;
use std::sync::Arc;

use cleanplate_engine::{BackendChoice, EngineOptions, open};
use cleanplate_models::ModelStore;
use cleanplate_pictures::{Limits, Mask, Photo, Samples, decode};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::{NoObserver, Request, RunLimits, Runner};

fn runner(dir: &Path) -> Runner {
    let backend = open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    Runner::new(
        backend,
        Arc::new(ModelStore::open(dir).unwrap()),
        RunLimits::default(),
    )
}

/// A magenta object on a photo of 60 x 40 pixels, and its mask.
fn magenta() -> (Photo, Mask) {
    let fixture = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../pictures/tests/fixtures/upright.png"
    ))
    .unwrap();
    let mut photo = decode(&fixture, &Limits::default()).unwrap();
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
    (photo, mask)
}

#[test]
fn the_shipped_networks_fill_with_the_colours_around() {
    let dir = tempfile::tempdir().unwrap();
    let runner = runner(dir.path());
    // No fill that looks at the surroundings may contain the object's colour.
    let (photo, mask) = magenta();
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

#[test]
fn a_network_looks_mirrored_and_enlarged() {
    let dir = tempfile::tempdir().unwrap();
    let runner = runner(dir.path());
    let (photo, mask) = magenta();
    let width = photo.width;
    let set = cleanplate_plugins::pipelines::<&str>(&crate::builtin(), &[]).unwrap();
    let filled = |photo: &Photo, mask: &Mask, settings: &[(&str, &str)]| {
        let overrides = settings.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let request = Request {
            photo: photo.clone(),
            mask: Some(mask.clone()),
            prompts: None,
            overrides: overrides.collect(),
            frame: None,
        };
        let outcome = runner.run(set.get("migan").unwrap(), request, &NoObserver);
        match outcome.unwrap().photo.samples {
            Samples::U8(samples) => samples,
            _ => panic!(),
        }
    };
    let flipped = |values: &[u8], each: usize| -> Vec<u8> {
        let rows = values.chunks_exact(width * each);
        rows.flat_map(|row| row.chunks_exact(each).rev().flatten().copied())
            .collect()
    };
    let (mut other, mut other_mask) = (photo.clone(), mask.clone());
    let Samples::U8(samples) = &mut other.samples else {
        panic!()
    };
    *samples = flipped(samples, 3);
    other_mask.data = flipped(&mask.data, 1);
    let plain = filled(&photo, &mask, &[]);
    let mirrored = filled(&other, &other_mask, &[("network.mirrored", "true")]);
    assert_eq!(flipped(&mirrored, 3), plain);
    assert_ne!(
        filled(&photo, &mask, &[("network.mirrored", "true")]),
        plain
    );

    let enlarged = filled(&photo, &mask, &[("network.working_px_min", "128")]);
    assert_ne!(enlarged, plain);
    let Samples::U8(before) = &photo.samples else {
        panic!()
    };
    for (i, px) in enlarged.chunks_exact(3).enumerate() {
        let magenta = i32::from(px[0].min(px[2])) - i32::from(px[1]);
        assert!(mask.data[i] == 0 || magenta < 60, "pixel {i} is {px:?}");
        let far = i % width < 10 || i % width > 44;
        assert!(!far || *px == before[i * 3..i * 3 + 3], "pixel {i}");
    }
}
