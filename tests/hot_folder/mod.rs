//! Hot folders: every way to pair, nothing taken early, nothing opened that is no file, nothing lost or charged twice.

mod failed;
mod names;
mod parameters;
mod trouble;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::{Daemon, cleanplate, json, mask, photo, png, small_pair, wait_until};
use serde_json::Value;

/// A watched folder and a data folder.
struct Bench {
    _dir: tempfile::TempDir,
    root: PathBuf,
    data: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let (root, data) = (dir.path().join("plates"), dir.path().join("data"));
        fs::create_dir(&root).unwrap();
        Bench {
            _dir: dir,
            root,
            data,
        }
    }
    fn config(&self, more: &str) -> String {
        self.config_of("1", more)
    }
    fn config_of(&self, account: &str, more: &str) -> String {
        let common = "[accounts]\nfirst_credits = 10000\n[hot_folders]\nsettle_ms = 150\n";
        format!(
            "{common}[[hot_folder]]\npath = {:?}\naccount = {account}\n{more}\n",
            self.root
        )
    }
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
    fn put(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), bytes).unwrap();
    }
    fn report(&self, home: &str, name: &str) -> Value {
        let path = self.at(&format!("{home}/{name}.report.json"));
        wait_for(&path);
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()
    }
    fn status(&self) -> Value {
        serde_json::from_slice(&fs::read(self.at("working/status.json")).unwrap()).unwrap()
    }
    fn claims(&self) -> usize {
        fs::read_dir(self.at("working")).map_or(0, |entries| {
            entries
                .filter(|entry| entry.as_ref().unwrap().path().is_dir())
                .count()
        })
    }
}

fn wait_for(path: &Path) {
    wait_until(&path.display().to_string(), Duration::from_secs(60), || {
        path.exists()
    });
}

/// Available and held credits of the first account.
fn credits(daemon: &Daemon) -> (i64, i64) {
    let account = json(&daemon.cli(&["accounts", "list", "--json"]))["accounts"][0].clone();
    (
        account["available"].as_i64().unwrap(),
        account["held"].as_i64().unwrap(),
    )
}

/// A small pair that no other number has.
fn numbered(number: u32) -> (Vec<u8>, Vec<u8>) {
    let mut picture = photo(32, 32);
    picture.put_pixel(0, 0, image::Rgb([number as u8, (number >> 8) as u8, 7]));
    (png(picture), png(mask(32, 32, [12, 12, 18, 18])))
}

#[test]
fn every_way_to_pair_works_and_is_charged_once() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    for (number, mask_name) in [(1, "p1_mask.png"), (2, "p2.mask.png"), (3, "masks/p3.png")] {
        let (image, hole) = numbered(number);
        bench.put(mask_name, &hole);
        bench.put(&format!("p{number}.png"), &image);
    }
    for name in ["p1", "p2", "p3"] {
        let report = bench.report("done", name);
        assert_eq!(report["status"], "done", "{report}");
        assert_eq!(
            (report["credits"].as_i64(), report["duplicate"].as_bool()),
            (Some(3), Some(false))
        );
        assert_eq!(report["photo_size"], serde_json::json!([32, 32]));
        assert_eq!(report["photo_sha256"].as_str().unwrap().len(), 64);
        assert!(
            report["result"]["timings"]["stages"].is_array() && report["job_id"].is_string(),
            "{report}"
        );
        let out = image::open(bench.at(&format!("output/{name}.png")))
            .unwrap()
            .to_rgb8();
        assert_eq!(out.dimensions(), (32, 32));
        wait_for(&bench.at(&format!("done/{name}.png")));
        wait_for(&bench.at(&format!("done/{name}_mask.png")));
    }
    assert_eq!(credits(&daemon), (10_000 - 9, 0));

    // One mask for all stays where it is.
    bench.put("_mask.png", &numbered(0).1);
    for number in [4, 5] {
        bench.put(&format!("p{number}.png"), &numbered(number).0);
    }
    for name in ["p4", "p5"] {
        assert_eq!(bench.report("done", name)["mask"], "_mask.png");
    }
    assert!(bench.at("_mask.png").exists());
    assert_eq!(credits(&daemon), (10_000 - 15, 0));
    let metrics = String::from_utf8(daemon.get("/metrics", None).body).unwrap();
    assert!(
        metrics.contains("cleanplate_folder_pairs_total{folder=\"plates\",outcome=\"done\"} 5"),
        "{metrics}"
    );
}

#[test]
fn a_sidecar_without_a_segmentation_model_fails_with_the_remedy_and_a_photo_without_mask_waits_visibly()
 {
    let bench = Bench::new();
    let daemon = Daemon::start(
        &bench.data,
        &bench.config("pipeline = \"lama\"\nmask_wait_s = 1"),
    );
    let (image, hole) = small_pair();
    bench.put("side.png", &image);
    bench.put("side.json", br#"{"points":[[30,20]],"labels":[1]}"#);
    let report = bench.report("failed", "side");
    assert_eq!(report["error"]["code"], "unavailable", "{report}");
    assert!(
        report["error"]["detail"]
            .as_str()
            .unwrap()
            .contains("segment plugin"),
        "{report}"
    );
    wait_for(&bench.at("failed/side.png"));
    wait_for(&bench.at("failed/side.json"));

    bench.put("lonely.png", &image);
    wait_until(
        "the waiting photo is shown",
        Duration::from_secs(20),
        || bench.status()["waiting"] == serde_json::json!(["lonely.png"]),
    );
    wait_until("the log tells it", Duration::from_secs(20), || {
        daemon.log.lock().unwrap().contains("waiting for a mask")
    });
    bench.put("lonely_mask.png", &hole);
    assert_eq!(bench.report("done", "lonely")["status"], "done");
    assert_eq!(credits(&daemon).0, 10_000 - 3);
}

#[test]
fn a_photos_own_sidecar_stands_over_the_mask_for_all_and_its_points_lie_in_the_photo() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config("pipeline = \"lama\""));
    bench.put("_mask.png", &numbered(0).1);
    for (name, points, code) in [
        // Of a pipeline without a segment plugin, as without the mask.
        ("own", "[[12,14]]", "unavailable"),
        ("far", "[[99999,2]]", "sidecar"),
    ] {
        let sidecar = format!("{{\"points\":{points},\"labels\":[1]}}");
        bench.put(&format!("{name}.json"), sidecar.as_bytes());
        bench.put(&format!("{name}.png"), &numbered(1).0);
        let report = bench.report("failed", name);
        assert_eq!(report["error"]["code"], code, "{report}");
        assert!(report["mask"].is_null(), "{report}");
    }
    // One that says nothing of what to remove leaves it to the mask.
    bench.put("plain.json", br#"{"points":[],"output_format":"png"}"#);
    bench.put("plain.png", &numbered(2).0);
    assert_eq!(bench.report("done", "plain")["mask"], "_mask.png");
    assert_eq!(credits(&daemon), (10_000 - 3, 0));
}

#[test]
fn once_works_through_a_folder_without_a_server() {
    let bench = Bench::new();
    let out = bench.root.parent().unwrap().join("results");
    let (image, hole) = numbered(1);
    bench.put("a.png", &image);
    bench.put("a_mask.png", &hole);
    let run = |args: &[&str]| {
        let place = [
            "--data",
            bench.data.to_str().unwrap(),
            "--backend",
            "cpu",
            "--json",
        ];
        cleanplate()
            .args(["folder", "--once", bench.root.to_str().unwrap()])
            .args(args)
            .args(place)
            .output()
            .unwrap()
    };
    let first = run(&["--out", out.to_str().unwrap()]);
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    assert_eq!(json(&first)["done"], 1);
    assert!(out.join("a.png").exists() && bench.at("done/a.report.json").exists());
    bench.put("b.png", &image);
    let second = run(&[]);
    assert_eq!(
        second.status.code(),
        Some(1),
        "a photo without a mask is not done"
    );
    assert!(String::from_utf8_lossy(&second.stderr).contains("no mask: b.png"));
    assert_eq!(
        run(&["--out", bench.at("x").to_str().unwrap()])
            .status
            .code(),
        Some(2)
    );
}

/// Pairs of the test below: 120, or as many as `TEST_PAIRS` says.
fn pairs() -> u32 {
    std::env::var("TEST_PAIRS").map_or(120, |text| text.parse().unwrap())
}

/// Drops pair `number` in one of many ways; every tenth has a mask that does not fit.
fn drop_pair(root: &Path, number: u32) {
    let (image, hole) = numbered(number);
    let hole = if number % 10 == 9 {
        png(mask(16, 16, [4, 4, 9, 9]))
    } else {
        hole
    };
    let name = format!("k{number:04}");
    let at = |name: String| root.join(name);
    match number % 5 {
        // Renamed in, the mask last.
        0 => {
            fs::write(at(format!(".{name}")), &image).unwrap();
            fs::rename(at(format!(".{name}")), at(format!("{name}.png"))).unwrap();
            fs::write(at(format!("masks/{name}.png")), &hole).unwrap();
        }
        // Written bit by bit, the mask first.
        1 => {
            fs::write(at(format!("{name}_mask.png")), &hole).unwrap();
            trickle(&at(format!("{name}.png")), &image);
        }
        // At once.
        2 => {
            fs::write(at(format!("{name}.png")), &image).unwrap();
            fs::write(at(format!("{name}.mask.png")), &hole).unwrap();
        }
        // A part of the photo under its final name, then the whole copied over it.
        3 => {
            fs::write(at(format!("{name}.png")), &image[..image.len() / 2]).unwrap();
            fs::write(at(format!("{name}_mask.png")), &hole).unwrap();
            // How slowly somebody writes is what is tried here.
            std::thread::sleep(Duration::from_millis(30));
            fs::write(at(format!("{name}.png")), &image).unwrap();
        }
        // Photo and mask bit by bit.
        _ => {
            trickle(&at(format!("{name}.png")), &image);
            trickle(&at(format!("{name}_mask.png")), &hole);
        }
    }
}

fn trickle(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::create(path).unwrap();
    for part in bytes.chunks(bytes.len() / 4 + 1) {
        std::io::Write::write_all(&mut file, part).unwrap();
        // Bit by bit, in less than the settle time.
        std::thread::sleep(Duration::from_millis(15));
    }
}

fn count(dir: &Path, ending: &str) -> usize {
    fs::read_dir(dir).map_or(0, |dir| {
        dir.filter(|e| {
            e.as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .ends_with(ending)
        })
        .count()
    })
}

#[test]
fn twenty_kills_lose_nothing_and_charge_nothing_twice() {
    const KILLS: u32 = 20;
    let pairs = pairs();
    let bench = Bench::new();
    fs::create_dir(bench.at("masks")).unwrap();
    let root = bench.root.clone();
    let writer = std::thread::spawn(move || {
        for number in 0..pairs {
            drop_pair(&root, number);
            // The pace of the writer.
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let ended =
        || count(&bench.at("done"), ".report.json") + count(&bench.at("failed"), ".report.json");
    let mut after_kills = Vec::new();
    for kill in 0..KILLS {
        let daemon = Daemon::start(&bench.data, &bench.config(""));
        // The kills are spread over the work, each at another instant of it.
        let share = (kill * pairs / (KILLS + 4)) as usize;
        wait_until("so many pairs end", Duration::from_secs(300), || {
            ended() >= share
        });
        std::thread::sleep(Duration::from_millis(100 + u64::from(kill * 7919 % 400)));
        daemon.kill9();
        after_kills.push(ended());
    }
    writer.join().unwrap();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    wait_until("every pair ends", Duration::from_secs(600), || {
        ended() >= pairs as usize && bench.claims() == 0
    });
    let (available, held) = credits(&daemon);
    let (outputs, failed) = (
        count(&bench.at("output"), ""),
        count(&bench.at("failed"), ".report.json"),
    );
    println!(
        "{}",
        serde_json::json!({ "pairs": pairs, "kills": KILLS, "results": outputs, "failed": failed, "credits_charged": 10_000 - available,
            "credits_held": held, "ended_after_each_kill": after_kills })
    );
    for number in 0..pairs {
        let name = format!("k{number:04}");
        let (home, other) = if number % 10 == 9 {
            ("failed", "done")
        } else {
            ("done", "failed")
        };
        let report = bench.report(home, &name);
        assert!(
            !bench.at(&format!("{other}/{name}.report.json")).exists(),
            "{name} ended twice"
        );
        assert!(
            bench.at(&format!("{home}/{name}.png")).exists()
                && bench.at(&format!("{home}/{name}_mask.png")).exists(),
            "{name}"
        );
        if home == "done" {
            image::open(bench.at(&format!("output/{name}.png"))).unwrap();
            assert_eq!(report["duplicate"], false, "{name}");
        } else {
            assert_eq!(report["error"]["code"], "mask_size", "{name}");
        }
    }
    let bad = pairs as usize / 10;
    assert_eq!((outputs, failed), (pairs as usize - bad, bad));
    assert_eq!(
        (available, held),
        (10_000 - 3 * (pairs as i64 - bad as i64), 0)
    );
    assert!(
        after_kills.windows(2).any(|pair| pair[0] < pair[1]),
        "no pair ended between the kills: {after_kills:?}"
    );
}
