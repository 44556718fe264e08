//! Kill -9 in the middle of work: no hold stays, no credit is lost, no half file is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{Daemon, Form, REMOVAL, mask, photo, png, wait_until};

const PRICE: i64 = 3;

/// Kills of the test below: 50, or as many as `TEST_KILLS` says.
fn kills() -> u64 {
    std::env::var("TEST_KILLS").map_or(50, |text| text.parse().unwrap())
}

#[test]
fn kills_in_mid_job_leave_no_hold_and_lose_no_credit() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[rate_limits]\nremoval_per_minute = 100000\n";
    let daemon = Daemon::start(dir.path(), config);
    let key = daemon.key();
    let topped = daemon.cli(&["accounts", "top-up", "default", "99900", "--json"]);
    assert!(
        topped.status.success(),
        "{}",
        String::from_utf8_lossy(&topped.stderr)
    );
    let form = Arc::new(Form::pair(
        &png(photo(320, 240)),
        &png(mask(320, 240, [120, 80, 200, 160])),
    ));

    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut interrupted = 0;
    let mut daemon = Some(daemon);
    let kills = kills();
    for round in 0..kills {
        let running = daemon
            .take()
            .unwrap_or_else(|| Daemon::start(dir.path(), config));
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let (url, key, form, acknowledged) = (
                    running.url(REMOVAL),
                    key.clone(),
                    Arc::clone(&form),
                    Arc::clone(&acknowledged),
                );
                std::thread::spawn(move || {
                    loop {
                        let agent: ureq::Agent = ureq::Agent::config_builder()
                            .http_status_as_error(false)
                            .build()
                            .into();
                        let sent = agent
                            .post(&url)
                            .content_type(form.content_type())
                            .header("Authorization", format!("Bearer {key}"));
                        let Ok(mut reply) = sent.send(form.body().as_slice()) else {
                            return;
                        };
                        if reply.status().as_u16() != 200 || reply.body_mut().read_to_vec().is_err()
                        {
                            return;
                        }
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        // From "still uploading" to "several done", differently each round and the same in every run.
        std::thread::sleep(Duration::from_millis(5 + (round * 7919) % 400));
        running.kill9();
        interrupted += 1;
        clients.into_iter().for_each(|c| c.join().unwrap());
    }
    assert_eq!(interrupted, kills);

    let daemon = Daemon::start(dir.path(), config);
    let account = daemon.get("/v1/account", Some(&key)).json();
    assert_eq!(account["held"], 0, "{account}");
    let ledger = crate::common::json(&daemon.cli(&[
        "accounts", "ledger", "default", "--limit", "100000", "--json",
    ]));
    let entries = ledger["entries"].as_array().unwrap();
    let count = |kind: &str| entries.iter().filter(|e| e["kind"] == kind).count() as i64;
    let (reserves, settles, releases) = (count("reserve"), count("settle"), count("release"));
    println!(
        "{kills} kills: {reserves} reserves, {settles} settles, {releases} releases, {acknowledged:?} replies seen"
    );
    assert_eq!(
        reserves,
        settles + releases,
        "every hold resolves exactly once"
    );
    assert!(
        releases > 0,
        "no kill hit a running job: the test proves nothing"
    );
    assert!(
        settles >= acknowledged.load(Ordering::SeqCst) as i64,
        "a reply was sent before its charge was durable"
    );
    assert_eq!(
        account["balance"].as_i64().unwrap(),
        100_000 - PRICE * settles
    );

    // Files on disk and completed jobs are one to one.
    let results = dir.path().join("results");
    let files = walk(&results)
        .into_iter()
        .filter(|f| !f.to_string_lossy().contains("mask"))
        .count() as i64;
    assert_eq!(files, settles, "orphan or missing result files");
    assert!(
        walk(&dir.path().join("uploads")).is_empty(),
        "uploads left behind"
    );
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|e| {
            if e.path().is_dir() {
                walk(&e.path())
            } else {
                vec![e.path()]
            }
        })
        .collect()
}

#[test]
fn a_second_daemon_on_one_data_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Daemon::start(dir.path(), "");
    let second = crate::common::cleanplate()
        .args([
            "serve",
            "--backend",
            "cpu",
            "--listen",
            "127.0.0.1:0",
            "--data",
            dir.path().to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        text.contains("data folder") || text.contains("in use") || text.contains("lock"),
        "{text}"
    );
}

#[test]
fn a_terminated_daemon_finishes_its_work_and_leaves_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), "");
    let (key, url) = (daemon.key(), daemon.url(REMOVAL));
    let form = Form::pair(
        &png(photo(320, 240)),
        &png(mask(320, 240, [100, 60, 220, 180])),
    );
    let client = std::thread::spawn(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let sent = agent
            .post(&url)
            .content_type(form.content_type())
            .header("Authorization", format!("Bearer {key}"));
        sent.send(form.body().as_slice())
            .map(|r| r.status().as_u16())
    });
    let running = || daemon.get("/healthz", None).json()["queue"]["running"] == 1;
    wait_until("the job runs", Duration::from_secs(20), || {
        client.is_finished() || running()
    });
    daemon.terminate();
    let status = client.join().unwrap();
    assert!(
        matches!(status, Ok(200 | 503)),
        "an accepted connection was cut: {status:?}"
    );
    let ended = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        daemon.child.try_wait().unwrap()
    });
    assert_eq!(
        ended.and_then(|s| s.code()),
        Some(0),
        "{}",
        daemon.log.lock().unwrap()
    );
}

#[test]
fn a_second_signal_ends_the_daemon_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), "[server]\nshutdown_s_max = 60\n");
    let (key, url) = (daemon.key(), daemon.url(&format!("{REMOVAL}?async=true")));
    let form = Form::pair(
        &png(photo(1600, 1200)),
        &png(mask(1600, 1200, [200, 200, 1400, 1000])),
    );
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    for _ in 0..4 {
        let sent = agent
            .post(&url)
            .content_type(form.content_type())
            .header("Authorization", format!("Bearer {key}"))
            .send(form.body().as_slice());
        assert_eq!(sent.unwrap().status().as_u16(), 202);
    }
    daemon.terminate();
    wait_until("it drains", Duration::from_secs(20), || {
        daemon.log.lock().unwrap().contains("stopping: ")
    });
    assert!(
        daemon.child.try_wait().unwrap().is_none(),
        "no work was left"
    );
    daemon.signal("-INT");
    let ended = (0..40).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        daemon.child.try_wait().unwrap()
    });
    assert_eq!(
        ended.and_then(|status| status.code()),
        Some(1),
        "{}",
        daemon.log.lock().unwrap()
    );
}
