//! Plugins of the user: programs that behave and programs that do not, shaders on the device that there is.

mod shaders;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cleanplate_engine::{BackendChoice, EngineOptions};
use cleanplate_pictures::{Limits, Mask, Photo, Samples, decode};
use cleanplate_pipeline::models::{InpaintNetwork, Networks};
use cleanplate_pipeline::{NoObserver, Observer, Outcome, Pipeline, Request, RunLimits, Runner};
use cleanplate_pipeline::{PluginError, Plugins};

const SIZE: (usize, usize) = (150, 120);

struct NoNetworks;

impl Networks for NoNetworks {
    fn inpaint(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        Err(PluginError::Unavailable {
            what: name.to_string(),
            remedy: "none in this test".to_string(),
        })
    }
}

/// Reads one frame and answers by the lines of `body`, which see `request`, `images` and `send(name)`.
const HEAD: &str = r#"
import json, os, subprocess, sys, time
from array import array
def send(name):
    header = [h for h in request["images"] if h["name"] == name][0] if name != "fill" else dict(request["images"][0], name="fill")
    sys.stdout.buffer.write(json.dumps({"images": [header]}).encode() + b"\n" + images[name].tobytes())
    sys.stdout.buffer.flush()
while line := sys.stdin.buffer.readline():
    request, images = json.loads(line), {}
    for h in request["images"]:
        kind = "f" if h["type"] == "f32" else "B"
        n = h["width"] * h["height"] * h["channels"] * (4 if kind == "f" else 1)
        images[h["name"]] = array(kind, sys.stdin.buffer.read(n))
"#;

/// An inpaint body: mid-gray.
const GRAY: &str = "images['fill'] = array('f', [0.5]) * len(images['photo']); send('fill')";

struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Folder {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Adds a Python plugin of `stage` with the given body and lines of its `[process]` table.
    fn process(self, name: &str, stage: &str, body: &str, table: &str) -> Self {
        let folder = self.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
        std::fs::write(folder.join("main.py"), format!("{HEAD}{body}")).unwrap();
        let manifest = format!(
            "name = {name:?}\nversion = \"1.0.0\"\nstage = {stage:?}\nentry = \"process\"\ndescription = \"x\"\n[process]\ncommand = [\"python3\", \"main.py\"]\n{table}\n"
        );
        std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
        self
    }

    fn plugins(&self) -> Plugins {
        cleanplate_plugins::plugins(&[self.dir.path()]).unwrap()
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn pipeline(plugins: &Plugins, steps: &[&str]) -> Pipeline {
    let steps: String = steps
        .iter()
        .map(|name| format!("[[step]]\nplugin = {name:?}\n"))
        .collect();
    Pipeline::parse(
        plugins,
        "test.toml",
        &format!("name = \"test\"\ndescription = \"x\"\n{steps}"),
    )
    .unwrap()
}

fn photo() -> Photo {
    let (w, h) = SIZE;
    let data: Vec<u8> = (0..w * h * 3)
        .map(|i| 60 + (i.wrapping_mul(2_654_435_761) >> 13) as u8 % 60)
        .collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, w as u32, h as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&data)
        .unwrap();
    decode(&out, &Limits::default()).unwrap()
}

fn mask() -> Mask {
    let mut mask = Mask::empty(SIZE.0, SIZE.1);
    for y in 50..70 {
        mask.data[y * SIZE.0 + 60..y * SIZE.0 + 90].fill(255);
    }
    mask
}

fn run_on(
    choice: BackendChoice,
    pipeline: &Pipeline,
    overrides: &[(&str, &str)],
    observer: &dyn Observer,
) -> Result<Outcome, PluginError> {
    let backend = cleanplate_engine::open(&EngineOptions {
        backend: choice,
        ..EngineOptions::default()
    })
    .unwrap();
    let runner = Runner::new(backend, Arc::new(NoNetworks), RunLimits::default());
    let overrides = overrides
        .iter()
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect();
    runner.run(
        pipeline,
        Request {
            photo: photo(),
            mask: Some(mask()),
            prompts: None,
            overrides,
            frame: None,
        },
        observer,
    )
}

fn run(pipeline: &Pipeline, overrides: &[(&str, &str)]) -> Result<Outcome, PluginError> {
    run_on(BackendChoice::Cpu, pipeline, overrides, &NoObserver)
}

/// The error of a program that fills like this.
fn failure(body: &str, table: &str) -> String {
    let folder = Folder::new().process("bad", "inpaint", body, table);
    match run(&pipeline(&folder.plugins(), &["bad"]), &[]).unwrap_err() {
        PluginError::User { plugin, detail } if plugin == "bad" => detail,
        other => panic!("{other:?}"),
    }
}

fn samples(photo: &Photo) -> &[u8] {
    let Samples::U8(values) = &photo.samples else {
        panic!("8 bit")
    };
    values
}

/// The samples inside the hole; everything else must be the photo's own.
fn hole_samples(outcome: &Outcome) -> Vec<u8> {
    let (before, after) = (photo(), samples(&outcome.photo));
    let mut inside = Vec::new();
    for (i, (was, is)) in samples(&before).iter().zip(after).enumerate() {
        match outcome.mask.data[i / 3] {
            0 => assert_eq!(was, is, "sample {i} outside the hole"),
            _ => inside.push(*is),
        }
    }
    inside
}

#[test]
fn a_program_fills_and_another_refines() {
    let brighter = "images['fill'] = array('f', [v + 0.25 for v in images['fill']]); send('fill')";
    let folder = Folder::new()
        .process("gray", "inpaint", GRAY, "")
        .process("brighter", "refine", brighter, "");
    let outcome = run(&pipeline(&folder.plugins(), &["gray", "brighter"]), &[]).unwrap();
    let inside = hole_samples(&outcome);
    assert!(
        inside.len() == 30 * 20 * 3 && inside.iter().all(|v| *v == 191),
        "{inside:?}"
    );
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
}

#[test]
fn a_program_changes_the_mask() {
    let body = "w = request['images'][0]['width']\nfor x in range(10): images['mask'][5 * w + x] = 200\nsend('mask')";
    let folder = Folder::new()
        .process("more", "mask", body, "")
        .process("gray", "inpaint", GRAY, "");
    let outcome = run(&pipeline(&folder.plugins(), &["more", "gray"]), &[]).unwrap();
    assert_eq!(outcome.mask.count(), 600 + 10);
    assert_eq!(hole_samples(&outcome).len(), 610 * 3);
}

#[test]
fn crashes_and_wrong_answers_fail_the_job_with_the_program_s_own_words() {
    let cases = [
        ("raise ValueError('no such colour')", "no such colour"),
        ("os.kill(os.getpid(), 9)", "signal: 9"),
        (
            "sys.stdout.write('hello\\n'); sys.stdout.flush()",
            "\"hello\", which is no line",
        ),
        ("print('{\"error\": \"I cannot\"}', flush=True)", "I cannot"),
        (
            "request['images'][0]['width'] += 1; images['fill'] = images['photo']; send('fill')",
            "wanted \"fill\" 150x120x3 f32",
        ),
        (
            "sys.stdout.buffer.write(b'x' * 100000); sys.stdout.flush()",
            "longer than 65536",
        ),
        (
            "images['fill'] = array('f', [float('nan')]) * len(images['photo']); send('fill')",
            "NaN at pixel",
        ),
        (
            "images['fill'] = images['photo'][:30]; send('fill')\nsys.exit(3)",
            "exit status: 3",
        ),
    ];
    for (body, words) in cases {
        let error = failure(body, "");
        assert!(error.contains(words), "{body}: {error}");
    }
}

#[test]
fn time_and_memory_are_limited() {
    let started = Instant::now();
    let error = failure(
        "subprocess.Popen(['sleep', '100'])\ntime.sleep(100)",
        "time_s_max = 1",
    );
    assert!(error.contains("longer than 1 s"), "{error}");
    assert!(
        started.elapsed().as_secs() < 8,
        "the whole group is killed, nothing waits for the pipes"
    );
    let error = failure("hog = bytearray(400 << 20)", "memory_mib_max = 300");
    assert!(error.contains("MemoryError"), "{error}");
    let error = failure("time.sleep(100)", "time_s_max = 1");
    assert!(error.contains("time_s_max"), "{error}");
}

#[test]
fn a_program_that_stays_after_its_last_answer_is_killed_with_a_warning() {
    let folder = Folder::new().process(
        "gray",
        "inpaint",
        &format!("{GRAY}\ntime.sleep(100)"),
        "time_s_max = 20",
    );
    let outcome = run(&pipeline(&folder.plugins(), &["gray"]), &[]).unwrap();
    assert!(
        outcome.warnings.iter().any(|w| w.contains("killed")),
        "{:?}",
        outcome.warnings
    );
}

#[test]
fn cancelling_stops_a_program() {
    struct Soon(AtomicUsize);
    impl Observer for Soon {
        fn stage(&self, _name: &str, _fraction: f32) {}
        fn cancelled(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) > 6
        }
    }
    let folder = Folder::new().process("slow", "inpaint", "time.sleep(100)", "");
    let (started, soon) = (Instant::now(), Soon(AtomicUsize::new(0)));
    let error = run_on(
        BackendChoice::Cpu,
        &pipeline(&folder.plugins(), &["slow"]),
        &[],
        &soon,
    )
    .unwrap_err();
    assert!(matches!(error, PluginError::Cancelled { .. }), "{error}");
    assert!(started.elapsed().as_secs() < 8);
}

#[test]
fn programs_see_no_variables_but_the_harmless_ones() {
    let body = format!(
        "extra = set(os.environ) - {{'PATH', 'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TMPDIR', 'PWD'}}\nassert not [e for e in extra if 'CARGO' in e], extra\n{GRAY}"
    );
    let folder = Folder::new().process("curious", "inpaint", &body, "");
    run(&pipeline(&folder.plugins(), &["curious"]), &[]).unwrap();
}

#[test]
fn wrong_folders_are_errors_that_name_the_file() {
    let load = |folder: &Folder| {
        cleanplate_plugins::plugins(&[folder.dir.path()])
            .unwrap_err()
            .to_string()
    };
    let twin = Folder::new().process("feather", "mask", "", "");
    assert!(load(&twin).contains("already a plugin \"feather\""));
    let builtin = Folder::new().process("mine", "mask", "", "");
    let file = builtin.dir.path().join("mine/plugin.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("entry = \"process\"", "entry = \"builtin\""),
    )
    .unwrap();
    assert!(
        load(&builtin).contains("table [process]"),
        "{}",
        load(&builtin)
    );
    std::fs::write(&file, text.replace("[\"python3\",", "[\"./absent\",")).unwrap();
    assert!(
        load(&builtin).contains("there is no file"),
        "{}",
        load(&builtin)
    );
    std::fs::write(
        &file,
        text.replace("stage = \"mask\"", "stage = \"segment\""),
    )
    .unwrap();
    assert!(
        load(&builtin).contains("mask, inpaint, refine or finish"),
        "{}",
        load(&builtin)
    );
    assert!(
        load(&Folder::new().process("slow", "mask", "", "time_s_max = 0")).contains("time_s_max")
    );
}

#[test]
fn pipelines_may_name_plugins_of_the_user() {
    let plugins = cleanplate_plugins::plugins(&[examples()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let text = "name = \"own\"\ndescription = \"x\"\n[[step]]\nplugin = \"lama\"\n[[step]]\nplugin = \"film-grain\"\n[step.parameters]\nstrength = 0.1\n";
    std::fs::write(dir.path().join("own.toml"), text).unwrap();
    let set = cleanplate_plugins::pipelines(&plugins, &[dir.path()]).unwrap();
    assert_eq!(
        set.get("own").unwrap().steps[1].manifest().parameters.len(),
        3
    );
    let error = cleanplate_plugins::pipelines(&crate::builtin(), &[dir.path()])
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown plugin \"film-grain\""), "{error}");
}

#[test]
fn the_python_example_matches_the_tone() {
    let folder = Folder::new().process("gray", "inpaint", GRAY, "");
    let mut plugins = folder.plugins();
    plugins.add(&examples().join("match-tone")).unwrap();
    let outcome = run(
        &pipeline(&plugins, &["gray", "match-tone"]),
        &[("match-tone.strength", "1")],
    )
    .unwrap();
    let (before, hole) = (photo(), mask());
    let outside: Vec<f64> = samples(&before)
        .chunks(3)
        .zip(&hole.data)
        .filter(|(_, m)| **m == 0)
        .map(|(p, _)| f64::from(p[0]))
        .collect();
    let want = outside.iter().sum::<f64>() / outside.len() as f64;
    let inside = hole_samples(&outcome);
    assert!(
        inside
            .chunks(3)
            .all(|p| (f64::from(p[0]) - want).abs() <= 1.0),
        "{want} {:?}",
        &inside[..9]
    );
}

/// Runs a Python inpaint body on a photo of the test's own, then the built-in `plugin`.
fn finished(photo: &Photo, body: &str, steps: &[&str], overrides: &[(&str, &str)]) -> Vec<u8> {
    let folder = Folder::new().process("given", "inpaint", body, "");
    let steps: Vec<&str> = ["given"].iter().chain(steps).copied().collect();
    let pipeline = pipeline(&folder.plugins(), &steps);
    let backend = cleanplate_engine::open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let overrides = overrides
        .iter()
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect();
    let request = Request {
        photo: photo.clone(),
        mask: Some(mask()),
        prompts: None,
        overrides,
        frame: None,
    };
    let outcome = Runner::new(backend, Arc::new(NoNetworks), RunLimits::default())
        .run(&pipeline, request, &NoObserver)
        .unwrap();
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    let (was, is) = (samples(photo), samples(&outcome.photo));
    for i in (0..was.len()).filter(|i| outcome.mask.data[i / 3] == 0) {
        assert_eq!(was[i], is[i], "sample {i} outside the hole");
    }
    is.to_vec()
}

/// The largest difference inside the hole.
fn worst(a: &[u8], b: &[u8]) -> u8 {
    let hole = mask();
    (0..a.len())
        .filter(|i| hole.data[i / 3] != 0)
        .map(|i| a[i].abs_diff(b[i]))
        .max()
        .unwrap()
}

/// A photo from a value for each sample.
fn made(value: impl Fn(usize, usize) -> u8) -> Photo {
    let mut made = photo();
    made.samples = Samples::U8(
        (0..SIZE.0 * SIZE.1 * 3)
            .map(|i| value(i / 3 % SIZE.0, i / 3 / SIZE.0))
            .collect(),
    );
    made
}
