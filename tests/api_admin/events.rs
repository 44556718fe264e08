//! The stream of events.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, small};
use crate::common::wait_until;

#[test]
fn events_come_in_order_and_go_on_after_a_reconnect() {
    let bench = Bench::new("[admin]\nstreams_max = 8\n");
    let (admin, key) = (&bench.admin, bench.daemon.key());
    let mut events = admin.events(None);
    let hello = events.next().unwrap();
    let boot = hello.data["data"]["boot"].as_str().unwrap().to_string();
    assert_eq!(
        (
            hello.data["type"].as_str(),
            hello.data["data"]["resumed"].as_bool()
        ),
        (Some("hello"), Some(false))
    );
    let job = bench.remove(&key, true, &small());
    admin.post("/accounts", json!({ "name": "new" }));
    let rows = |data: &Value| data["data"]["jobs"].as_array().cloned().unwrap_or_default();
    let is_done = |data: &Value| {
        rows(data)
            .iter()
            .any(|row| row["id"] == job.as_str() && row["status"] == "completed")
    };
    let mut seen = events.until("the end of the job", is_done);
    seen.extend(events.until("a metrics tick", |data| {
        data["type"] == "metrics" && data["data"]["completed"] == 1
    }));
    let numbers: Vec<u64> = seen
        .iter()
        .map(|event| event.data["seq"].as_u64().unwrap())
        .collect();
    let first = hello.data["seq"].as_u64().unwrap();
    assert!(
        numbers
            .iter()
            .enumerate()
            .all(|(at, seq)| *seq == first + 1 + at as u64),
        "{first}: {numbers:?}"
    );
    assert!(
        seen.iter()
            .all(|event| event.id == format!("{boot}-{}", event.data["seq"]))
    );
    assert!(
        seen.iter()
            .any(|event| event.data["type"] == "account" && event.data["data"]["name"] == "new")
    );
    assert!(seen.iter().any(|event| event.data["type"] == "log"));
    let tick = &seen.last().unwrap().data["data"];
    assert!(
        tick["rss_bytes"].as_u64().unwrap() > 1 << 20
            && tick["latency"]["p50_ms"].as_f64().unwrap() > 0.0,
        "{tick}"
    );
    assert_eq!(tick["credits"], 3);

    // Away for a while: the stream goes on after the last event, nothing is lost.
    let last = seen.last().unwrap().clone();
    drop(events);
    let next = bench.remove(&key, true, &small());
    admin.until(&format!("/jobs/{next}"), |job| {
        job["job"]["status"] == "completed"
    });
    let mut events = admin.events(Some(&last.id));
    let hello = events.next().unwrap();
    assert_eq!(
        (
            hello.data["data"]["resumed"].as_bool(),
            hello.data["seq"].clone()
        ),
        (Some(true), last.data["seq"].clone())
    );
    let seen = events.until("the second job", |data| {
        rows(data)
            .iter()
            .any(|row| row["id"] == next.as_str() && row["status"] == "completed")
    });
    assert_eq!(
        seen[0].data["seq"].as_u64(),
        last.data["seq"].as_u64().map(|seq| seq + 1)
    );

    // An id of another start, or nonsense: everything is fetched anew.
    for stranger in ["000000000000-3", "nonsense", ""] {
        assert_eq!(
            admin.events(Some(stranger)).next().unwrap().data["data"]["resumed"],
            false,
            "{stranger}"
        );
    }
    // The places of the streams that were dropped come back, and there are no more than eight.
    let mut others = Vec::new();
    wait_until("seven more", Duration::from_secs(20), || {
        others.extend(admin.try_events(None));
        others.len() == 7
    });
    assert_eq!(admin.get("/events").status, 429);
    assert_eq!(admin.get("/events?before=3").status, 422);

    // The daemon's end ends the stream.
    bench.daemon.terminate();
    while let Some(event) = events.next() {
        assert_ne!(event.data["type"], "resync");
    }
}
