//! Data folders of earlier versions, made by `make.py` beside this file, are taken up with everything in them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::common::postgres::Server;
use crate::common::{Daemon, Form, REMOVAL, root, run, small_pair, wait_until};
use crate::storage::{UNLIMITED, text};

/// What the daemon of an earlier version had when `tests/upgrade/make.py` made its file.
fn data_of(version: u32, dir: &Path) -> (PathBuf, Value) {
    let file = root().join(format!("tests/upgrade/data-{version}.tar.gz"));
    let packed = GzDecoder::new(File::open(file).unwrap());
    tar::Archive::new(packed).unpack(dir).unwrap();
    let expected = fs::read(dir.join("expected.json")).unwrap();
    (
        dir.join("all.tar"),
        serde_json::from_slice(&expected).unwrap(),
    )
}

#[test]
fn data_of_earlier_versions_is_taken_up() {
    for version in [7] {
        let dir = tempfile::tempdir().unwrap();
        let (file, expected) = data_of(version, dir.path());
        let data = dir.path().join("data");
        let from_to = [file.to_str().unwrap(), "--data", data.to_str().unwrap()];
        let restored = run(&[&["restore"], &from_to[..]].concat());
        let said = String::from_utf8_lossy(&restored.stderr);
        assert!(restored.status.success(), "{said}");
        // The jobs that waited are asked for again and again.
        let often = "[rate_limits]\nread_per_minute = 100000\n";
        let daemon = Daemon::start(&data, often);
        let key = |name: &str| Some(expected[name].as_str().unwrap());
        let account = |name| daemon.get("/v1/account", key(name)).json();
        assert_eq!(account("key")["balance"], expected["balance"]);
        assert_eq!(daemon.get("/v1/account", key("revoked_key")).status, 401);
        let job = |id: &str, name| {
            let view = daemon.get(&format!("/v1/jobs/{id}"), key(name)).json();
            view["status"].as_str().map(str::to_string)
        };
        for (id, status) in expected["ended"].as_object().unwrap() {
            let found = job(id, "key").or_else(|| job(id, "studio_key"));
            assert_eq!(found.as_deref(), status.as_str(), "{id}");
        }
        // What waited ends: done and charged, or given back where its time was over long ago.
        let waiting = expected["waiting"].as_array().unwrap();
        let ends = || {
            waiting
                .iter()
                .map(|id| job(id.as_str().unwrap(), "studio_key").unwrap())
        };
        wait_until("the jobs that waited end", Duration::from_secs(120), || {
            ends().all(|status| ["completed", "failed"].contains(&status.as_str()))
        });
        let done = ends().filter(|status| status == "completed").count();
        let of_batch = 3;
        let left = expected["studio_credits"].as_u64().unwrap() - of_batch - 3 * done as u64;
        let studio = account("studio_key");
        assert_eq!(studio["balance"], left, "{studio}");
        assert_eq!(studio["held"], 0, "{studio}");
        let (image, hole) = small_pair();
        let form = Form::pair(&image, &hole);
        assert_eq!(daemon.post(REMOVAL, key("key"), &form).status, 200);
        // The books are checked at the start.
        let breaches = daemon.get("/metrics", None);
        let breaches = String::from_utf8(breaches.body).unwrap();
        let none = |line: &str| {
            line.starts_with("cleanplate_invariant_breaches_total") && line.ends_with(" 0")
        };
        assert!(breaches.lines().any(none), "{breaches}");
    }
}

/// Processes of the version before and of this one over one database and one folder of files, while they are exchanged: each takes calls,
/// either does the work, every job is charged once.
///
/// `OLD_BINARY=FILE cargo test --release -p cleanplate --test main upgrade:: -- --ignored`
#[test]
#[ignore = "OLD_BINARY names the program of the version before"]
fn old_and_new_processes_share_a_database() {
    let old = std::env::var("OLD_BINARY").expect("OLD_BINARY=FILE");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let config = format!(
        "{UNLIMITED}\n[store]\nurl = \"{}\"\n",
        Server::shared().fresh()
    );
    let old = Daemon::start_as(Command::new(old), &at("old"), &config, "cpu");
    let key = old.key();
    let (image, hole) = small_pair();
    let balance = |daemon: &Daemon| {
        let account = daemon.get("/v1/account", Some(&key)).json();
        assert_eq!(account["held"], 0, "{account}");
        account["balance"].as_i64().unwrap()
    };
    let removal = |daemon: &Daemon| {
        let reply = daemon.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
        assert_eq!(reply.status, 200, "{}", text(&reply));
        let url = reply.json()["result"]["output_url"]
            .as_str()
            .unwrap()
            .to_owned();
        url[url.find("/v1/").unwrap()..].to_owned()
    };
    let whole = balance(&old);
    let first = removal(&old);
    let price = whole - balance(&old);
    assert!(price > 0);
    // The new one migrates the database under the old one, and takes the old one's folder for files.
    let files = format!("[files]\nurl = \"file://{}\"\n", at("old").display());
    let new = Daemon::start(&at("new"), &format!("{config}\n{files}"));
    let mut done = 1;
    for _ in 0..6 {
        for (here, there) in [(&old, &new), (&new, &old)] {
            let url = removal(here);
            assert_eq!(there.get(&url, None).status, 200);
            done += 1;
        }
    }
    old.terminate_and_wait();
    assert_eq!(new.get(&first, None).status, 200);
    removal(&new);
    assert_eq!(
        balance(&new),
        whole - (done + 1) * price,
        "each charged once"
    );
    wait_until("the books are checked", Duration::from_secs(5), || {
        new.get("/healthz", None).json()["status"] == "ok"
    });
}
