//! Writers that are slow, files that are none, folders that change.

use super::*;
use crate::common::postgres::Server;

#[test]
fn a_slow_writer_is_waited_for_and_a_rename_is_taken() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.data, &bench.config(""));
    let (image, hole) = numbered(1);
    bench.put("slow_mask.png", &hole);
    // Pauses far longer than the settle time: only the missing end marker tells.
    for end in [image.len() / 3, image.len() - 5] {
        bench.put("slow.png", &image[..end]);
        std::thread::sleep(Duration::from_millis(800));
        assert!(
            bench.at("slow.png").exists() && bench.claims() == 0,
            "a partial file was taken"
        );
    }
    bench.put("slow.png", &image);
    assert_eq!(bench.report("done", "slow")["photo_bytes"], image.len());

    let (image, hole) = numbered(2);
    bench.put(".moved.part", &image);
    bench.put(".moved_mask.part", &hole);
    // Longer than the settle time: files like these would have been taken by now.
    std::thread::sleep(Duration::from_millis(400));
    fs::rename(bench.at(".moved_mask.part"), bench.at("moved_mask.png")).unwrap();
    fs::rename(bench.at(".moved.part"), bench.at("moved.png")).unwrap();
    assert_eq!(bench.report("done", "moved")["status"], "done");

    // What never becomes whole fails in the end, and so does a mask of another size.
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config("incomplete_s_max = 1"));
    bench.put("torn_mask.png", &hole);
    bench.put("torn.png", &image[..image.len() / 2]);
    assert_eq!(bench.report("failed", "torn")["error"]["code"], "image");
    bench.put("odd.png", &image);
    bench.put("odd_mask.png", &small_pair().1);
    assert_eq!(bench.report("failed", "odd")["error"]["code"], "mask_size");
    assert_eq!(credits(&daemon), (10_000, 0));
}

#[test]
fn links_pipes_and_devices_are_refused() {
    let bench = Bench::new();
    let secret = bench.data.parent().unwrap().join("secret.png");
    let (image, hole) = numbered(1);
    fs::write(&secret, &image).unwrap();
    std::os::unix::fs::symlink(&secret, bench.at("link.png")).unwrap();
    bench.put("link_mask.png", &hole);
    std::os::unix::fs::symlink("/dev/zero", bench.at("device.png")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(bench.at("pipe_mask.png"))
            .status()
            .unwrap()
            .success()
    );
    bench.put("pipe.png", &image);
    assert!(
        Command::new("mkfifo")
            .arg(bench.at("tube.jpg"))
            .status()
            .unwrap()
            .success()
    );
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    for name in ["link", "device", "pipe", "tube"] {
        assert_eq!(
            bench.report("failed", name)["error"]["code"],
            "not_a_regular_file",
            "{name}"
        );
    }
    wait_for(&bench.at("failed/link.png"));
    assert!(
        bench
            .at("failed/link.png")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read_dir(bench.at("output")).unwrap().count(), 0);
    assert_eq!(credits(&daemon), (10_000, 0));
}

#[test]
fn the_same_content_is_charged_once_and_an_unwritable_output_only_pauses() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    let (image, hole) = numbered(1);
    for name in ["first", "again", "first"] {
        wait_until("the name is free", Duration::from_secs(20), || {
            !bench.at(&format!("{name}.png")).exists()
        });
        bench.put(&format!("{name}_mask.png"), &hole);
        bench.put(&format!("{name}.png"), &image);
        let shown = if bench.at("done/again.report.json").exists() {
            "first-2"
        } else {
            name
        };
        let report = bench.report("done", shown);
        assert_eq!(
            report["duplicate"].as_bool(),
            Some(shown != "first"),
            "{report}"
        );
        assert_eq!(
            fs::read(bench.at(&format!("output/{shown}.png"))).unwrap(),
            fs::read(bench.at("output/first.png")).unwrap()
        );
    }
    assert_eq!(credits(&daemon), (10_000 - 3, 0));

    fs::rename(bench.at("output"), bench.at("output-away")).unwrap();
    fs::write(bench.at("output"), b"in the way").unwrap();
    let (image, hole) = numbered(2);
    bench.put("held_mask.png", &hole);
    bench.put("held.png", &image);
    wait_until("the pause is shown", Duration::from_secs(30), || {
        bench.status()["paused"]
            .as_str()
            .is_some_and(|why| why.contains("output"))
    });
    fs::remove_file(bench.at("output")).unwrap();
    assert_eq!(bench.report("done", "held")["status"], "done");
    assert_eq!(credits(&daemon), (10_000 - 6, 0));
}

#[test]
fn what_was_swept_is_made_again_without_charge() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    let (image, hole) = numbered(1);
    for name in ["first", "later"] {
        bench.put(&format!("{name}_mask.png"), &hole);
        bench.put(&format!("{name}.png"), &image);
        let report = bench.report("done", name);
        let paid = if name == "first" { 3 } else { 0 };
        assert_eq!(report["credits"].as_i64(), Some(paid), "{report}");
        assert_eq!(report["duplicate"].as_bool(), Some(false), "{report}");
        for file in fs::read_dir(bench.data.join("results")).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    assert_eq!(
        fs::read(bench.at("output/later.png")).unwrap(),
        fs::read(bench.at("output/first.png")).unwrap()
    );
    assert_eq!(credits(&daemon), (10_000 - 3, 0));
}

#[test]
fn a_folder_is_worked_on_over_a_database_server_and_sighup_is_heard() {
    let bench = Bench::new();
    let store = format!("[store]\nurl = {:?}\n", Server::shared().fresh());
    let config = |name: &str| format!("{store}{}", bench.config(&format!("name = {name:?}")));
    let daemon = Daemon::start(&bench.data, &config("before"));
    for (number, name, folder) in [(1, "a", "before"), (2, "b", "behind")] {
        let (image, hole) = numbered(number);
        bench.put(&format!("{name}_mask.png"), &hole);
        bench.put(&format!("{name}.png"), &image);
        let report = bench.report("done", name);
        assert_eq!(
            (&report["folder"], &report["status"]),
            (&folder.into(), &"done".into())
        );
        fs::write(bench.data.join("test.toml"), config("behind")).unwrap();
        daemon.signal("-HUP");
        wait_until("the keys are read again", Duration::from_secs(20), || {
            let log = daemon.log.lock().unwrap();
            log.contains("read the keys that sign addresses again")
        });
        wait_until("the new name is shown", Duration::from_secs(20), || {
            bench.status()["name"] == "behind"
        });
    }
    assert!(!daemon.log.lock().unwrap().contains("panicked"));
    daemon.terminate_and_wait();
}

#[test]
fn loops_are_refused_and_folders_follow_the_configuration_file() {
    let bench = Bench::new();
    let file = bench.data.join("check.toml");
    fs::create_dir_all(&bench.data).unwrap();
    for (more, says) in [
        (
            format!("output = {:?}", bench.at("results")),
            "lies in the watched folder",
        ),
        (
            format!("output = {:?}", bench.root),
            "lies in the watched folder",
        ),
        (
            format!("output = {:?}", bench.at("done")),
            "lies in the watched folder",
        ),
        ("settle_s = 3".to_string(), "unknown option"),
        (
            "pairing = [\"{stem}.png\"]".to_string(),
            "take every photo for a mask",
        ),
    ] {
        fs::write(&file, bench.config(&more)).unwrap();
        let checked = cleanplate()
            .args(["config", "check", file.to_str().unwrap()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(
            !checked.status.success() && text.contains(says),
            "{more}: {text}"
        );
    }

    let daemon = Daemon::start(&bench.data, "[accounts]\nfirst_credits = 100\n");
    let (image, hole) = numbered(1);
    bench.put("late_mask.png", &hole);
    bench.put("late.png", &image);
    fs::write(
        bench.data.join("test.toml"),
        bench.config("name = \"late\"\nformat = \"webp\""),
    )
    .unwrap();
    assert_eq!(bench.report("done", "late")["folder"], "late");
    assert!(bench.at("output/late.webp").exists());
    fs::write(
        bench.data.join("test.toml"),
        "[accounts]\nfirst_credits = 100\n",
    )
    .unwrap();
    let followed = || {
        daemon
            .log
            .lock()
            .unwrap()
            .matches("hot folders follow")
            .count()
    };
    wait_until("the folder is let go", Duration::from_secs(20), || {
        followed() == 2
    });
    bench.put("gone_mask.png", &hole);
    bench.put("gone.png", &image);
    // Nothing happens that could be waited for: a folder that is watched takes a pair in less.
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        bench.at("gone.png").exists(),
        "a folder that left the configuration was still watched"
    );
    daemon.terminate();
}

#[test]
fn a_polled_folder_of_a_named_account_leaves_ignored_files_alone() {
    let bench = Bench::new();
    let more = "poll_s = 1\nignore = [\"draft-*\"]";
    let daemon = Daemon::start(&bench.data, &bench.config_of("\"studio\"", more));
    let (image, hole) = numbered(1);
    bench.put("_mask.png", &hole);
    bench.put("a.png", &image);
    bench.put("draft-a.png", &numbered(2).0);
    let paused = || {
        bench.at("working/status.json").exists()
            && bench.status()["paused"]
                .as_str()
                .is_some_and(|why| why.contains("studio"))
    };
    wait_until(
        "the missing account is shown",
        Duration::from_secs(20),
        paused,
    );
    let made = json(&daemon.cli(&["accounts", "create", "studio", "--json"]));
    let id = made["id"].as_str().unwrap();
    assert!(
        daemon
            .cli(&["accounts", "top-up", id, "5"])
            .status
            .success()
    );
    let report = bench.report("done", "a");
    assert_eq!(
        (report["status"].as_str(), report["mask"].as_str()),
        (Some("done"), Some("_mask.png"))
    );
    let accounts = json(&daemon.cli(&["accounts", "list", "--json"]))["accounts"].clone();
    let available = |name: &str| {
        accounts
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["name"] == name)
            .unwrap()["available"]
            .as_i64()
    };
    assert_eq!(
        (available("studio"), available("default")),
        (Some(2), Some(10_000))
    );

    // Too few credits pause the folder; nothing fails.
    bench.put("b.png", &numbered(3).0);
    wait_until(
        "the missing credits are shown",
        Duration::from_secs(20),
        || {
            bench.status()["paused"]
                .as_str()
                .is_some_and(|why| why.contains("credits"))
        },
    );
    assert!(
        daemon
            .cli(&["accounts", "top-up", id, "1"])
            .status
            .success()
    );
    assert_eq!(bench.report("done", "b")["status"], "done");
    assert!(
        bench.at("draft-a.png").exists() && fs::read_dir(bench.at("failed")).unwrap().count() == 0
    );
}

#[test]
fn sighup_has_the_configuration_read_again_whatever_its_time_says() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config("name = \"before\""));
    let name = || bench.at("working/status.json").exists() && bench.status()["name"] == "before";
    wait_until("the folder is watched", Duration::from_secs(20), name);
    // The same length and the same time: nothing shows that the content is another one.
    let (file, new) = (bench.data.join("test.toml"), bench.data.join("new.toml"));
    fs::write(&new, bench.config("name = \"behind\"")).unwrap();
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::File::options()
        .write(true)
        .open(&new)
        .unwrap()
        .set_modified(time)
        .unwrap();
    fs::rename(&new, &file).unwrap();
    // Longer than from one look at the file to the next.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(bench.status()["name"], "before");
    daemon.signal("-HUP");
    wait_until("the new name is shown", Duration::from_secs(20), || {
        bench.status()["name"] == "behind"
    });
    // Errors change nothing.
    fs::write(&file, bench.config("naem = \"x\"")).unwrap();
    daemon.signal("-HUP");
    wait_until("the error is told", Duration::from_secs(20), || {
        daemon
            .log
            .lock()
            .unwrap()
            .contains("the hot folders stay as they are")
    });
    let (image, hole) = numbered(1);
    bench.put("a_mask.png", &hole);
    bench.put("a.png", &image);
    assert_eq!(bench.report("done", "a")["folder"], "behind");
}
