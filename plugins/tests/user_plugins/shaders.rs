//! Shaders of the user, and stages of the program beside them.

use super::*;

#[test]
fn the_shader_example_adds_grain_of_the_wanted_strength() {
    let folder = Folder::new().process("gray", "inpaint", GRAY, "");
    let mut plugins = folder.plugins();
    plugins.add(&examples().join("film-grain")).unwrap();
    let pipeline = pipeline(&plugins, &["gray", "film-grain"]);
    let grain = |seed: &str| {
        let overrides = [("film-grain.strength", "0.1"), ("film-grain.seed", seed)];
        hole_samples(&run_on(BackendChoice::Wgpu, &pipeline, &overrides, &NoObserver).unwrap())
    };
    let (first, again, other) = (grain("1"), grain("1"), grain("2"));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let mean = first.iter().map(|v| f64::from(*v)).sum::<f64>() / first.len() as f64;
    let deviation = (first
        .iter()
        .map(|v| (f64::from(*v) - mean).powi(2))
        .sum::<f64>()
        / first.len() as f64)
        .sqrt()
        / 255.0;
    assert!(
        (0.07..0.13).contains(&deviation) && (mean - 127.5).abs() < 10.0,
        "{deviation} {mean}"
    );
    let error = run(&pipeline, &[]).unwrap_err();
    assert!(
        matches!(&error, PluginError::Unavailable { .. })
            && error.to_string().contains("--backend wgpu"),
        "{error}"
    );
}

#[test]
fn the_seam_stage_takes_away_a_step_of_tone_and_keeps_the_gradients() {
    let truth = made(|x, y| (40 + x + y / 2) as u8);
    // The truth, 0.15 brighter; on the right half 0.9 with a limit that holds such a jump back.
    let brighter = "images['fill'] = array('f', [v + 0.15 for v in images['photo']]); send('fill')";
    let plain = finished(&truth, brighter, &[], &[]);
    assert!(
        worst(&plain, samples(&truth)) >= 37,
        "the fill is off by 38 without the stage"
    );
    let even = finished(&truth, brighter, &["seam"], &[("seam.limit", "1")]);
    // 0.15 is damped to 0.15 / (1 + 0.15^2), and across the rim the ramp of one step a pixel counts as flat.
    assert!(
        worst(&even, samples(&truth)) <= 4,
        "{}",
        worst(&even, samples(&truth))
    );
    let held = finished(&truth, brighter, &["seam"], &[("seam.limit", "0.01")]);
    assert!(
        worst(&held, &plain) <= 2,
        "beyond the limit the fill stays as it was"
    );
    let near = finished(
        &truth,
        brighter,
        &["seam"],
        &[("seam.limit", "1"), ("seam.reach_px", "4")],
    );
    let middle = 3 * (60 * SIZE.0 + 75);
    assert_eq!(
        near[middle], plain[middle],
        "the middle is beyond the reach"
    );
    let rim = 3 * (60 * SIZE.0 + 60);
    assert!(
        near[rim].abs_diff(samples(&truth)[rim]) <= 12,
        "{} at the rim, {} in the photo",
        near[rim],
        samples(&truth)[rim]
    );
}

#[test]
fn the_grain_stage_gives_a_smooth_fill_the_noise_of_the_photo() {
    let noise = |x: usize, y: usize| {
        (cleanplate_kernels::patchmatch::hash(x as u32, y as u32, 1) % 13) as u8
    };
    let truth = made(|x, y| 100 + noise(x, y));
    let smooth = "images['fill'] = array('f', [106 / 255]) * len(images['photo']); send('fill')";
    let deviation = |values: &[u8]| {
        let hole = mask();
        let all: Vec<f64> = (0..values.len())
            .filter(|i| hole.data[i / 3] != 0)
            .map(|i| f64::from(values[i]))
            .collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt()
    };
    assert!(deviation(&finished(&truth, smooth, &[], &[])) < 0.1);
    let grained = deviation(&finished(&truth, smooth, &["grain"], &[]));
    let ratio = grained / deviation(samples(&truth));
    assert!(
        (0.6..1.1).contains(&ratio),
        "{ratio} of the photo's own noise"
    );
    let twice = finished(
        &truth,
        smooth,
        &["seam", "grain"],
        &[("grain.strength", "0")],
    );
    assert!(
        worst(&twice, &finished(&truth, smooth, &["seam"], &[])) == 0,
        "no strength, no grain"
    );
}

#[test]
fn a_shader_that_takes_too_long_fails_its_job_and_the_device_serves_the_next() {
    let folder = Folder::new().process("gray", "inpaint", GRAY, "");
    let slow = folder.dir.path().join("slow");
    std::fs::create_dir(&slow).unwrap();
    let manifest = |extra: &str| {
        format!(
            "name = \"slow\"\nversion = \"1.0.0\"\nstage = \"refine\"\nentry = \"wgsl\"\ndescription = \"x\"\n[wgsl]\nshader = \"slow.wgsl\"\nimages = [\"fill\"]\ngroup_px = [1, 1]\n{extra}"
        )
    };
    std::fs::write(slow.join("plugin.toml"), manifest("time_s_max = 1\n")).unwrap();
    // Some seconds of work on two cores of a software adapter, in steps that no compiler can foresee. The adapter cuts
    // long loops short, so a workgroup for every pixel makes up for it.
    let shader = "@group(0) @binding(1) var<storage, read_write> result: array<f32>;\n@compute @workgroup_size(8, 8)\nfn main(@builtin(global_invocation_id) id: vec3<u32>) {\n    var x = id.x + 1u;\n    for (var i = 0u; i < 1500u; i += 1u) {\n        for (var j = 0u; j < 10000u; j += 1u) {\n        x ^= x << 13u;\n        x ^= x >> 17u;\n        x ^= x << 5u;\n        }\n    }\n    result[0] = f32(x >> 8u) / 16777216.0;\n}\n";
    std::fs::write(slow.join("slow.wgsl"), shader).unwrap();
    let backend = cleanplate_engine::open(&EngineOptions {
        backend: BackendChoice::Wgpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let runner = Runner::new(backend, Arc::new(NoNetworks), RunLimits::default());
    let request = || Request {
        photo: photo(),
        mask: Some(mask()),
        prompts: None,
        overrides: Vec::new(),
        frame: None,
    };
    let started = Instant::now();
    let error = runner
        .run(
            &pipeline(&folder.plugins(), &["gray", "slow"]),
            request(),
            &NoObserver,
        )
        .unwrap_err();
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    assert!(
        matches!(&error, PluginError::User { plugin, detail } if plugin == "slow" && detail.contains("time_s_max (1 s)")),
        "{error}"
    );
    std::fs::write(
        slow.join("slow.wgsl"),
        shader.replace("1500u", "1u").replace("10000u", "1u"),
    )
    .unwrap();
    // The software adapter still works on the lost dispatch, so the next one may take its time.
    std::fs::write(slow.join("plugin.toml"), manifest("")).unwrap();
    let outcome = runner
        .run(
            &pipeline(&folder.plugins(), &["gray", "slow"]),
            request(),
            &NoObserver,
        )
        .unwrap();
    assert_eq!(hole_samples(&outcome).len(), 30 * 20 * 3);
    for (extra, words) in [
        ("time_s_max = 0\n", "time_s_max = 0"),
        ("memory_mib_max = 1\n", "memory_mib_max = 1"),
        ("time_ms_max = 5\n", "time_ms_max"),
    ] {
        std::fs::write(slow.join("plugin.toml"), manifest(extra)).unwrap();
        let error = cleanplate_plugins::plugins(&[folder.dir.path()])
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_shader_that_reaches_out_of_bounds_harms_nobody() {
    let folder = Folder::new().process("gray", "inpaint", GRAY, "");
    let wild = folder.dir.path().join("wild");
    std::fs::create_dir(&wild).unwrap();
    let manifest = "name = \"wild\"\nversion = \"1.0.0\"\nstage = \"refine\"\nentry = \"wgsl\"\ndescription = \"x\"\n[wgsl]\nshader = \"wild.wgsl\"\nimages = [\"photo\", \"fill\", \"hole\"]\ngroup_px = [8, 8]\n";
    std::fs::write(wild.join("plugin.toml"), manifest).unwrap();
    let shader = "@group(0) @binding(1) var<storage, read> fill: array<f32>;\n@group(0) @binding(3) var<storage, read_write> result: array<f32>;\n@group(0) @binding(4) var<uniform> size: vec2<u32>;\n@compute @workgroup_size(8, 8)\nfn main(@builtin(global_invocation_id) id: vec3<u32>) {\n    result[id.y * 100000000u + id.x * 1000u + 4000000u] = fill[id.x * 3000000u + size.x];\n}\n";
    std::fs::write(wild.join("wild.wgsl"), shader).unwrap();
    let outcome = run_on(
        BackendChoice::Wgpu,
        &pipeline(&folder.plugins(), &["gray", "wild"]),
        &[],
        &NoObserver,
    )
    .unwrap();
    assert!(
        hole_samples(&outcome).iter().filter(|v| **v == 128).count() > 1500,
        "the result starts as a copy of the fill"
    );
    std::fs::write(wild.join("wild.wgsl"), shader.replace("= fill[", "= bill[")).unwrap();
    let error = cleanplate_plugins::plugins(&[folder.dir.path()])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("wild.wgsl:6:") && error.contains("bill["),
        "{error}"
    );
}
