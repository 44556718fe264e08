//! Asynchronous jobs over HTTP: accepted at once, watched, cancelled, repeated, run again after a crash.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::{Daemon, Form, REMOVAL, Reply, mask, photo, png, small_pair, wait_until};
use serde_json::Value;

const BATCH: &str = "/v1/services/object-removal/batch";
const ASYNC: [(&str, &str); 1] = [("Prefer", "respond-async")];

fn small() -> Form {
    let (image, hole) = small_pair();
    Form::pair(&image, &hole)
}

/// A pair that keeps the device busy for a while.
fn large() -> Form {
    let (width, height) = (2200, 1600);
    Form::pair(
        &png(photo(width, height)),
        &png(mask(width, height, [200, 200, 1900, 1400])),
    )
}

fn balance(daemon: &Daemon, key: &str) -> (i64, i64) {
    let body = daemon.get("/v1/account", Some(key)).json();
    (
        body["balance"].as_i64().unwrap(),
        body["held"].as_i64().unwrap(),
    )
}

fn id(reply: &Reply) -> String {
    reply.json()["job_id"].as_str().unwrap().to_string()
}

/// Looks at an address until `done` says so, seldom enough for the 600 reads a minute that a key has.
fn until(daemon: &Daemon, key: &str, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    let limit = Instant::now() + Duration::from_secs(100);
    loop {
        let reply = daemon.get(path, Some(key));
        assert_eq!(
            reply.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&reply.body)
        );
        let body = reply.json();
        if done(&body) {
            return body;
        }
        assert!(Instant::now() < limit, "{path} stays {body}");
        std::thread::sleep(Duration::from_millis(120));
    }
}

fn ended(body: &Value) -> bool {
    ["completed", "failed"].contains(&body["status"].as_str().unwrap())
}

fn inputs(daemon: &Daemon) -> usize {
    std::fs::read_dir(daemon.data.join("inputs"))
        .unwrap()
        .count()
}

#[test]
fn an_asynchronous_job_is_accepted_at_once_and_charged_when_done() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let once = [
        ("Prefer", "return=minimal, respond-async"),
        ("Idempotency-Key", "a"),
    ];
    let accepted = daemon.post_with(REMOVAL, Some(&key), &once, &small());
    assert_eq!(
        accepted.status,
        202,
        "{}",
        String::from_utf8_lossy(&accepted.body)
    );
    let body = accepted.json();
    assert_eq!(
        (body["status"].as_str(), body["result"]["status"].as_str()),
        (Some("pending"), Some("pending"))
    );
    assert!(body["result"]["output_url"].is_null() && body["error"].is_null());
    assert_eq!(accepted.header("X-Credits-Charged"), Some("0"));
    assert_eq!(accepted.header("Preference-Applied"), Some("respond-async"));
    let path = format!("/v1/jobs/{}", id(&accepted));
    assert_eq!(accepted.header("Location"), Some(path.as_str()));
    let job = until(&daemon, &key, &path, ended);
    assert_eq!(
        (
            job["status"].as_str(),
            job["result"]["credits_used"].as_i64()
        ),
        (Some("completed"), Some(3))
    );
    assert_eq!(
        daemon
            .get(job["result"]["output_url"].as_str().unwrap(), None)
            .status,
        200
    );

    let again = daemon.post_with(REMOVAL, Some(&key), &once, &small());
    assert_eq!((again.status, &again.body), (202, &accepted.body));
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    let other_mode = daemon.post_with(REMOVAL, Some(&key), &[("Idempotency-Key", "a")], &small());
    assert_eq!(other_mode.status, 422);
    assert_eq!(balance(&daemon, &key), (97, 0));
    wait_until("inputs of an ended job go", Duration::from_secs(5), || {
        inputs(&daemon) == 0
    });
}

#[test]
fn a_repeated_removal_is_charged_once_and_its_reply_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let once = [("Idempotency-Key", "r-1")];
    let first = daemon.post_with(REMOVAL, Some(&key), &once, &small());
    assert_eq!(
        first.status,
        200,
        "{}",
        String::from_utf8_lossy(&first.body)
    );
    // A reply that is made anew would tell another second.
    let second_of = |time: std::time::SystemTime| {
        time.duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let before = second_of(std::time::SystemTime::now());
    wait_until("the next second", Duration::from_secs(5), || {
        second_of(std::time::SystemTime::now()) > before
    });
    let second = daemon.post_with(REMOVAL, Some(&key), &once, &small());
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert_eq!(
        (
            second.header("X-Credits-Charged"),
            second.header("X-Credits-Remaining")
        ),
        (Some("0"), Some("97"))
    );
    let other = daemon.post_with(&format!("{REMOVAL}?dilate=2"), Some(&key), &once, &small());
    assert_eq!(other.status, 422);
    assert_eq!(
        daemon
            .post_with(REMOVAL, Some(&key), &[("Idempotency-Key", "a b")], &small())
            .status,
        422
    );

    // A request that failed may be tried again with its key.
    let (image, _) = small_pair();
    let empty = Form::pair(&image, &png(mask(64, 48, [0, 0, 0, 0])));
    let retry = [("Idempotency-Key", "r-2")];
    assert_eq!(
        daemon.post_with(REMOVAL, Some(&key), &retry, &empty).status,
        422
    );
    assert_eq!(
        daemon
            .post_with(REMOVAL, Some(&key), &retry, &small())
            .status,
        200
    );
    assert_eq!(balance(&daemon, &key), (94, 0));
}

#[test]
fn the_same_request_fifty_times_at_once_is_done_once() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let post = || {
            daemon.post_with(
                REMOVAL,
                Some(&key),
                &[("Idempotency-Key", "race")],
                &small(),
            )
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(post)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let done: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert!(
        !done.is_empty()
            && replies
                .iter()
                .all(|reply| [200, 409].contains(&reply.status))
    );
    assert!(done.iter().all(|reply| reply.body == done[0].body));
    assert_eq!(balance(&daemon, &key), (97, 0));
    println!(
        "50 equal requests: {} got the reply, {} were told that it is under way",
        done.len(),
        50 - done.len()
    );
}

#[test]
fn cancelling_frees_the_credits_of_waiting_and_running_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[queue]\nat_once_max = 1\n");
    let key = daemon.key();
    let running = format!(
        "/v1/jobs/{}",
        id(&daemon.post_with(REMOVAL, Some(&key), &ASYNC, &large()))
    );
    let waiting = format!(
        "/v1/jobs/{}",
        id(&daemon.post(&format!("{REMOVAL}?async=true"), Some(&key), &small()))
    );
    until(&daemon, &key, &running, |body| body["status"] != "pending");
    assert_eq!(balance(&daemon, &key), (94, 6));

    for path in [&waiting, &running] {
        let cancelled = daemon.delete(path, Some(&key));
        assert_eq!(
            cancelled.status,
            200,
            "{}",
            String::from_utf8_lossy(&cancelled.body)
        );
        assert_eq!(cancelled.json()["status"], "failed");
        assert!(
            cancelled.json()["error"]
                .as_str()
                .unwrap()
                .contains("cancelled")
        );
        assert_eq!(
            daemon.delete(path, Some(&key)).status,
            409,
            "a job is cancelled once"
        );
    }
    assert_eq!(balance(&daemon, &key), (100, 0));
    assert_eq!(daemon.delete("/v1/jobs/nothing", Some(&key)).status, 404);
    assert_eq!(daemon.delete(&running, None).status, 401);
    // The device is free again and late work changed nothing.
    assert_eq!(daemon.post(REMOVAL, Some(&key), &small()).status, 200);
    assert_eq!(balance(&daemon, &key), (97, 0));
    assert_eq!(daemon.get(&running, Some(&key)).json()["status"], "failed");
    assert_eq!(inputs(&daemon), 0);
}

#[test]
fn the_idempotency_key_of_a_failed_job_may_be_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[queue]\njob_wall_s_max = 1\n");
    let key = daemon.key();
    let once = [("Prefer", "respond-async"), ("Idempotency-Key", "a")];
    let first = daemon.post_with(REMOVAL, Some(&key), &once, &large());
    let job = until(&daemon, &key, &format!("/v1/jobs/{}", id(&first)), ended);
    assert_eq!(job["status"], "failed", "{job}");
    let again = daemon.post_with(REMOVAL, Some(&key), &once, &large());
    assert_eq!(again.status, 202);
    assert_ne!(id(&again), id(&first), "a failed job was replayed");
}

#[test]
fn a_job_that_takes_too_long_is_free_and_tells_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[queue]\njob_wall_s_max = 1\n");
    let key = daemon.key();
    let path = format!(
        "/v1/jobs/{}",
        id(&daemon.post_with(REMOVAL, Some(&key), &ASYNC, &large()))
    );
    let job = until(&daemon, &key, &path, ended);
    assert_eq!(job["status"], "failed");
    assert!(
        job["error"]
            .as_str()
            .unwrap()
            .contains("took longer than 1 s"),
        "{job}"
    );
    let stages = job["stages"].as_array().unwrap();
    assert_eq!(stages[0]["stage"], "decode", "{job}");
    let spent: f64 = stages
        .iter()
        .map(|stage| stage["ms"].as_f64().unwrap())
        .sum();
    assert!(
        stages.iter().any(|stage| stage["stage"] == "inpaint") && spent > 500.0,
        "{job}"
    );
    assert_eq!(balance(&daemon, &key), (100, 0));
}

#[test]
fn events_tell_the_life_of_a_job() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let job = id(&daemon.post_with(REMOVAL, Some(&key), &ASYNC, &large()));
    let mut stream = TcpStream::connect(&daemon.addr).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(100)))
        .unwrap();
    let head = format!(
        "GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.to_ascii_lowercase()
            .contains("content-type: text/event-stream"),
        "{text}"
    );
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert!(
        names.len() >= 2
            && names[..names.len() - 1]
                .iter()
                .all(|name| *name == "progress"),
        "{names:?}"
    );
    assert_eq!(names.last(), Some(&"completed"));
    let last = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .next_back()
        .unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (
            last["job_id"].as_str(),
            last["result"]["credits_used"].as_i64()
        ),
        (Some(job.as_str()), Some(3))
    );
    assert!(text.contains("\"stage\":\""), "no stage was told: {text}");
    let told: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let done: Vec<f64> = told
        .iter()
        .filter_map(|event| event["done"].as_f64())
        .collect();
    assert!(
        done.iter().any(|share| *share > 0.0 && *share < 1.0) && done.is_sorted(),
        "{done:?}"
    );
    assert!(told.iter().any(|event| event["left_ms"].is_u64()), "{text}");
    assert_eq!(
        daemon.get("/v1/jobs/nothing/events", Some(&key)).status,
        404
    );
}

#[test]
fn asynchronous_work_survives_kill_9_and_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), "[queue]\nattempts_max = 5\n");
    let key = daemon.key();
    let big = format!(
        "/v1/jobs/{}",
        id(&daemon.post_with(REMOVAL, Some(&key), &ASYNC, &large()))
    );
    let (image, hole) = small_pair();
    let form = (0..40).fold(Form::new(), |form, _| {
        form.file("images", "p.png", &image)
            .file("masks", "m.png", &hole)
    });
    let form = form
        .file("images", "bad", b"not a picture at all")
        .file("masks", "m.png", &hole);
    // 41 pairs with one large job before them cost more than there is: 100 credits pay for 33 jobs.
    let accepted = daemon.post_with(BATCH, Some(&key), &ASYNC, &form);
    assert_eq!(
        accepted.status,
        202,
        "{}",
        String::from_utf8_lossy(&accepted.body)
    );
    assert_eq!(accepted.json()["total_files"], 41);
    let batch = accepted.header("Location").unwrap().to_string();
    until(&daemon, &key, &big, |body| body["status"] != "pending");
    daemon.kill9();

    daemon = Daemon::start(
        dir.path(),
        "[queue]\nattempts_max = 5\n[server]\nshutdown_s_max = 0\n",
    );
    until(&daemon, &key, &batch, |body| {
        body["completed"].as_u64().unwrap() > 0
    });
    daemon.terminate();
    assert!(daemon.child.wait().unwrap().success());

    daemon = Daemon::start(dir.path(), "[queue]\nattempts_max = 5\n");
    let all = until(&daemon, &key, &batch, ended);
    assert_eq!(
        (
            all["completed"].as_u64(),
            all["failed"].as_u64(),
            all["total_credits_used"].as_i64()
        ),
        (Some(32), Some(9), Some(96))
    );
    assert_eq!(until(&daemon, &key, &big, ended)["status"], "completed");
    for result in all["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| result["status"] == "completed")
    {
        assert_eq!(
            daemon
                .get(result["output_url"].as_str().unwrap(), None)
                .status,
            200
        );
    }
    assert_eq!(balance(&daemon, &key), (1, 0));
}
