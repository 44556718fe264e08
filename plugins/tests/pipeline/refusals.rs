//! Errors and cancellation.

use cleanplate_pipeline::parameter::Value;

use super::*;

#[test]
fn short_memory_retries_smaller_and_says_so() {
    let before = photo(700, 700, png::ColorType::Rgb, png::BitDepth::Eight);
    let hole = mask(
        700,
        700,
        &[Rect {
            x0: 200,
            y0: 200,
            x1: 500,
            y1: 500,
        }],
    );
    let b = bench(400 * 400);
    let outcome = b
        .runner
        .run(
            &pipeline("lama"),
            request(&before, hole.clone(), &[("lama.working_px_max", "auto")]),
            &NoObserver,
        )
        .unwrap();
    assert_eq!(*b.sizes.lock().unwrap(), [(336, 336)]);
    assert!(
        outcome.warnings.len() == 1
            && outcome.warnings[0].contains("336x336")
            && outcome.warnings[0].contains("512x512"),
        "{:?}",
        outcome.warnings
    );
    let error = bench(100)
        .runner
        .run(&pipeline("lama"), request(&before, hole, &[]), &NoObserver)
        .unwrap_err();
    assert!(
        matches!(&error, PluginError::Engine { source, .. } if matches!(**source, EngineError::Memory { .. })),
        "{error}"
    );
}

#[test]
fn masks_that_cannot_be_served_are_named() {
    let p = photo(40, 30, png::ColorType::Rgb, png::BitDepth::Eight);
    let run = |r: Request| {
        bench(usize::MAX)
            .runner
            .run(&pipeline("lama-small"), r, &NoObserver)
            .unwrap_err()
    };
    let all = Rect {
        x0: 0,
        y0: 0,
        x1: 40,
        y1: 30,
    };
    type Expected = fn(&PluginError) -> bool;
    let cases: [(_, Expected); 7] = [
        (request(&p, Mask::empty(40, 30), &[]), |error| {
            matches!(error, PluginError::EmptyMask)
        }),
        (request(&p, mask(40, 30, &[all]), &[]), |error| {
            matches!(error, PluginError::WholeImageMask)
        }),
        (request(&p, Mask::empty(30, 40), &[]), |error| {
            matches!(error, PluginError::MaskSize { .. })
        }),
        (
            Request {
                mask: None,
                ..request(&p, Mask::empty(1, 1), &[])
            },
            |error| matches!(error, PluginError::NoMask),
        ),
        (
            request(
                &p,
                mask(40, 30, &[Rect { x1: 3, ..all }]),
                &[("grow.radius_px", "251")],
            ),
            |error| matches!(error, PluginError::Parameter { .. }),
        ),
        (
            request(
                &p,
                mask(40, 30, &[Rect { x1: 3, ..all }]),
                &[("grow.radius", "1")],
            ),
            |error| matches!(error, PluginError::Unknown { .. }),
        ),
        (
            request(
                &p,
                mask(40, 30, &[Rect { x1: 3, ..all }]),
                &[("gro.radius_px", "1")],
            ),
            |error| matches!(error, PluginError::Unknown { .. }),
        ),
    ];
    for (r, expected) in cases {
        let error = run(r);
        assert!(expected(&error), "{error:?}");
    }
    let prompts = Some(Prompts {
        points: vec![(1.0, 2.0, 1)],
        boxes: None,
        ..Prompts::default()
    });
    let error = run(Request {
        mask: None,
        prompts,
        ..request(&p, Mask::empty(1, 1), &[])
    });
    assert!(
        matches!(error, PluginError::Unavailable { .. })
            && error.to_string().contains("send a mask"),
        "{error}"
    );
}

#[test]
fn override_errors_name_plugin_parameter_range_and_nearest() {
    let p = pipeline("lama-small");
    let error = |path: &str, value: &str| {
        p.with_overrides(&[(path.to_string(), value.to_string())])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error("grow.radius_px", "300"),
        "grow.radius_px = \"300\": expected a whole number from 0 to 250 (px of the photo), or \"auto\""
    );
    assert!(error("grow.radus_px", "3").contains("did you mean \"radius_px\""));
    assert!(error("growl.radius_px", "3").contains("did you mean \"grow\""));
    for bad in ["NaN", "1e99", "-1", "2.5", "", "0x10"] {
        assert!(
            p.with_overrides(&[("grow.radius_px".to_string(), bad.to_string())])
                .is_err(),
            "{bad}"
        );
    }
    let set = p
        .with_overrides(&[
            ("grow.radius_px".to_string(), "auto".to_string()),
            ("feather.width_px".to_string(), "0".to_string()),
        ])
        .unwrap();
    let feather = set
        .steps
        .iter()
        .find(|step| step.plugin == "feather")
        .expect("the default pipeline feathers");
    let width = feather.values.iter().find(|(name, _)| *name == "width_px");
    assert_eq!(width.unwrap().1, &Value::Number(0.0));
}

#[test]
fn cancelling_stops_between_stages_and_between_crops() {
    let before = photo(1600, 700, png::ColorType::Grayscale, png::BitDepth::Eight);
    let far_apart = [
        Rect {
            x0: 100,
            y0: 300,
            x1: 130,
            y1: 330,
        },
        Rect {
            x0: 1400,
            y0: 300,
            x1: 1430,
            y1: 330,
        },
    ];
    for (stage, runs, before_what) in [("feather", 0, "lama"), ("lama", 1, "crop 2 of 2")] {
        let b = bench(usize::MAX);
        let observer = CancelAfter(stage, AtomicBool::new(false));
        let error = b
            .runner
            .run(
                &pipeline("lama-small"),
                request(&before, mask(1600, 700, &far_apart), &[]),
                &observer,
            )
            .unwrap_err();
        assert!(
            matches!(&error, PluginError::Cancelled { before } if before.contains(before_what)),
            "{error}"
        );
        assert_eq!(b.sizes.lock().unwrap().len(), runs);
    }
}

#[test]
fn pipeline_files_are_checked_and_user_files_replace_builtin_ones() {
    let bad = [
        (
            "step = []\nname = \"x\"\ndescription = \"\"",
            "0 inpaint plugins",
        ),
        (
            "name = \"x\"\ndescription = \"\"\n[[step]]\nplugin = \"lma\"",
            "did you mean \"lama\"",
        ),
        (
            "name = \"x\"\ndescription = \"\"\n[[step]]\nplugin = \"lama\"\n[[step]]\nplugin = \"grow\"",
            "stages run segment, mask",
        ),
        (
            "name = \"x\"\ndescription = \"\"\n[[step]]\nplugin = \"lama\"\nparameters.context_px_min = 1",
            "from 16 to 1024",
        ),
        ("name = \"x\"\ndescription = \"\"\nsteps = 1\n", "line 3"),
    ];
    for (text, says) in bad {
        let error = Pipeline::parse(&crate::builtin(), "mine.toml", text)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(says) && error.starts_with("mine.toml"),
            "{error}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("a.toml"),
        "name = \"default\"\ndescription = \"mine\"\n[[step]]\nplugin = \"lama\"\n",
    )
    .unwrap();
    let set = cleanplate_plugins::pipelines(
        &crate::builtin(),
        &[dir.path(), std::path::Path::new("/nonexistent/folder")],
    )
    .unwrap();
    assert_eq!(
        (
            set.list().len(),
            set.get("default").unwrap().description.as_str()
        ),
        (cleanplate_plugins::PIPELINES.len(), "mine")
    );
    assert!(
        set.get("defualt")
            .unwrap_err()
            .to_string()
            .contains("did you mean \"default\"")
    );
}
