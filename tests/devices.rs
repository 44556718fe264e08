//! Which devices jobs run on, and what they keep in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{Daemon, Form, REMOVAL, cleanplate, mask, photo, png, wait_until};

fn pair() -> Form {
    Form::pair(&png(photo(96, 80)), &png(mask(96, 80, [30, 20, 70, 60])))
}

/// Bytes that each device holds.
fn held(daemon: &Daemon) -> Vec<u64> {
    let health = daemon.get("/healthz", None).json();
    let devices = health["devices"].as_array().unwrap().iter();
    devices
        .map(|one| one["device"]["memory_bytes"].as_u64().unwrap_or_default())
        .collect()
}

fn figure(daemon: &Daemon, name: &str) -> f64 {
    let text = String::from_utf8(daemon.get("/metrics", None).body).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// The driver of the software adapter twice, so that there are two adapters.
fn two_adapters(dir: &Path) -> String {
    let folder = Path::new("/usr/share/vulkan/icd.d");
    let files = std::fs::read_dir(folder).expect("install mesa-vulkan-drivers");
    let is_software = |path: &PathBuf| path.to_string_lossy().contains("/lvp_icd");
    let first = files.map(|file| file.unwrap().path()).find(is_software);
    let first = first.expect("no software adapter: install mesa-vulkan-drivers");
    let second = dir.join("second.json");
    std::fs::copy(&first, &second).unwrap();
    format!("{}:{}", first.display(), second.display())
}

#[test]
fn jobs_go_to_every_adapter_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = two_adapters(dir.path());
    let config = "[engine]\nadapters = [\"all\"]\n[pipelines]\nallowed = [\"lama\"]\n";
    let daemon = Daemon::start_among(dir.path(), config, "wgpu", &[("VK_DRIVER_FILES", &drivers)]);
    assert_eq!(held(&daemon).len(), 2);
    let key = daemon.key();
    let path = format!("{REMOVAL}?pipeline=lama&async=true");
    wait_until(
        "both devices hold weights",
        Duration::from_secs(120),
        || {
            let reply = daemon.post(&path, Some(&key), &pair());
            assert!([202, 429].contains(&reply.status), "{}", reply.status);
            held(&daemon).iter().all(|bytes| *bytes > 0)
        },
    );
    let health = daemon.get("/healthz", None).json();
    let names: Vec<&str> = [0, 1]
        .map(|n| health["devices"][n]["adapter"].as_str().unwrap())
        .to_vec();
    assert!(names[1] == format!("{} #2", names[0]), "{names:?}");
    let bench = |adapters: &str| {
        let file = dir.path().join("named.toml");
        std::fs::write(&file, format!("[engine]\nadapters = [{adapters}]\n")).unwrap();
        let args = [
            "bench",
            "--model",
            "lama-small",
            "--size",
            "64x64",
            "--runs",
            "1",
        ];
        let mut command = cleanplate();
        let command = command.env("VK_DRIVER_FILES", &drivers).args(args);
        command.arg("--config").arg(&file).output().unwrap()
    };
    // A hardware GPU or none: what is named is never replaced by the processor.
    let refused = bench("\"no such card\"");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(
        text.contains("no such card") && text.contains(names[1]),
        "{text}"
    );
}

#[test]
fn networks_leave_memory_when_nothing_was_asked_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[engine]\nidle_unload_s = 2\n";
    let daemon = Daemon::start(dir.path(), config);
    let key = daemon.key();
    let before = figure(&daemon, "process_resident_memory_bytes");
    let first = daemon.post(REMOVAL, Some(&key), &pair());
    assert_eq!(first.status, 200);
    let loaded = figure(&daemon, "process_resident_memory_bytes");
    assert!(held(&daemon)[0] > 0, "a network is kept for the next job");
    wait_until("nothing is held", Duration::from_secs(60), || {
        held(&daemon)[0] == 0
    });
    wait_until("the log says so", Duration::from_secs(10), || {
        daemon
            .log
            .lock()
            .unwrap()
            .contains("idle: networks unloaded")
    });
    let after = figure(&daemon, "process_resident_memory_bytes");
    println!("resident bytes: {before} at start, {loaded} after a removal, {after} when idle");
    assert!(
        after - before < (loaded - before) / 2.0,
        "resident bytes: {before} at start, {loaded} after a removal, {after} when idle"
    );
    let again = daemon.post(REMOVAL, Some(&key), &pair());
    assert_eq!(again.status, 200);
    let url = |reply: &crate::common::Reply| {
        reply.json()["result"]["output_url"]
            .as_str()
            .unwrap()
            .to_string()
    };
    let (one, two) = (
        daemon.get(&url(&first), None),
        daemon.get(&url(&again), None),
    );
    assert!(one.body == two.body, "the same request has the same result");
}
