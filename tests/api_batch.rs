//! Batches over HTTP: counts, bad pairs, credits that end in the middle, repetition, a crash in the middle.

use std::time::{Duration, Instant};

use crate::common::{Daemon, Form, mask, photo, png, small_pair};
use serde_json::Value;

const BATCH: &str = "/v1/services/object-removal/batch";

/// A form of `count` equal pairs.
fn pairs(count: usize) -> Form {
    let (image, hole) = small_pair();
    (0..count).fold(Form::new(), |form, i| {
        form.file("images", format!("p{i}.png"), &image)
            .file("masks", "m.png", &hole)
    })
}

fn account(daemon: &Daemon, key: &str) -> (i64, i64) {
    let body = daemon.get("/v1/account", Some(key)).json();
    (
        body["balance"].as_i64().unwrap(),
        body["held"].as_i64().unwrap(),
    )
}

fn statuses(body: &Value) -> Vec<String> {
    body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].as_str().unwrap().to_string())
        .collect()
}

fn job_ids(body: &Value) -> Vec<String> {
    body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["job_id"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn counts_are_checked_before_anything_is_charged() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let (image, hole) = small_pair();
    for (what, form) in [
        ("no files", Form::new()),
        (
            "one mask is missing",
            pairs(2).file("images", "x.png", &image),
        ),
        (
            "one image is missing",
            pairs(1).file("masks", "x.png", &hole),
        ),
        ("only masks", Form::new().file("masks", "x.png", &hole)),
        ("names of the single call", Form::pair(&image, &hole)),
        ("51 pairs", pairs(51)),
    ] {
        let reply = daemon.post(BATCH, Some(&key), &form);
        assert_eq!(
            reply.status,
            400,
            "{what}: {}",
            String::from_utf8_lossy(&reply.body)
        );
        assert!(reply.json()["detail"].is_string(), "{what}");
        assert_eq!(reply.header("X-Credits-Charged"), Some("0"), "{what}");
    }
    assert_eq!(daemon.post(BATCH, None, &pairs(1)).status, 401);
    assert_eq!(account(&daemon, &key), (100, 0));
    assert_eq!(
        std::fs::read_dir(dir.path().join("uploads"))
            .unwrap()
            .count(),
        0,
        "uploads are left behind"
    );
}

#[test]
fn a_bad_pair_fails_alone_and_order_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[limits]\nupload_bytes_max = 100000\n");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let other_size = png(mask(32, 32, [4, 4, 9, 9]));
    let cut = &image[..image.len() / 2];
    let form = Form::new()
        .file("images", "bad-type.gif", b"GIF89a, not a photo of any kind")
        .file("images", "good.png", &image)
        .file("images", "size.png", &image)
        .file(
            "images",
            "huge.png",
            &[image.as_slice(), &vec![0u8; 200_000]].concat(),
        )
        .file("images", "cut.png", cut)
        .file(
            "images",
            "last.jpg",
            &crate::common::encode(photo(64, 48), image::ImageFormat::Jpeg),
        );
    let form = [&hole, &hole, &other_size, &hole, &hole, &hole]
        .iter()
        .fold(form, |form, m| form.file("masks", "m.png", m));

    let reply = daemon.post(BATCH, Some(&key), &form);
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    let body = reply.json();
    assert_eq!(
        statuses(&body),
        [
            "failed",
            "completed",
            "failed",
            "failed",
            "failed",
            "completed"
        ]
    );
    assert_eq!(
        (
            body["total_files"].as_u64(),
            body["completed"].as_u64(),
            body["failed"].as_u64()
        ),
        (Some(6), Some(2), Some(4))
    );
    assert_eq!(
        (body["status"].as_str(), body["total_credits_used"].as_i64()),
        (Some("completed"), Some(6))
    );
    assert!(body["total_processing_time_ms"].as_f64().unwrap() > 0.0 && body["error"].is_null());
    assert_eq!(
        (
            reply.header("X-Credits-Charged"),
            reply.header("X-Credits-Remaining")
        ),
        (Some("6"), Some("94"))
    );
    let results = body["results"].as_array().unwrap();
    let names: Vec<&str> = results
        .iter()
        .map(|r| r["input_filename"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "bad-type.gif",
            "good.png",
            "size.png",
            "huge.png",
            "cut.png",
            "last.jpg"
        ]
    );
    for (at, words) in [
        (0, "GIF is not read; send JPEG, PNG, WebP, TIFF or BMP"),
        (2, "the mask is 32x32"),
        (3, "at most 100000 bytes"),
        (4, ""),
    ] {
        let error = results[at]["error"]
            .as_str()
            .unwrap_or_else(|| panic!("pair {at} has no error"));
        assert!(error.contains(words), "pair {at}: {error}");
        assert!(results[at]["output_url"].is_null() && results[at]["credits_used"] == 0);
    }
    for at in [1, 5] {
        assert_eq!(results[at]["credits_used"], 3);
        let file = daemon.get(results[at]["output_url"].as_str().unwrap(), None);
        assert_eq!(file.status, 200);
        assert_eq!(
            image::load_from_memory(&file.body)
                .unwrap()
                .to_rgb8()
                .dimensions(),
            (64, 48)
        );
    }
    assert_eq!(account(&daemon, &key), (94, 0));
    let again = daemon.get(
        &format!("/v1/batches/{}", body["batch_id"].as_str().unwrap()),
        Some(&key),
    );
    assert_eq!(again.status, 200);
    assert_eq!(
        (
            job_ids(&again.json()),
            again.json()["total_credits_used"].as_i64()
        ),
        (job_ids(&body), Some(6))
    );

    let none = Form::new()
        .file("images", "a", b"nothing at all here")
        .file("masks", "b", b"nothing at all here");
    let reply = daemon.post(BATCH, Some(&key), &none);
    assert_eq!(
        (reply.status, reply.json()["status"].as_str()),
        (200, Some("failed"))
    );
    assert!(reply.json()["error"].is_string());
}

#[test]
fn credits_that_end_in_the_middle_fail_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[accounts]\nfirst_credits = 8\n");
    let key = daemon.key();
    let reply = daemon.post(BATCH, Some(&key), &pairs(5));
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    let body = reply.json();
    assert_eq!(
        statuses(&body),
        ["completed", "completed", "failed", "failed", "failed"]
    );
    for at in 2..5 {
        assert_eq!(body["results"][at]["error"], "Insufficient credits");
    }
    assert_eq!(
        (
            body["total_credits_used"].as_i64(),
            reply.header("X-Credits-Remaining")
        ),
        (Some(6), Some("2"))
    );
    assert_eq!(account(&daemon, &key), (2, 0));

    let refused = daemon.post(BATCH, Some(&key), &pairs(2));
    assert_eq!(
        (refused.status, refused.json()["detail"].as_str()),
        (402, Some("Insufficient credits"))
    );
    let garbage_first = Form::new()
        .file("images", "a", b"nothing at all here")
        .file("masks", "b", b"nothing at all here");
    assert_eq!(daemon.post(BATCH, Some(&key), &garbage_first).status, 402);
    assert_eq!(account(&daemon, &key), (2, 0));
}

#[test]
fn more_pairs_than_a_key_may_have_in_flight_are_fed_bit_by_bit() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        dir.path(),
        "[queue]\nper_key_in_flight_max = 2\n[rate_limits]\nbatch_per_minute = 3\n",
    );
    let key = daemon.key();
    let quote = daemon
        .post(&format!("{BATCH}?dry_run=true"), Some(&key), &pairs(9))
        .json();
    assert_eq!(
        (
            quote["valid"].as_u64(),
            quote["credits"].as_i64(),
            quote["sufficient"].as_bool()
        ),
        (Some(9), Some(27), Some(true))
    );
    assert_eq!(account(&daemon, &key), (100, 0));
    let body = daemon.post(BATCH, Some(&key), &pairs(9)).json();
    assert_eq!(
        (
            body["completed"].as_u64(),
            body["total_credits_used"].as_i64()
        ),
        (Some(9), Some(27))
    );
    assert_eq!(daemon.post(BATCH, Some(&key), &pairs(1)).status, 200);
    let limited = daemon.post(BATCH, Some(&key), &pairs(1));
    assert_eq!(
        (limited.status, limited.header("X-RateLimit-Limit")),
        (429, Some("3"))
    );
    assert!(
        limited
            .header("Retry-After")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            <= 60
    );
}

#[test]
fn a_repeated_batch_is_charged_once() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let once = [("Idempotency-Key", "batch-1")];
    let first = daemon.post_with(BATCH, Some(&key), &once, &pairs(3));
    assert_eq!(first.status, 200);
    let second = daemon.post_with(BATCH, Some(&key), &once, &pairs(3));
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert_eq!(
        (
            second.header("Idempotency-Replayed"),
            second.header("X-Credits-Charged")
        ),
        (Some("true"), Some("0"))
    );
    let other = daemon.post_with(BATCH, Some(&key), &once, &pairs(2));
    assert_eq!(other.status, 422);
    assert_eq!(
        other.json()["detail"][0]["loc"],
        serde_json::json!(["header", "Idempotency-Key"])
    );
    assert_eq!(account(&daemon, &key), (91, 0));

    let batch = format!("/v1/batches/{}", first.json()["batch_id"].as_str().unwrap());
    let theirs = daemon.key_of("other", 0);
    assert_eq!(daemon.get(&batch, Some(&theirs)).status, 404);
    assert_eq!(daemon.get("/v1/batches/none", Some(&key)).status, 404);
}

#[test]
fn a_crash_in_the_middle_loses_no_credit_and_no_finished_result() {
    const PAIRS: usize = 20;
    // The last takes so long that the crash comes before its end, however late this thread gets to it.
    let form = pairs(PAIRS - 1)
        .file("images", "long.png", &png(photo(1600, 1200)))
        .file(
            "masks",
            "m.png",
            &png(mask(1600, 1200, [300, 300, 1300, 900])),
        );
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let once = [("Idempotency-Key", "crash")];
    let (addr, sent_key) = (daemon.addr.clone(), key.clone());
    let sent = form.clone();
    let client = std::thread::spawn(move || {
        let form = sent;
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let request = agent
            .post(format!("http://{addr}{BATCH}"))
            .content_type(form.content_type());
        request
            .header("Authorization", format!("Bearer {sent_key}"))
            .header("Idempotency-Key", "crash")
            .send(form.body().as_slice())
            .is_ok()
    });
    // Kill once some pairs are charged and others are not.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (available, held) = account(&daemon, &key);
        if 100 - available - held >= 6 && held > 0 {
            break;
        }
        assert!(
            Instant::now() < until && !client.is_finished(),
            "the batch ended before it could be interrupted"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    daemon.kill9();
    assert!(!client.join().unwrap(), "the killed daemon answered");

    let daemon = Daemon::start(dir.path(), "");
    let (available, held) = account(&daemon, &key);
    assert_eq!(
        (held, (100 - available) % 3),
        (0, 0),
        "holds of a crashed batch must be returned"
    );
    let done_before = (100 - available) / 3;
    assert!(
        (2..PAIRS as i64).contains(&done_before),
        "{done_before} pairs were done before the crash"
    );

    let reply = daemon.post_with(BATCH, Some(&key), &once, &form);
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    let body = reply.json();
    assert_eq!(
        (
            body["completed"].as_u64(),
            body["total_credits_used"].as_i64()
        ),
        (Some(PAIRS as u64), Some(3 * PAIRS as i64))
    );
    assert_eq!(
        reply.header("X-Credits-Charged"),
        Some((3 * (PAIRS as i64 - done_before)).to_string().as_str())
    );
    for result in body["results"].as_array().unwrap() {
        assert_eq!(
            daemon
                .get(result["output_url"].as_str().unwrap(), None)
                .status,
            200
        );
    }
    assert_eq!(account(&daemon, &key), (100 - 3 * PAIRS as i64, 0));
    println!("{done_before} of {PAIRS} pairs were done before the crash; all are charged once");
}
