//! The command line as scripts use it: exit codes, JSON on standard output, results on disk.

use crate::common::{self, json, mask, photo, png, root, run};

#[test]
fn run_removes_the_object_and_reports_json() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    std::fs::write(at("in.png"), png(photo(96, 80))).unwrap();
    std::fs::write(at("mask.png"), png(mask(96, 80, [40, 30, 56, 46]))).unwrap();
    let out = run(&[
        "run",
        &at("in.png"),
        &at("mask.png"),
        "-o",
        &at("out.png"),
        "--mask-out",
        &at("used.png"),
        "--candidates",
        "4",
        "--backend",
        "cpu",
        "--json",
    ]);
    assert_eq!(
        out.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let report = json(&out);
    assert_eq!(report["device"]["backend"], "cpu");
    assert!(
        report["stages"].as_array().is_some_and(|s| !s.is_empty()),
        "{report}"
    );
    let result = image::open(at("out.png")).unwrap().to_rgb8();
    let used = image::open(at("used.png")).unwrap().to_luma8();
    let [kept, others @ ..] = &report["candidates"].as_array().unwrap()[..] else {
        panic!("{report}");
    };
    assert_eq!(kept["file"], at("out.png"));
    assert_eq!(others.len(), 2, "{report}");
    for other in others {
        let name = other["name"].as_str().unwrap();
        assert_eq!(other["file"], at(&format!("out.{name}.png")));
        let other = image::open(other["file"].as_str().unwrap()).unwrap();
        assert_ne!(other.to_rgb8(), result);
    }
    let source = photo(96, 80);
    assert!(used.get_pixel(48, 38)[0] >= 128 && used.get_pixel(2, 2)[0] == 0);
    assert_ne!(result.get_pixel(48, 38), source.get_pixel(48, 38));
    assert_eq!(result.get_pixel(2, 2), source.get_pixel(2, 2));
}

#[test]
fn run_replaces_neither_inputs_nor_links_and_writes_to_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let source = png(photo(96, 80));
    std::fs::write(at("in.png"), &source).unwrap();
    std::fs::write(at("mask.png"), png(mask(96, 80, [40, 30, 56, 46]))).unwrap();
    std::os::unix::fs::symlink(at("in.png"), at("link.png")).unwrap();
    let run = |more: &[&str]| {
        common::cleanplate()
            .args(["run", &at("in.png"), &at("mask.png")])
            .args(more)
            .env_remove("XDG_RUNTIME_DIR")
            .output()
            .unwrap()
    };
    let here = format!("{}/./in.png", dir.path().display());
    for more in [
        &["-o", &at("in.png")][..],
        &["-o", &here],
        &["-o", &at("mask.png")],
        &["-o", &at("link.png")],
        &["-o", "/dev/null"],
        &["-o", &at("out.png"), "--mask-out", &at("in.png")],
        &["-o", &at("out.png"), "--mask-out", &at("out.png")],
        &["-o", "-", "--json"],
        &["-o", "-", "--candidates", "2"],
    ] {
        let refused = run(more);
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{more:?}: {error}");
        assert!(error.starts_with("error: --"), "{more:?}: {error}");
    }
    assert!(!std::path::Path::new(&at("out.png")).exists());
    assert_eq!(std::fs::read(at("in.png")).unwrap(), source);
    assert!(
        std::fs::symlink_metadata(at("link.png"))
            .unwrap()
            .is_symlink()
    );
    // `auto` looks at every graphics driver there is, and none of them has a say on standard error.
    let piped = run(&["-o", "-", "--backend", "auto"]);
    let said = String::from_utf8_lossy(&piped.stderr).into_owned();
    assert_eq!(piped.status.code(), Some(0), "{said}");
    let result = image::load_from_memory(&piped.stdout).unwrap().to_rgb8();
    assert_eq!(result.dimensions(), (96, 80));
    assert!(!said.contains("XDG_RUNTIME_DIR"), "{said}");
}

#[test]
fn usage_and_failures_have_their_exit_codes() {
    assert_eq!(run(&["run"]).status.code(), Some(2));
    assert_eq!(run(&["--no-such-flag"]).status.code(), Some(2));
    let missing = run(&[
        "run",
        "nowhere.png",
        "nowhere_mask.png",
        "-o",
        "out.png",
        "--backend",
        "cpu",
    ]);
    assert_eq!(missing.status.code(), Some(1));
    let text = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(text.contains("nowhere.png"), "{text}");
    assert!(missing.stdout.is_empty());
}

#[test]
fn a_reader_that_has_gone_costs_no_work_and_a_full_disk_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    std::fs::write(at("in.png"), png(photo(96, 80))).unwrap();
    std::fs::write(at("mask.png"), png(mask(96, 80, [40, 30, 56, 46]))).unwrap();
    let (photo, hole, out) = (at("in.png"), at("mask.png"), at("out.png"));
    let removal = [
        "run",
        &photo,
        &hole,
        "-o",
        &out,
        "--backend",
        "cpu",
        "--json",
    ];
    let commands: [&[&str]; 4] = [
        &removal,
        &["pipelines"],
        &["devices"],
        &["completions", "bash"],
    ];
    for command in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let made = common::cleanplate().args(command).stdout(writer).output();
        let made = made.unwrap();
        let told = String::from_utf8_lossy(&made.stderr);
        assert_eq!(made.status.code(), Some(0), "{command:?}: {told}");
        let full = std::fs::File::create("/dev/full").unwrap();
        let made = common::cleanplate().args(command).stdout(full).output();
        let made = made.unwrap();
        let told = String::from_utf8_lossy(&made.stderr);
        assert_eq!(made.status.code(), Some(1), "{command:?}: {told}");
        let named = told.matches("writing to standard output").count();
        assert_eq!(named, 1, "{command:?}: {told}");
    }
    assert!(image::open(out).is_ok());
}

#[test]
fn names_of_files_do_not_write_to_the_terminal() {
    let evil = "a\u{1b}]0;title\u{7}\u{1b}[31m.png";
    let calls: [&[&str]; 4] = [
        &["run", evil, evil, "-o", "out.png", "--backend", "cpu"],
        &["run", "a", "b", evil],
        &["config", "check", evil],
        &["selftest", "--golden", evil, "--backend", "cpu"],
    ];
    for args in calls {
        let output = run(args);
        let told = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&told);
        assert!(text.contains(".png"), "{args:?}: {text}");
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{args:?}: {text:?}"
        );
    }
}

#[test]
fn config_check_names_the_line_and_the_nearest_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    std::fs::write(
        &file,
        "[server]\nlisten = \"127.0.0.1:8080\"\n\n[limits]\npixel_max = 5\n",
    )
    .unwrap();
    let out = run(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        text.contains('5') && text.contains("pixel_max") && text.contains("pixels_max"),
        "{text}"
    );
    let shipped = run(&[
        "config",
        "check",
        root().join("config/cleanplate.toml").to_str().unwrap(),
    ]);
    assert_eq!(
        shipped.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&shipped.stderr)
    );
}

#[test]
fn selftest_passes_on_the_golden_files_with_both_backends() {
    // A folder: packed files in it are found, what is no golden file is not read.
    let golden = root().join("models/lama/golden");
    for backend in ["cpu", "wgpu"] {
        let out = run(&[
            "selftest",
            "--golden",
            golden.to_str().unwrap(),
            "--backend",
            backend,
        ]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned()
            + &String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{backend}: {text}");
        for tensor in ["stem", "down3", "block0", "output", "composite"] {
            assert!(text.contains(tensor), "{backend}: no line for {tensor}");
        }
    }
}

#[test]
fn a_damaged_golden_file_fails_the_selftest() {
    let golden = root().join("models/lama/golden/lama_tiny.safetensors.gz");
    let mut bytes = Vec::new();
    let packed = std::fs::File::open(golden).unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
    // Disturb a stretch of stored values well behind the header.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096]
        .iter_mut()
        .for_each(|b| *b = b.wrapping_add(64));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("damaged.safetensors");
    std::fs::write(&file, bytes).unwrap();
    let out = run(&[
        "selftest",
        "--golden",
        file.to_str().unwrap(),
        "--backend",
        "cpu",
    ]);
    assert_eq!(
        out.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
}

#[test]
fn bench_prints_the_documented_object() {
    let out = run(&[
        "bench",
        "--model",
        "lama-small",
        "--size",
        "64x64",
        "--runs",
        "2",
        "--backend",
        "cpu",
        "--json",
    ]);
    assert_eq!(
        out.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let report = json(&out);
    for field in [
        "model",
        "backend",
        "device",
        "size",
        "batch",
        "median_ms",
        "min_ms",
        "gflop",
        "gflop_per_s",
        "peak_bytes",
    ] {
        assert!(!report[field].is_null(), "bench lacks {field}: {report}");
    }
}

#[test]
fn models_are_listed_imported_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let listed = json(&run(&["models", "list", "--json", "--data", data]));
    let models = listed["models"].as_array().unwrap();
    let shown = run(&["models", "list", "--data", data]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    for name in ["lama-small", "sam-small"] {
        let model = models.iter().find(|model| model["name"] == name).unwrap();
        let trained_on = model["trained_on"].as_str().unwrap();
        for terms in ["non-commercial", "research", "unstated"] {
            assert!(trained_on.contains(terms), "{trained_on}");
        }
        let line = format!("{name} was trained on {trained_on}.");
        assert!(shown.contains(&line), "{shown}");
    }
    let checkpoint = root().join("models/lama/golden/lama_tiny.ckpt.gz");
    let import = run(&[
        "models",
        "import",
        checkpoint.to_str().unwrap(),
        "--as",
        "tiny",
        "--data",
        data,
        "--json",
    ]);
    assert_eq!(
        import.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&import.stderr)
    );
    assert_eq!(
        run(&["models", "verify", "tiny", "--data", data])
            .status
            .code(),
        Some(0)
    );
    let hostile = dir.path().join("evil.ckpt");
    std::fs::write(&hostile, b"PK\x03\x04 this is no archive").unwrap();
    let refused = run(&[
        "models",
        "import",
        hostile.to_str().unwrap(),
        "--as",
        "evil",
        "--data",
        data,
    ]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn pipelines_show_their_stages_and_parameters() {
    let listed = run(&["pipelines"]);
    assert_eq!(listed.status.code(), Some(0));
    let one = run(&["pipelines", "default"]);
    let text = String::from_utf8_lossy(&one.stdout).into_owned();
    for word in ["grow", "feather", "px"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(
        run(&["pipelines", "no-such-pipeline"]).status.code(),
        Some(1)
    );
}

#[test]
fn without_a_command_the_first_steps_are_told() {
    let out = run(&[]);
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr);
    for step in [
        "cleanplate run photo.jpg",
        "cleanplate serve",
        "cleanplate config show",
    ] {
        assert!(text.contains(step), "{text}");
    }
}

#[test]
fn options_are_shown_with_their_origin() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.toml");
    let text = "[server]\nlisten = \"localhost:4711\"\n[admin]\ntokens = [\"ada:0123456789abcdef0123456789abcdef\"]\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let all = json(&run(&["config", "show", "--config", file, "--json"]));
    let options = all["options"].as_array().unwrap();
    let of = |path: &str| options.iter().find(|o| o["option"] == path).unwrap();
    let listen = of("server.listen");
    assert_eq!(listen["value"], "localhost:4711");
    assert_eq!(listen["origin"], format!("{file}:2"));
    assert_eq!(listen["default"], false);
    assert_eq!(of("queue.length_max")["default"], true);
    let changed = run(&["config", "show", "--config", file, "--changed"]);
    let text = String::from_utf8_lossy(&changed.stdout);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains("(not shown)") && !text.contains("0123456789abcdef"),
        "{text}"
    );
}

#[test]
fn completions_and_man_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let out = run(&["completions", shell]);
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains("selftest"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(run(&["man", dir.path().to_str().unwrap()]).status.success());
    let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(page("cleanplate.1").contains("Removes unwanted objects"));
    assert!(page("cleanplate-run.1").contains("mask"));
}

#[test]
fn a_daemon_that_asks_for_no_key_is_for_this_machine_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let file = dir.path().join("proxy.toml");
    std::fs::write(&file, "[server]\nbehind_proxy = true\n").unwrap();
    let proxied = ["--config", file.to_str().unwrap()];
    for (flags, says) in [
        (["--listen", "0.0.0.0:0"], "server.listen is 0.0.0.0:0"),
        (proxied, "server.behind_proxy"),
    ] {
        let out = run(&[&["serve", "--open", "--data", data], &flags[..]].concat());
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{error}");
        assert!(
            error.contains(says) && error.contains("leave out --open"),
            "{error}"
        );
    }
}
