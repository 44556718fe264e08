//! Credits under load: many clients at once never spend more than there is, and kills at any instant lose and double none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Daemon, Form, REMOVAL, Reply, mask, photo, png};
use serde_json::Value;

const PRICE: i64 = 3;
const UNLIMITED: &str = "[rate_limits]\nremoval_per_minute = 100000\nbatch_per_minute = 100000\nread_per_minute = 100000\npublic_per_minute = 100000\n";

/// A pair as small as it gets: 32x32 with a hole of 6x6.
fn tiny() -> (Vec<u8>, Vec<u8>) {
    (png(photo(32, 32)), png(mask(32, 32, [12, 12, 18, 18])))
}

fn account(daemon: &Daemon, key: &str) -> (i64, i64) {
    let body = daemon.get("/v1/account", Some(key)).json();
    (
        body["balance"].as_i64().unwrap(),
        body["held"].as_i64().unwrap(),
    )
}

/// Kinds of the ledger's entries by job, and the sums of what they changed.
fn ledger(daemon: &Daemon) -> (BTreeMap<String, Vec<String>>, i64, i64) {
    let output = crate::common::json(&daemon.cli(&[
        "accounts", "ledger", "default", "--limit", "100000", "--json",
    ]));
    let (mut jobs, mut available, mut held) = (BTreeMap::<String, Vec<String>>::new(), 0, 0);
    for entry in output["entries"].as_array().unwrap() {
        available += entry["available_change"].as_i64().unwrap();
        held += entry["held_change"].as_i64().unwrap();
        if let Some(job) = entry["cause"].as_str().unwrap().strip_prefix("job ") {
            jobs.entry(job.to_string())
                .or_default()
                .push(entry["kind"].as_str().unwrap().to_string());
        }
    }
    (jobs, available, held)
}

#[test]
fn sixty_four_clients_at_once_never_spend_more_than_there_is() {
    const CLIENTS: usize = 64;
    const CALLS: usize = 4;
    const CREDITS: i64 = 500;
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "{UNLIMITED}[accounts]\nfirst_credits = {CREDITS}\n[queue]\nper_key_in_flight_max = 1000\n"
    );
    let daemon = Daemon::start(dir.path(), &config);
    let key = daemon.key();
    let (image, hole) = tiny();
    let form = Form::pair(&image, &hole);
    let over = AtomicBool::new(false);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    (0..CALLS)
                        .map(|_| daemon.post(REMOVAL, Some(&key), &form))
                        .collect::<Vec<Reply>>()
                })
            })
            .collect();
        // Whoever looks in between never sees more spent or held than there was.
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let (available, held) = account(&daemon, &key);
                assert!(
                    available >= 0 && held >= 0 && available + held <= CREDITS,
                    "{available} available, {held} held"
                );
                // Again and again, but not at the cost of the clients.
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let replies = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect();
        over.store(true, Ordering::SeqCst);
        replies
    });
    let count = |status: u16| {
        replies
            .iter()
            .filter(|reply| reply.status == status)
            .count()
    };
    let (done, refused) = (count(200), count(402));
    assert_eq!(
        (done, done + refused),
        ((CREDITS / PRICE) as usize, CLIENTS * CALLS),
        "{:?}",
        replies.iter().map(|r| r.status).collect::<Vec<_>>()
    );
    assert_eq!(account(&daemon, &key), (CREDITS % PRICE, 0));
    let (jobs, available, held) = ledger(&daemon);
    assert_eq!((jobs.len(), available, held), (done, CREDITS % PRICE, 0));
    assert!(jobs.values().all(|kinds| kinds.len() == 2), "{jobs:?}");
    for reply in replies.iter().filter(|reply| reply.status == 402) {
        assert_eq!(reply.json()["detail"], "Insufficient credits");
    }
    println!(
        "{CLIENTS} clients, {CREDITS} credits at {PRICE}: {done} done, {refused} refused, {available} left"
    );
}

/// Kills of the test below: 8, or as many as `TEST_KILLS` says.
fn kills() -> u64 {
    std::env::var("TEST_KILLS").map_or(8, |text| text.parse().unwrap())
}

#[test]
fn batches_that_are_killed_at_any_instant_end_with_every_pair_paid_once() {
    const PAIRS: usize = 12;
    const CREDITS: i64 = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let config = format!("{UNLIMITED}[accounts]\nfirst_credits = {CREDITS}\n");
    let (image, hole) = tiny();
    let form = (0..PAIRS).fold(Form::new(), |form, _| {
        form.file("images", "p.png", &image)
            .file("masks", "m.png", &hole)
    });
    let mut daemon = Daemon::start(dir.path(), &config);
    let key = daemon.key();
    let (mut batches, mut finished, mut cut) = (0, BTreeMap::<String, Vec<String>>::new(), 0);
    for kill in 0..kills() {
        let once = format!("batch-{batches}");
        let replied = AtomicBool::new(false);
        let reply = std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                let reply = daemon.post_with(
                    "/v1/services/object-removal/batch",
                    Some(&key),
                    &[("Idempotency-Key", &once)],
                    &form,
                );
                replied.store(reply.status == 200, Ordering::SeqCst);
                reply
            });
            // From "still uploading" to "all done", differently each time and the same in every run.
            std::thread::sleep(Duration::from_millis(20 + kill * 7919 % 700));
            daemon.signal("-KILL");
            client.join().unwrap()
        });
        daemon.child.wait().unwrap();
        daemon = Daemon::start(dir.path(), &config);
        // What was paid for stays paid for, and its result is there.
        let (jobs, available, held) = ledger(&daemon);
        assert_eq!(
            (held, (CREDITS - available) % PRICE),
            (0, 0),
            "after kill {kill}"
        );
        for (job, kinds) in &finished {
            assert_eq!(
                jobs.get(job),
                Some(kinds),
                "kill {kill} changed the books of a finished job"
            );
        }
        finished = jobs
            .into_iter()
            .filter(|(_, kinds)| kinds.iter().any(|kind| kind == "settle"))
            .collect();
        assert_eq!(
            finished.len() as i64 * PRICE,
            CREDITS - available,
            "after kill {kill}"
        );
        if reply.status == 200 {
            batches += 1;
            check(&daemon, &reply.json(), PAIRS);
        } else {
            cut += 1;
        }
        if kill % 4 == 3 && reply.status != 200 {
            // The client comes back and gets all of it.
            let reply = daemon.post_with(
                "/v1/services/object-removal/batch",
                Some(&key),
                &[("Idempotency-Key", &once)],
                &form,
            );
            assert_eq!(
                reply.status,
                200,
                "{}",
                String::from_utf8_lossy(&reply.body)
            );
            check(&daemon, &reply.json(), PAIRS);
            batches += 1;
        }
    }
    let once = format!("batch-{batches}");
    let last = daemon.post_with(
        "/v1/services/object-removal/batch",
        Some(&key),
        &[("Idempotency-Key", &once)],
        &form,
    );
    check(&daemon, &last.json(), PAIRS);
    batches += 1;
    let (jobs, available, held) = ledger(&daemon);
    let settled = jobs
        .values()
        .filter(|kinds| kinds.iter().any(|kind| kind == "settle"))
        .count();
    println!(
        "{}",
        serde_json::json!({ "kills": kills(), "batches_cut": cut, "batches": batches, "pairs": batches * PAIRS, "holds": jobs.len(),
            "pairs_charged": settled, "credits_charged": CREDITS - available, "credits_held": held })
    );
    assert_eq!(
        (settled, held),
        (batches * PAIRS, 0),
        "every pair is charged once"
    );
    assert!(
        jobs.values().all(|kinds| kinds.len() == 2),
        "every hold ends once: {jobs:?}"
    );
    assert!(cut > 0, "no kill hit a batch: the test proves nothing");
}

/// Every pair of a batch is there.
fn check(daemon: &Daemon, body: &Value, pairs: usize) {
    assert_eq!(body["completed"].as_u64(), Some(pairs as u64), "{body}");
    for result in body["results"].as_array().unwrap() {
        let url = result["output_url"].as_str().unwrap();
        let path = &url[url.find("/v1/").unwrap()..];
        assert_eq!(daemon.get(path, None).status, 200);
    }
}

#[test]
fn jobs_that_fail_for_nothing_are_so_many_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[rate_limits]\nfailures_per_day = 3\n");
    let key = daemon.key();
    let other = daemon.key_of("other", 9);
    let nothing = Form::pair(&png(photo(64, 48)), &png(mask(64, 48, [0; 4])));
    for _ in 0..3 {
        let reply = daemon.post(REMOVAL, Some(&key), &nothing);
        assert_eq!(reply.status, 422);
    }
    let (image, hole) = crate::common::small_pair();
    let good = Form::pair(&image, &hole);
    let reply = daemon.post(REMOVAL, Some(&key), &good);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 429, "{text}");
    assert!(text.contains("3 jobs of this account failed"), "{text}");
    let wait: u64 = reply.header("Retry-After").unwrap().parse().unwrap();
    assert!((80_000..=86_400).contains(&wait), "{wait}");
    assert_eq!(daemon.post(REMOVAL, Some(&other), &good).status, 200);
    assert_eq!(daemon.get("/v1/account", Some(&key)).status, 200);
}

#[test]
fn pairs_of_batches_that_fail_for_nothing_count_too() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[rate_limits]\nfailures_per_day = 3\n");
    let key = daemon.key();
    let (image, hole) = crate::common::small_pair();
    let other = png(mask(8, 8, [2, 2, 5, 5]));
    let batch = (0..3).fold(Form::new(), |form, _| {
        form.file("images", "p.png", &image)
            .file("masks", "m.png", &other)
    });
    let reply = daemon.post("/v1/services/object-removal/batch", Some(&key), &batch);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["failed"], 3);
    let good = Form::pair(&image, &hole);
    assert_eq!(daemon.post(REMOVAL, Some(&key), &good).status, 429);
}
