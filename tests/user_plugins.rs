//! Plugins of the user from outside: a data folder with programs and shaders, used by requests and commands.

use std::path::Path;
use std::time::Duration;

use crate::common::{
    Daemon, Form, REMOVAL, cleanplate, json, mask, photo, png, root, small_pair, wait_until,
};

/// Puts an example plugin and a pipeline that ends with it into a data folder.
fn install(data: &Path, plugin: &str) {
    let (from, to) = (
        root().join("plugins/examples").join(plugin),
        data.join("plugins").join(plugin),
    );
    std::fs::create_dir_all(&to).unwrap();
    for file in std::fs::read_dir(from)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
    let steps = format!(
        "[[step]]\nplugin = \"grow\"\n[[step]]\nplugin = \"lama\"\n[[step]]\nplugin = {plugin:?}\n"
    );
    std::fs::create_dir_all(data.join("pipelines")).unwrap();
    let text = format!("name = \"own-{plugin}\"\ndescription = \"ends with {plugin}\"\n{steps}");
    std::fs::write(data.join(format!("pipelines/{plugin}.toml")), text).unwrap();
}

#[test]
fn a_request_runs_a_program_and_a_crash_fails_the_job_alone() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), "match-tone");
    let daemon = Daemon::start(dir.path(), "[pipelines]\nallowed = [\"own-match-tone\"]\n");
    let (key, (image, hole)) = (daemon.key(), small_pair());
    let path = format!("{REMOVAL}?pipeline=own-match-tone");
    let done = daemon.post(&path, Some(&key), &Form::pair(&image, &hole));
    assert_eq!(done.status, 200, "{}", String::from_utf8_lossy(&done.body));
    assert_eq!(done.json()["status"], "completed");
    std::fs::write(
        dir.path().join("plugins/match-tone/match_tone.py"),
        "raise SystemExit('out of order')\n",
    )
    .unwrap();
    let failed = daemon.post(&path, Some(&key), &Form::pair(&image, &hole));
    assert_eq!(
        failed.status,
        500,
        "{}",
        String::from_utf8_lossy(&failed.body)
    );
    assert_eq!(failed.header("X-Credits-Charged"), Some("0"));
    // The program's last words come by another way than the reply.
    wait_until("the log says why", Duration::from_secs(20), || {
        daemon.log.lock().unwrap().contains("out of order")
    });
    assert_eq!(
        daemon
            .post(REMOVAL, Some(&key), &Form::pair(&image, &hole))
            .status,
        200,
        "the daemon goes on"
    );
}

#[test]
fn a_request_runs_a_shader_where_there_are_shaders_and_is_told_where_there_are_none() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), "film-grain");
    let config = "[pipelines]\nallowed = [\"own-film-grain\", \"lama\"]\n";
    let path = format!("{REMOVAL}?pipeline=own-film-grain");
    let hole = [30, 20, 70, 60];
    let (image, mask_png) = (photo(96, 80), png(mask(96, 80, hole)));
    let form = Form::pair(&png(image.clone()), &mask_png);
    let daemon = Daemon::start_on(dir.path(), config, "wgpu");
    let key = daemon.key();
    let done = daemon.post(&path, Some(&key), &form);
    assert_eq!(done.status, 200, "{}", String::from_utf8_lossy(&done.body));
    let fetch = |reply: &crate::common::Reply| {
        let file = daemon.get(reply.json()["result"]["output_url"].as_str().unwrap(), None);
        image::load_from_memory(&file.body).unwrap().to_rgb8()
    };
    let grainy = fetch(&done);
    let smooth = fetch(&daemon.post(&format!("{REMOVAL}?pipeline=lama"), Some(&key), &form));
    let apart = |x: u32, y: u32| grainy.get_pixel(x, y).0[0].abs_diff(smooth.get_pixel(x, y).0[0]);
    let inside: u32 = (34..66)
        .flat_map(|x| (24..56).map(move |y| (x, y)))
        .map(|(x, y)| u32::from(apart(x, y)))
        .sum();
    assert!(
        inside > 32 * 32,
        "the shader changed the fill by {inside} steps in all"
    );
    assert_eq!(
        (grainy.get_pixel(2, 2), grainy.get_pixel(90, 75)),
        (image.get_pixel(2, 2), image.get_pixel(90, 75))
    );
    daemon.kill9();
    let daemon = Daemon::start(dir.path(), config);
    let refused = daemon.post(&path, Some(&key), &form);
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert_eq!(refused.status, 503, "{text}");
    assert!(
        text.contains("film-grain")
            && text.contains("wgpu")
            && refused.header("Retry-After").is_some(),
        "{text}"
    );
    assert_eq!(refused.header("X-Credits-Charged"), Some("0"));
    assert_eq!(
        daemon.post(REMOVAL, Some(&key), &form).status,
        200,
        "other pipelines go on"
    );
}

#[test]
fn commands_show_and_run_a_shader() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    install(dir.path(), "film-grain");
    let shown = cleanplate()
        .args(["pipelines", "own-film-grain", "--data", data])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        text.contains("film-grain (Finish, Wgsl)") && text.contains("size_px = 1.5"),
        "{text}"
    );
    let listed = json(
        &cleanplate()
            .args(["pipelines", "--json", "--data", data])
            .output()
            .unwrap(),
    );
    assert!(
        listed["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .any(|plugin| plugin["name"] == "film-grain"),
        "{listed}"
    );
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    std::fs::write(at("in.png"), png(photo(96, 80))).unwrap();
    std::fs::write(at("mask.png"), png(mask(96, 80, [40, 30, 56, 46]))).unwrap();
    let run = |backend: &str, out: &str| {
        let (from, hole, to) = (at("in.png"), at("mask.png"), at(out));
        let args = [
            "run",
            &from,
            &hole,
            "-o",
            &to,
            "--pipeline",
            "own-film-grain",
            "--backend",
            backend,
            "--data",
            data,
        ];
        cleanplate().args(args).output().unwrap()
    };
    let done = run("wgpu", "out.png");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(
        image::open(at("out.png"))
            .unwrap()
            .to_rgb8()
            .get_pixel(2, 2),
        photo(96, 80).get_pixel(2, 2)
    );
    let refused = run("cpu", "none.png");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && text.contains("--backend wgpu"),
        "{text}"
    );
    let shader = dir.path().join("plugins/film-grain/film-grain.wgsl");
    let wrong = std::fs::read_to_string(&shader)
        .unwrap()
        .replace("fract(place)", "frakt(place)");
    std::fs::write(&shader, wrong).unwrap();
    let refused = cleanplate()
        .args(["pipelines", "--data", data])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        text.contains("film-grain.wgsl:") && text.contains("frakt(place)"),
        "{text}"
    );
}

#[test]
fn eval_measures_fills_against_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    for name in ["a", "b"] {
        std::fs::write(at(&format!("{name}.png")), png(photo(96, 80))).unwrap();
        std::fs::write(
            at(&format!("{name}_mask.png")),
            png(mask(96, 80, [40, 30, 60, 46])),
        )
        .unwrap();
    }
    let (cases, out) = (dir.path().to_str().unwrap(), at("out"));
    let args = [
        "eval",
        cases,
        "--pipeline",
        "lama",
        "--pipeline",
        "lama,lama.context_px_min=16",
        "--json",
        "--backend",
        "cpu",
        "--out",
        &out,
    ];
    let done = cleanplate().args(args).output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let report = json(&done);
    assert_eq!(
        (
            report["photos"].as_u64(),
            report["pipelines"].as_array().map(Vec::len)
        ),
        (Some(2), Some(2)),
        "{report}"
    );
    let mean = &report["pipelines"][0]["mean"];
    for name in ["psnr", "ssim", "sharp", "seam", "halo", "seconds"] {
        assert!(
            mean[name].as_f64().is_some_and(f64::is_finite),
            "{name}: {mean}"
        );
    }
    assert!(
        mean["psnr"].as_f64().unwrap() < 60.0,
        "the truth leaked into the fill: {mean}"
    );
    let sheet = image::open(format!("{out}/eval.jpg")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (4 * 256, 2 * 256));
    std::fs::remove_file(at("b_mask.png")).unwrap();
    let refused = cleanplate()
        .args(["eval", cases, "--backend", "cpu"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("b_mask.png"));
}
