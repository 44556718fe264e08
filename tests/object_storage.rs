//! Files of jobs outside of the data folder: in a bucket of a real S3 server, and in a folder that others may have too.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::common::admin::Admin;
use crate::common::s3::S3;
use crate::common::{self, Daemon, Form, REMOVAL, Reply, mask, photo, png, small_pair, wait_until};

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// A removal, and the address of its result.
fn removed(daemon: &Daemon, key: &str) -> String {
    let (image, hole) = small_pair();
    let reply = daemon.post(REMOVAL, Some(key), &Form::pair(&image, &hole));
    assert_eq!(reply.status, 200, "{}", text(&reply));
    reply.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Nothing of a job lies in the data folder.
fn nothing_here(data: &Path) {
    for folder in ["results", "inputs", "previews", "uploads"] {
        assert_eq!(names(&data.join(folder)), Vec::<String>::new(), "{folder}");
    }
}

fn held(daemon: &Daemon, key: &str) -> i64 {
    daemon.get("/v1/account", Some(key)).json()["held"]
        .as_i64()
        .unwrap()
}

fn part(url: &str, range: &str) -> (u16, Vec<u8>, Option<String>) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut reply = agent.get(url).header("Range", range).call().unwrap();
    let told = reply.headers().get("Content-Range");
    let told = told.map(|value| value.to_str().unwrap().to_string());
    (
        reply.status().as_u16(),
        reply.body_mut().read_to_vec().unwrap(),
        told,
    )
}

#[test]
fn a_result_lies_in_the_bucket_and_is_served_as_from_a_folder() {
    let (dir, server) = (tempfile::tempdir().unwrap(), S3::start());
    let daemon = Daemon::start(dir.path(), &server.config());
    let key = daemon.key();
    let url = removed(&daemon, &key);
    let id = url.split_once("/v1/files/").unwrap().1[..36].to_string();
    let (result, hole) = (format!("{id}.1.png"), format!("{id}.1.mask.png"));
    assert_eq!(server.names("results"), [hole.clone(), result.clone()]);
    assert_eq!(server.names("previews"), [format!("{id}.1.jpg")]);
    assert_eq!(server.names("inputs"), Vec::<String>::new());
    nothing_here(dir.path());
    let whole = daemon.get(&url, None);
    let stored = fs::read(server.object("results", &result)).unwrap();
    assert!(whole.status == 200 && whole.body == stored);
    let hash: String = Sha256::digest(&stored)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(whole.header("ETag"), Some(&*format!("\"{hash}\"")));
    let disposition = whole.header("Content-Disposition").unwrap();
    assert_eq!(disposition, format!("attachment; filename=\"{id}.png\""));
    let all = stored.len();
    for (range, from, to) in [
        ("bytes=8-15", 8, 16),
        ("bytes=-5", all - 5, all),
        ("bytes=3-", 3, all),
    ] {
        let (status, bytes, told) = part(&url, range);
        assert_eq!(status, 206, "{range}");
        assert!(bytes == stored[from..to], "{range}");
        assert_eq!(told.unwrap(), format!("bytes {from}-{}/{all}", to - 1));
    }
    assert_eq!(part(&url, &format!("bytes={all}-")).0, 416);
    let path = &url[url.find("/v1/").unwrap()..];
    let head = daemon.ask("HEAD", path, &[]);
    assert_eq!(head.header("Content-Length"), Some(&*all.to_string()));
    let etag = whole.header("ETag").unwrap();
    assert_eq!(
        daemon.ask("GET", path, &[("If-None-Match", etag)]).status,
        304
    );
    let jpeg = daemon.get(&format!("{url}&output_format=jpeg"), None);
    assert!(jpeg.status == 200 && jpeg.body.starts_with(&[0xff, 0xd8]));
    let admin = Admin::of(dir.path());
    for (part, bytes) in [
        ("result", &stored),
        ("mask", &fs::read(server.object("results", &hole)).unwrap()),
    ] {
        let shown = admin.get(&format!("/jobs/{id}/images/{part}"));
        assert!(shown.status == 200 && shown.body == *bytes, "{part}");
    }
    let before = admin.get(&format!("/jobs/{id}/images/input?side_px_max=64"));
    assert_eq!(before.status, 200, "{}", text(&before));
    nothing_here(dir.path());
}

#[test]
fn a_result_that_was_changed_in_the_bucket_is_never_served_whole() {
    let (dir, server) = (tempfile::tempdir().unwrap(), S3::start());
    let daemon = Daemon::start(dir.path(), &server.config());
    let key = daemon.key();
    let url = removed(&daemon, &key);
    let result = server.names("results").pop().unwrap();
    let path = server.object("results", &result);
    let stored = fs::read(&path).unwrap();
    let mut changed = stored.clone();
    changed[stored.len() / 2] ^= 1;
    fs::write(&path, &changed).unwrap();
    let reply = daemon.get(&url, None);
    assert_eq!(reply.status, 0, "it ends before its length");
    assert_eq!(
        daemon
            .get(&format!("{url}&output_format=jpeg"), None)
            .status,
        410
    );
    fs::write(&path, &stored[1..]).unwrap();
    assert_eq!(daemon.get(&url, None).status, 410);
    fs::remove_file(&path).unwrap();
    assert_eq!(daemon.get(&url, None).status, 410);
    assert_eq!(
        daemon.get("/readyz", None).status,
        200,
        "a missing file is no trouble of the store"
    );
}

fn ended(daemon: &Daemon, key: &str, job: &str) -> serde_json::Value {
    let mut body = serde_json::Value::Null;
    wait_until("the job ends", Duration::from_secs(100), || {
        // Below the rate limit.
        std::thread::sleep(Duration::from_millis(150));
        let reply = daemon.get(&format!("/v1/jobs/{job}"), Some(key));
        assert_eq!(reply.status, 200, "{}", text(&reply));
        body = reply.json();
        ["completed", "failed"].contains(&body["status"].as_str().unwrap())
    });
    body
}

fn accepted(daemon: &Daemon, key: &str, form: &Form) -> String {
    let reply = daemon.post(&format!("{REMOVAL}?async=true"), Some(key), form);
    assert_eq!(reply.status, 202, "{}", text(&reply));
    reply.json()["job_id"].as_str().unwrap().to_string()
}

#[test]
fn uploads_of_asynchronous_jobs_wait_in_the_bucket_and_can_be_tried_again() {
    let (dir, server) = (tempfile::tempdir().unwrap(), S3::start());
    let daemon = Daemon::start(dir.path(), &server.config());
    let key = daemon.key();
    let (image, hole) = small_pair();
    let job = accepted(&daemon, &key, &Form::pair(&image, &hole));
    assert_eq!(ended(&daemon, &key, &job)["status"], "completed");
    wait_until("its upload goes", Duration::from_secs(10), || {
        server.names("inputs").is_empty()
    });
    // One that fails by its mask: its upload stays, goes over to the job that tries again, once.
    let nothing = png(mask(96, 80, [0; 4]));
    let failed = accepted(&daemon, &key, &Form::pair(&png(photo(96, 80)), &nothing));
    assert_eq!(ended(&daemon, &key, &failed)["status"], "failed");
    assert_eq!(
        server.names("inputs"),
        [format!("{failed}.image"), format!("{failed}.mask")]
    );
    let admin = Admin::of(dir.path());
    let retry = || admin.raw("POST", &format!("/jobs/{failed}/retry"), Some(b"{}"));
    let again = retry();
    assert_eq!(again.status, 201, "{}", text(&again));
    let again = again.json()["id"].as_str().unwrap().to_string();
    assert_eq!(retry().status, 409);
    assert_eq!(ended(&daemon, &key, &again)["status"], "failed");
    assert_eq!(
        server.names("inputs"),
        [format!("{again}.image"), format!("{again}.mask")]
    );
    assert_eq!(held(&daemon, &key), 0);
    nothing_here(dir.path());
}

#[test]
fn expired_results_and_old_files_without_a_job_go() {
    let (dir, server) = (tempfile::tempdir().unwrap(), S3::start());
    let config = format!("{}[results]\nsweep_s = 1\n", server.config());
    let daemon = Daemon::start(dir.path(), &config);
    let key = daemon.key();
    let url = removed(&daemon, &key);
    let kept = server.names("results");
    daemon.terminate_and_wait();
    let database = rusqlite::Connection::open(dir.path().join("cleanplate.db")).unwrap();
    let changed = database.execute(
        "UPDATE job SET expires_at_ms = 1 WHERE expires_at_ms > 1",
        [],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(database);
    let unowned = |number: u32| format!("{number:08x}-0000-4000-8000-000000000000.1.png");
    let put = |number: u32, age_s: u64| {
        let path = server.object("results", &unowned(number));
        fs::write(&path, b"x").unwrap();
        let written = SystemTime::now() - Duration::from_secs(age_s);
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(written)
            .unwrap();
    };
    put(1, 3 * 3600);
    // An upload under way has no job that owns it yet.
    put(2, 60);
    let path = server.object("results", "README");
    fs::write(&path, b"not ours").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(3 * 3600))
        .unwrap();
    let daemon = Daemon::start(dir.path(), &config);
    wait_until("what is old goes", Duration::from_secs(20), || {
        server.names("results") == [unowned(2), "README".to_string()]
    });
    assert_eq!(kept.len(), 2);
    assert_eq!(
        daemon.get(&url[url.find("/v1/").unwrap()..], None).status,
        410
    );
}

/// A job that takes a while.
fn long() -> Form {
    Form::pair(
        &png(photo(1200, 900)),
        &png(mask(1200, 900, [200, 200, 900, 700])),
    )
}

fn running(daemon: &Daemon) {
    wait_until("the job runs", Duration::from_secs(30), || {
        daemon.get("/healthz", None).json()["queue"]["running"] == 1
    });
}

#[test]
fn a_store_that_stops_in_mid_job_costs_nothing_and_is_told() {
    let (dir, mut server) = (tempfile::tempdir().unwrap(), S3::start());
    let daemon = Daemon::start(dir.path(), &server.config());
    let key = daemon.key();
    let ready = || daemon.get("/readyz", None);
    for (round, silent) in [false, true].into_iter().enumerate() {
        std::thread::scope(|scope| {
            let call = scope.spawn(|| daemon.post(REMOVAL, Some(&key), &long()));
            running(&daemon);
            if silent {
                server.silence()
            } else {
                server.stop()
            }
            let reply = call.join().unwrap();
            assert_eq!(reply.status, 503, "silent: {silent}: {}", text(&reply));
            assert!(reply.header("Retry-After").is_some());
            assert!(text(&reply).contains("store of files"), "{}", text(&reply));
        });
        assert_eq!(held(&daemon, &key), 0);
        wait_until("it is told", Duration::from_secs(15), || {
            ready().status == 503
        });
        assert!(
            text(&ready()).contains("store of files"),
            "{}",
            text(&ready())
        );
        let (image, hole) = small_pair();
        let began = Instant::now();
        let refused = daemon.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
        assert_eq!(refused.status, 503);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "refused without waiting for it"
        );
        server.resume();
        wait_until("it is seen again", Duration::from_secs(15), || {
            ready().status == 200
        });
        removed(&daemon, &key);
        assert_eq!(
            server.names("results").len(),
            2 * (round + 1),
            "{:?}",
            server.names("results")
        );
    }
    let balance = daemon.get("/v1/account", Some(&key)).json()["balance"].clone();
    assert_eq!(balance, 100 - 2 * 3, "two removals were paid");
    let log = daemon.log.lock().unwrap();
    assert!(
        log.contains("s3://plates/a/b/") && !log.contains("a-secret-that-no-log-shows"),
        "{log}"
    );
}

#[test]
fn an_asynchronous_job_outlives_a_store_that_stops_under_it() {
    let (dir, mut server) = (tempfile::tempdir().unwrap(), S3::start());
    let daemon = Daemon::start(dir.path(), &server.config());
    let key = daemon.key();
    let job = accepted(&daemon, &key, &long());
    running(&daemon);
    server.stop();
    wait_until("its result is not stored", Duration::from_secs(60), || {
        // Below the rate limit.
        std::thread::sleep(Duration::from_millis(150));
        daemon.get("/readyz", None).status == 503
            && daemon.get(&format!("/v1/jobs/{job}"), Some(&key)).json()["status"] == "pending"
    });
    server.resume();
    let body = ended(&daemon, &key, &job);
    assert_eq!(body["status"], "completed", "{body}");
    assert_eq!(
        server.names("results"),
        [format!("{job}.2.mask.png"), format!("{job}.2.png")]
    );
    assert_eq!(held(&daemon, &key), 0);
    let balance = daemon.get("/v1/account", Some(&key)).json()["balance"].clone();
    assert_eq!(balance, 100 - 3);
}

#[test]
fn clients_may_be_sent_to_the_bucket() {
    let (dir, server) = (tempfile::tempdir().unwrap(), S3::start());
    let config = format!("{}presign = true\n", server.config());
    let daemon = Daemon::start(dir.path(), &config);
    let url = removed(&daemon, &daemon.key());
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into();
    let sent = agent.get(&url).call().unwrap();
    assert_eq!(sent.status().as_u16(), 307);
    let place = sent.headers()["Location"].to_str().unwrap().to_string();
    assert!(place.contains("X-Amz-Expires=60"), "{place}");
    let stored =
        fs::read(server.object("results", server.names("results").last().unwrap())).unwrap();
    let mut reply = agent.get(&place).call().unwrap();
    assert_eq!(reply.headers()["Content-Type"], "image/png");
    assert!(
        reply.headers()["Content-Disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    assert!(reply.body_mut().read_to_vec().unwrap() == stored);
    assert_eq!(part(&place, "bytes=0-3").1, stored[..4]);
    let forged = place.replace(".1.png", ".1.mask.png");
    assert_eq!(agent.get(&forged).call().unwrap().status().as_u16(), 403);
    // Nobody is sent there whose own address does not hold.
    assert_eq!(daemon.get(&url.replace("sig=", "sig=A"), None).status, 400);
}

#[test]
fn the_configuration_is_tried_and_another_databases_results_are_left_alone() {
    let (dir, mut server) = (tempfile::tempdir().unwrap(), S3::start());
    let file = dir.path().join("own.toml");
    let check = |config: &str| {
        fs::write(&file, config).unwrap();
        let output = common::run(&["config", "check", file.to_str().unwrap()]);
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(check(&server.config()), (true, String::new()));
    assert_eq!(
        server.names("previews"),
        Vec::<String>::new(),
        "it leaves nothing"
    );
    let (good, told) = check(&server.config().replace("no-log-shows", "is-another"));
    assert!(
        !good && told.contains("own.toml:2: `files.url`: writing s3://plates/a/b/"),
        "{told}"
    );
    assert!(!told.contains("is-another"), "{told}");
    let data = dir.path().join("data");
    let daemon = Daemon::start(&data, &server.config());
    removed(&daemon, &daemon.key());
    let kept = server.names("results");
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(&file, server.config()).unwrap();
    let started = common::cleanplate()
        .args([
            "serve",
            "--backend",
            "cpu",
            "--listen",
            "127.0.0.1:0",
            "--data",
        ])
        .args([&other, Path::new("--config"), &file])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(
        !started.status.success() && told.contains("the database knows of no job"),
        "{told}"
    );
    assert_eq!(server.names("results"), kept);

    server.stop();
    let (good, told) = check(&server.config());
    assert!(!good && told.contains("writing s3://plates/a/b/"), "{told}");
}

#[test]
fn a_folder_elsewhere_takes_the_place_of_the_data_folder_when_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let shared = dir.path().join("shared");
    let (data, file) = (dir.path().join("data"), dir.path().join("own.toml"));
    let config = format!("[files]\nurl = \"file://{}\"\n", shared.display());
    fs::write(&file, &config).unwrap();
    let output = common::run(&["config", "check", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("files.url") && told.contains("shared"),
        "{told}"
    );
    assert!(!shared.exists(), "what is not mounted is not made");
    fs::create_dir(&shared).unwrap();
    assert!(
        common::run(&["config", "check", file.to_str().unwrap()])
            .status
            .success()
    );
    let daemon = Daemon::start(&data, &config);
    let key = daemon.key();
    let url = removed(&daemon, &key);
    let stored = shared.join("results");
    assert_eq!(names(&stored).len(), 2);
    nothing_here(&data);
    assert_eq!(daemon.get(&url, None).status, 200);
    let (image, hole) = small_pair();
    let job = accepted(&daemon, &key, &Form::pair(&image, &hole));
    assert_eq!(ended(&daemon, &key, &job)["status"], "completed");
    wait_until("its upload goes", Duration::from_secs(10), || {
        names(&shared.join("inputs")).is_empty()
    });
    nothing_here(&data);
}
