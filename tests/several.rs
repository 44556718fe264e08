//! Several processes over one PostgreSQL database and one bucket: what each does, and that none of them is missed for long.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::admin::Admin;
use crate::common::postgres::Server;
use crate::common::s3::S3;
use crate::common::{self, Daemon, Form, REMOVAL, Reply, mask, photo, png, small_pair, wait_until};
use crate::storage::{readyz, text};

/// Seconds of a lease.
const LEASE_S: u64 = 4;

/// A database, a bucket and the folders of the processes over them.
struct Place {
    dir: tempfile::TempDir,
    server: Option<Server>,
    url: String,
    files: S3,
}

impl Place {
    fn new() -> Place {
        Place::over(Server::shared().fresh(), None)
    }

    /// With a server of its own.
    fn alone() -> Place {
        let server = Server::start();
        Place::over(server.fresh(), Some(server))
    }

    fn over(url: String, server: Option<Server>) -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
            server,
            url,
            files: S3::start(),
        }
    }

    fn config(&self, role: &str, reads: u32) -> String {
        format!(
            "{}[rate_limits]\nremoval_per_minute = 100000\npublic_per_minute = 100000\nread_per_minute = {reads}\n\
             [server]\nrole = \"{role}\"\n[store]\nurl = \"{}\"\n[queue]\nlease_s = {LEASE_S}\nat_once_max = 1\n",
            self.files.config(),
            self.url
        )
    }

    /// One whose clock on the wall goes wrong by this much.
    fn start_off(&self, name: &str, role: &str, by: &str) -> Daemon {
        let library = ["x86_64", "aarch64"]
            .map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"))
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("no libfaketime: install Debian's package (tests/all.sh does)");
        let variables = [
            ("LD_PRELOAD", &*library),
            ("FAKETIME", by),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let data = self.dir.path().join(name);
        Daemon::start_among(&data, &self.config(role, 100_000), "cpu", &variables)
    }

    fn start(&self, name: &str, role: &str) -> Daemon {
        Daemon::start(&self.dir.path().join(name), &self.config(role, 100_000))
    }

    /// Bytes of results are those of one attempt at this job.
    fn results_are(&self, job: &str, attempt: u32) {
        let names = [
            format!("{job}.{attempt}.mask.png"),
            format!("{job}.{attempt}.png"),
        ];
        assert_eq!(self.files.names("results"), names);
    }
}

/// A job that takes a while.
fn long() -> Form {
    Form::pair(
        &png(photo(800, 600)),
        &png(mask(800, 600, [150, 150, 550, 450])),
    )
}

fn short() -> Form {
    let (image, hole) = small_pair();
    Form::pair(&image, &hole)
}

fn accepted(daemon: &Daemon, key: &str, form: &Form) -> String {
    let reply = daemon.post(&format!("{REMOVAL}?async=true"), Some(key), form);
    assert_eq!(reply.status, 202, "{}", text(&reply));
    reply.json()["job_id"].as_str().unwrap().to_string()
}

fn state(daemon: &Daemon, key: &str, job: &str) -> String {
    let reply = daemon.get(&format!("/v1/jobs/{job}"), Some(key));
    if reply.status == 503 {
        return String::new();
    }
    assert_eq!(reply.status, 200, "{}", text(&reply));
    reply.json()["status"].as_str().unwrap().to_string()
}

fn becomes(daemon: &Daemon, key: &str, job: &str, wanted: &str) {
    wait_until(wanted, Duration::from_secs(200), || {
        std::thread::sleep(Duration::from_millis(50));
        let now = state(daemon, key, job);
        assert!(wanted == "failed" || now != "failed", "{job} failed");
        now == wanted
    });
}

/// Credits left and held.
fn account(daemon: &Daemon, key: &str) -> (i64, i64) {
    let reply = daemon.get("/v1/account", Some(key)).json();
    let of = |name: &str| reply[name].as_i64().unwrap();
    (of("balance"), of("held"))
}

fn spent(daemon: &Daemon, key: &str) -> i64 {
    let (balance, held) = account(daemon, key);
    assert_eq!(held, 0);
    100 - balance
}

/// The same call, repeated as a client would, until it has its result.
fn insist(daemon: &Daemon, key: &str, once: &str, form: &Form) -> Reply {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let reply = daemon.post_with(REMOVAL, Some(key), &[("Idempotency-Key", once)], form);
        if reply.status == 200 {
            return reply;
        }
        assert!(
            [409, 503].contains(&reply.status) && Instant::now() < until,
            "{}: {}: {}",
            reply.status,
            text(&reply),
            daemon.log.lock().unwrap()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn processes_share_what_each_of_them_is_asked() {
    let place = Place::new();
    let one = place.start("one", "api");
    let key = one.key();
    let two = place.start("two", "api");
    let worker = place.start("worker", "worker");
    let health = one.get("/healthz", None).json();
    assert!(health["device"].is_null(), "no device: {health}");
    assert!(!worker.get("/healthz", None).json()["device"].is_null());
    assert_eq!(worker.get("/metrics", None).status, 200);
    for path in ["/v1/account", "/v1/models", "/"] {
        assert_eq!(worker.get(path, Some(&key)).status, 404, "{path}");
    }
    assert_eq!(worker.post(REMOVAL, Some(&key), &short()).status, 404);

    let reply = one.post(REMOVAL, Some(&key), &short());
    assert_eq!(reply.status, 200, "{}", text(&reply));
    let url = reply.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    let path = &url[url.find("/v1/").unwrap()..];
    assert_eq!(two.get(path, None).status, 200, "signed by either");
    let listed = Admin::of(&one.data).json("/workers");
    let roles: Vec<&str> = listed["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|worker| worker["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles.iter().filter(|role| **role == "api").count(),
        2,
        "{listed}"
    );
    assert_eq!(
        roles.iter().filter(|role| **role == "worker").count(),
        1,
        "{listed}"
    );

    // Cancelled by one process while another has it under way, and a third's client watches.
    let large = Form::pair(
        &png(photo(2000, 1500)),
        &png(mask(2000, 1500, [400, 300, 1600, 1200])),
    );
    let job = accepted(&one, &key, &large);
    let watched = std::thread::scope(|scope| {
        let watch = scope.spawn(|| one.get(&format!("/v1/jobs/{job}/events"), Some(&key)));
        let told = Duration::from_secs(60);
        wait_until("another process tells how far it is", told, || {
            let shown = Admin::of(&two.data).json(&format!("/jobs/{job}"));
            assert_ne!(shown["job"]["status"], "completed", "it took no time");
            shown["job"]["fraction"].is_number()
        });
        let cancelled = two.delete(&format!("/v1/jobs/{job}"), Some(&key));
        assert_eq!(cancelled.status, 200, "{}", text(&cancelled));
        watch.join().unwrap()
    });
    assert!(
        text(&watched).contains("event: failed") && text(&watched).contains("\"left_ms\":"),
        "{}",
        text(&watched)
    );
    // The worker stops and has time for others.
    assert_eq!(two.post(REMOVAL, Some(&key), &short()).status, 200);
    assert_eq!(spent(&one, &key), 6, "what was cancelled costs nothing");

    let made = crate::shared_store::tool(&one, &["keys", "create", "--name", "second"]);
    let second = made["key"].as_str().unwrap().to_string();
    assert_eq!(two.get("/v1/account", Some(&second)).status, 200);
    crate::shared_store::tool(&one, &["keys", "revoke", made["id"].as_str().unwrap()]);
    wait_until("it opens no door", Duration::from_secs(5), || {
        two.get("/v1/account", Some(&second)).status == 401
    });
    // Without a worker a job waits, and is done by the next.
    worker.terminate_and_wait();
    let job = accepted(&two, &key, &short());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(state(&one, &key, &job), "pending");
    let _worker = place.start("worker", "worker");
    becomes(&one, &key, &job, "completed");
}

#[test]
fn jobs_that_fail_for_nothing_are_counted_wherever_they_were_done() {
    let place = Place::new();
    let start = |name: &str, role: &str| {
        let config = place.config(role, 100_000);
        let config = config.replace("[rate_limits]", "[rate_limits]\nfailures_per_day = 3");
        Daemon::start(&place.dir.path().join(name), &config)
    };
    let one = start("one", "api");
    let key = one.key();
    let (two, _worker) = (start("two", "api"), start("worker", "worker"));
    let nothing = Form::pair(&png(photo(64, 48)), &png(mask(64, 48, [0; 4])));
    for _ in 0..3 {
        assert_eq!(one.post(REMOVAL, Some(&key), &nothing).status, 422);
    }
    for daemon in [&one, &two] {
        wait_until("all are counted", Duration::from_secs(10), || {
            let reply = daemon.post(REMOVAL, Some(&key), &short());
            assert!([200, 429].contains(&reply.status), "{}", text(&reply));
            reply.status == 429 && text(&reply).contains("3 jobs of this account failed")
        });
    }
}

#[test]
fn requests_are_counted_together_and_exactly() {
    let place = Place::new();
    let start = |name: &str| Daemon::start(&place.dir.path().join(name), &place.config("api", 20));
    let one = start("one");
    let key = one.key();
    let two = start("two");
    let passed: usize = std::thread::scope(|scope| {
        let calls = [&one, &two, &one, &two].map(|daemon| {
            let key = &key;
            scope.spawn(move || {
                let calls = (0..10).map(|_| daemon.get("/v1/account", Some(key)).status);
                calls
                    .filter(|status| {
                        assert!([200, 429].contains(status));
                        *status == 200
                    })
                    .count()
            })
        });
        calls.into_iter().map(|call| call.join().unwrap()).sum()
    });
    assert_eq!(passed, 20);
}

#[test]
fn a_killed_workers_job_is_finished_by_another_and_charged_once() {
    let place = Place::new();
    let api = place.start("api", "api");
    let key = api.key();
    let first = place.start("first", "worker");
    let job = accepted(&api, &key, &long());
    becomes(&api, &key, &job, "processing");
    let _second = place.start("second", "worker");
    first.kill9();
    becomes(&api, &key, &job, "completed");
    assert_eq!(spent(&api, &key), 3);
    place.results_are(&job, 2);
}

#[test]
fn a_killed_interface_costs_its_client_an_error_and_nothing_else() {
    let place = Place::new();
    let _worker = place.start("worker", "worker");
    let one = place.start("one", "api");
    let key = one.key();
    let two = place.start("two", "api");
    let form = long();
    let address = one.pid().to_string();
    std::thread::scope(|scope| {
        let call =
            scope.spawn(|| one.post_with(REMOVAL, Some(&key), &[("Idempotency-Key", "x")], &form));
        wait_until("it is under way", Duration::from_secs(60), || {
            account(&two, &key).1 > 0
        });
        let killed = std::process::Command::new("kill")
            .args(["-9", &address])
            .status();
        assert!(killed.unwrap().success());
        assert_eq!(call.join().unwrap().status, 0, "the connection breaks");
    });
    let reply = insist(&two, &key, "x", &form);
    assert_eq!(spent(&two, &key), 3, "{}", text(&reply));
    let again = insist(&two, &key, "x", &form);
    assert_eq!(again.json()["job_id"], reply.json()["job_id"]);
    assert_eq!(spent(&two, &key), 3);
}

#[test]
fn a_worker_that_stood_still_for_longer_than_its_lease_ends_nothing() {
    let place = Place::new();
    let api = place.start("api", "api");
    let key = api.key();
    let slow = place.start("slow", "worker");
    let job = accepted(&api, &key, &long());
    becomes(&api, &key, &job, "processing");
    slow.signal("-STOP");
    let _other = place.start("other", "worker");
    becomes(&api, &key, &job, "completed");
    place.results_are(&job, 2);
    slow.signal("-CONT");
    wait_until("it notices", Duration::from_secs(60), || {
        let log = slow.log.lock().unwrap();
        log.contains("a job was taken from this process")
            || log.contains("a job had ended before its worker reported")
    });
    // It goes on with other work, and of that job nothing changed.
    assert_eq!(api.post(REMOVAL, Some(&key), &short()).status, 200);
    assert_eq!(spent(&api, &key), 6);
    let names = place.files.names("results");
    assert!(
        names.contains(&format!("{job}.2.png")) && names.len() == 4,
        "{names:?}"
    );
}

#[test]
fn clocks_that_differ_by_minutes_take_no_work_from_anybody() {
    let place = Place::new();
    let api = place.start_off("api", "api", "-7m");
    let key = api.key();
    let _behind = place.start_off("behind", "worker", "-6m");
    let ahead = place.start_off("ahead", "worker", "+7m");
    let jobs: Vec<String> = (0..2).map(|_| accepted(&api, &key, &long())).collect();
    for job in &jobs {
        becomes(&api, &key, job, "completed");
    }
    let names = place.files.names("results");
    for job in &jobs {
        assert!(
            names.contains(&format!("{job}.1.png")),
            "begun once: {names:?}"
        );
    }
    assert_eq!(spent(&api, &key), 6);
    let alive = Admin::of(&ahead.data).json("/workers");
    let alive = alive["workers"].as_array().unwrap();
    assert!(
        alive.len() == 3 && alive.iter().all(|row| row["alive"] == true),
        "{alive:?}"
    );
    let reply = api.get(&format!("/v1/jobs/{}", jobs[0]), Some(&key)).json();
    let url = reply["result"]["output_url"].as_str().unwrap().to_string();
    let path = &url[url.find("/v1/").unwrap()..];
    assert_eq!(api.get(path, None).status, 200);
}

#[test]
fn a_database_that_is_gone_for_half_a_minute_loses_nothing_that_was_acknowledged() {
    let mut place = Place::alone();
    let api = place.start("api", "api");
    let key = api.key();
    let worker = place.start("worker", "worker");
    let mut jobs = vec![accepted(&api, &key, &long())];
    becomes(&api, &key, &jobs[0], "processing");
    jobs.extend((0..3).map(|_| accepted(&api, &key, &short())));
    place.server.as_mut().unwrap().down();
    let reason = readyz(&api, 503, Duration::from_secs(15));
    assert!(reason.contains("database server"), "{reason}");
    readyz(&worker, 503, Duration::from_secs(15));
    let refused = api.post(REMOVAL, Some(&key), &short());
    assert_eq!(refused.status, 503, "{}", text(&refused));
    std::thread::sleep(Duration::from_secs(30));
    place.server.as_mut().unwrap().up();
    for daemon in [&api, &worker] {
        readyz(daemon, 200, Duration::from_secs(30));
    }
    for job in &jobs {
        becomes(&api, &key, job, "completed");
    }
    assert_eq!(spent(&api, &key), 12);
}

fn refused(data: &Path, config: &str) -> String {
    std::fs::create_dir_all(data).unwrap();
    let file = data.join("test.toml");
    std::fs::write(&file, config).unwrap();
    let output = common::run(&[
        "serve",
        "--backend",
        "cpu",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
    ]);
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn processes_that_would_harm_each_other_are_refused() {
    let place = Place::new();
    let named = format!(
        "{}[server]\nname = \"gpu-1\"\n",
        place
            .config("all", 1000)
            .replace("[server]\nrole = \"all\"\n", "")
    );
    let one = Daemon::start(&place.dir.path().join("one"), &named);
    let told = refused(&place.dir.path().join("two"), &named);
    assert!(
        told.contains("named \"gpu-1\" (server.name) works on this database"),
        "{told}"
    );
    assert_eq!(one.get("/readyz", None).status, 200);
    let own = format!("[store]\nurl = \"{}\"\n", place.url);
    let told = refused(&place.dir.path().join("three"), &own);
    assert!(
        told.contains("\"gpu-1\" works on this database, too") && told.contains("files.url"),
        "{told}"
    );
    // One that was killed comes back at once, in its own folder.
    let data = one.data.clone();
    one.kill9();
    let began = Instant::now();
    let one = Daemon::start(&data, &named);
    assert!(
        began.elapsed() < Duration::from_secs(LEASE_S * 8),
        "{:?}",
        began.elapsed()
    );
    one.terminate_and_wait();
    Daemon::start(&place.dir.path().join("two"), &named);
    for (role, config, told) in [
        ("worker", String::new(), "SQLite"),
        ("api", own, "files.url"),
        ("both", String::new(), "\"worker\""),
    ] {
        let config = format!("{config}[server]\nrole = \"{role}\"\n");
        let found = refused(&place.dir.path().join("four"), &config);
        assert!(
            found.contains("server.role") && found.contains(told),
            "{found}"
        );
    }
}
