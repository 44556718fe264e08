//! Kill -9 in the middle of work: no hold stays, no credit is lost, no half file is served.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Daemon, Form, REMOVAL, mask, photo, png, wait_until};

const PRICE: i64 = 3;

/// Kills of the test below: 50, or as many as `TEST_KILLS` says.
fn kills() -> u64 {
    std::env::var("TEST_KILLS").map_or(50, |text| text.parse().unwrap())
}

/// Sends removals one after the other until the daemon is gone; counts the replies and tells what the last one took.
fn keep_sending(url: &str, key: &str, form: &Form, replies: &AtomicU64, took_us: &AtomicU64) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    loop {
        let begun = Instant::now();
        let sent = agent
            .post(url)
            .content_type(form.content_type())
            .header("Authorization", format!("Bearer {key}"))
            .send(form.body().as_slice());
        let Ok(mut reply) = sent else { return };
        let status = reply.status().as_u16();
        let Ok(body) = reply.body_mut().read_to_vec() else {
            return;
        };
        let text = String::from_utf8_lossy(&body);
        assert_eq!(status, 200, "a living daemon refuses: {text}");
        took_us.store(begun.elapsed().as_micros() as u64, Ordering::SeqCst);
        replies.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the books say of the jobs, each of which must have ended exactly once: charged, given back.
fn ends(daemon: &Daemon) -> (i64, i64) {
    let args = [
        "accounts", "ledger", "default", "--limit", "100000", "--json",
    ];
    let ledger = crate::common::json(&daemon.cli(&args));
    let mut jobs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in ledger["entries"].as_array().unwrap() {
        let kind = entry["kind"].as_str().unwrap();
        if kind != "top_up" {
            let job = entry["cause"].as_str().unwrap();
            jobs.entry(job).or_default().push(kind);
        }
    }
    let (mut settled, mut released) = (0, 0);
    for (job, mut kinds) in jobs {
        kinds.sort_unstable();
        match kinds[..] {
            ["reserve", "settle"] => settled += 1,
            ["release", "reserve"] => released += 1,
            _ => panic!("{job} has {kinds:?} in the books"),
        }
    }
    (settled, released)
}

#[test]
fn kills_in_mid_job_leave_no_hold_and_lose_no_credit() {
    let dir = tempfile::tempdir().unwrap();
    // The fill without a network: with small photos, many jobs end between two kills.
    let config = "[rate_limits]\nremoval_per_minute = 100000\n[accounts]\nfirst_credits = 100000\n\
                  [pipelines]\ndefault = \"patchmatch\"\n";
    let (image, hole) = crate::common::small_pair();
    let form = Form::pair(&image, &hole);
    let (replies, took_us) = (AtomicU64::new(0), AtomicU64::new(0));
    let kills = kills();
    let mut key = None;
    for round in 0..kills {
        let running = Daemon::start(dir.path(), config);
        let key = key.get_or_insert_with(|| running.key());
        let url = running.url(REMOVAL);
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| keep_sending(&url, key, &form, &replies, &took_us)))
                .collect();
            // After none, one or two replies, at any moment of the jobs then under way, however fast the machine is.
            let enough = replies.load(Ordering::SeqCst) + round % 3;
            wait_until("jobs end", Duration::from_secs(120), || {
                replies.load(Ordering::SeqCst) >= enough || clients.iter().any(|c| c.is_finished())
            });
            let part = (round * 7919) % 1000;
            let took = took_us.load(Ordering::SeqCst);
            // Each kill at another instant of a job.
            std::thread::sleep(Duration::from_micros(took * part / 1000));
            running.kill9();
            clients.into_iter().for_each(|c| c.join().unwrap());
        });
    }

    let daemon = Daemon::start(dir.path(), config);
    let account = daemon.get("/v1/account", key.as_deref()).json();
    assert_eq!(account["held"], 0, "{account}");
    let (settled, released) = ends(&daemon);
    println!(
        "{kills} kills: {settled} jobs charged once, {released} holds of the killed returned, {replies:?} replies seen"
    );
    assert!(settled > 0, "no job ended before its kill");
    assert!(released > 0, "no kill hit a running job");
    assert!(
        settled >= replies.load(Ordering::SeqCst) as i64,
        "a reply was sent before its charge was durable"
    );
    assert_eq!(
        account["balance"].as_i64().unwrap(),
        100_000 - PRICE * settled
    );

    // Files on disk and completed jobs are one to one.
    let results = dir.path().join("results");
    let files = walk(&results)
        .into_iter()
        .filter(|f| !f.to_string_lossy().contains("mask"))
        .count() as i64;
    assert_eq!(files, settled, "orphan or missing result files");
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

/// Bytes of address space that a process has.
fn address_space(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib: u64 = size
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

#[test]
fn a_system_without_memory_costs_a_photo_and_not_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[pipelines]\ndefault = \"patchmatch\"\n[queue]\nat_once_max = 1\n";
    let daemon = Daemon::start(dir.path(), config);
    let key = daemon.key();
    let (image, hole) = crate::common::small_pair();
    let small = Form::pair(&image, &hole);
    // What the first ones start stays: threads and their memory.
    for _ in 0..3 {
        assert_eq!(daemon.post(REMOVAL, Some(&key), &small).status, 200);
    }
    let large = Form::pair(
        &png(image::RgbImage::from_pixel(
            5000,
            4000,
            image::Rgb([120, 90, 60]),
        )),
        &png(mask(5000, 4000, [100, 100, 300, 300])),
    );
    let pid = rustix::process::Pid::from_raw(daemon.pid() as i32).unwrap();
    let limit = |bytes: Option<u64>| {
        let limit = rustix::process::Rlimit {
            current: bytes,
            maximum: None,
        };
        rustix::process::prlimit(Some(pid), rustix::process::Resource::As, limit).unwrap();
    };
    limit(Some(address_space(daemon.pid()) + (192 << 20)));
    let reply = daemon.post(REMOVAL, Some(&key), &large);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 503, "{text}");
    assert!(
        reply.header("Retry-After").is_some() && text.contains("no memory for"),
        "{text}"
    );
    assert_eq!(daemon.post(REMOVAL, Some(&key), &small).status, 200);
    limit(None);
    assert_eq!(daemon.post(REMOVAL, Some(&key), &large).status, 200);
    let account = daemon.get("/v1/account", Some(&key)).json();
    assert_eq!(account["held"], 0);
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
