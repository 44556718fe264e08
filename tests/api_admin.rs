//! The admin interface: who gets in, every route's success and errors, what is noted in the audit table, and the events.

mod accounts;
mod door;
mod events;
mod keys;
mod load;
mod models;

use crate::common::admin::Admin;
use crate::common::{Daemon, Form, REMOVAL, mask, photo, png, small_pair};
use serde_json::{Value, json};

const ASYNC: [(&str, &str); 1] = [("Prefer", "respond-async")];
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

struct Bench {
    _dir: tempfile::TempDir,
    daemon: Daemon,
    admin: Admin,
}

impl Bench {
    fn new(config: &str) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("d");
        let daemon = Daemon::start(&data, config);
        Bench {
            _dir: dir,
            admin: Admin::of(&data),
            daemon,
        }
    }

    fn audit(&self, action: &str) -> Vec<Value> {
        self.admin.all(&format!("/audit?text={action}"), 100)
    }

    /// Removes something; the reply's job id.
    fn remove(&self, key: &str, asynchronous: bool, form: &Form) -> String {
        let headers: &[(&str, &str)] = if asynchronous { &ASYNC } else { &[] };
        let reply = self.daemon.post_with(REMOVAL, Some(key), headers, form);
        assert!(
            [200, 202].contains(&reply.status),
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        reply.json()["job_id"].as_str().unwrap().to_string()
    }
}

fn small() -> Form {
    let (image, hole) = small_pair();
    Form::new()
        .file("image", "beach.png", &image)
        .file("mask", "mask.png", &hole)
}

/// A pair that fails on the device: nothing is marked.
fn hopeless() -> Form {
    Form::new()
        .file("image", "nothing.png", &png(photo(64, 48)))
        .file("mask", "mask.png", &png(mask(64, 48, [0; 4])))
}

/// A pair that keeps the device busy for a while.
fn large() -> Form {
    let (width, height) = (2200, 1600);
    Form::pair(
        &png(photo(width, height)),
        &png(mask(width, height, [200, 200, 1900, 1400])),
    )
}

fn detail(reply: &crate::common::Reply) -> String {
    reply.json()["detail"].to_string()
}

fn me() -> String {
    let uid = std::fs::metadata("/proc/self")
        .map(|meta| std::os::unix::fs::MetadataExt::uid(&meta))
        .unwrap();
    format!("uid {uid}")
}

#[test]
fn jobs_are_listed_shown_cancelled_and_retried() {
    let bench = Bench::new("[queue]\nattempts_max = 1\n");
    let (admin, key) = (&bench.admin, bench.daemon.key());
    let done = bench.remove(&key, false, &small());
    let failed = bench.remove(&key, true, &hopeless());
    let ended = |id: &str| {
        admin.until(&format!("/jobs/{id}"), |job| {
            ["completed", "failed"].contains(&job["job"]["status"].as_str().unwrap())
        })
    };
    let shown = ended(&failed);

    let job = admin.json(&format!("/jobs/{done}"));
    assert_eq!(
        (
            job["job"]["status"].as_str(),
            job["job"]["credits_used"].as_i64()
        ),
        (Some("completed"), Some(3))
    );
    assert_eq!(
        (job["account_name"].as_str(), job["key_name"].as_str()),
        (Some("default"), Some("first"))
    );
    assert!(
        job["stages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|stage| stage["plugin"] == "patchmatch" && stage["ms"].as_f64().unwrap() > 0.0)
    );
    assert!(job["mask_share"].as_f64().unwrap() > 0.0);
    assert_eq!(job["images"], json!(["input", "result", "mask"]));
    assert_eq!(
        (job["can_cancel"].as_bool(), job["can_retry"].as_bool()),
        (Some(false), Some(false))
    );
    let (image, _) = small_pair();
    let result = admin.get(&format!("/jobs/{done}/images/result"));
    assert_eq!(
        (result.status, result.header("content-type")),
        (200, Some("image/png"))
    );
    assert_eq!(
        job["output"]["bytes"].as_u64(),
        Some(result.body.len() as u64)
    );
    let before = image::load_from_memory(&image).unwrap().into_rgb8();
    let input = admin.get(&format!("/jobs/{done}/images/input"));
    assert_eq!(
        (input.status, input.header("content-type")),
        (200, Some("image/jpeg")),
        "the upload is gone, its reduced copy is not"
    );
    assert_eq!(
        image::load_from_memory(&input.body)
            .unwrap()
            .into_rgb8()
            .dimensions(),
        before.dimensions()
    );
    let small_mask = admin.get(&format!("/jobs/{done}/images/mask?side_px_max=32"));
    let shown_mask = image::load_from_memory(&small_mask.body)
        .unwrap()
        .into_rgb8();
    assert_eq!(
        (
            shown_mask.dimensions(),
            shown_mask.get_pixel(16, 12).0,
            shown_mask.get_pixel(0, 0).0
        ),
        ((32, 24), [255; 3], [0; 3])
    );
    for (path, status) in [
        (format!("/jobs/{done}/images/other"), 404),
        (format!("/jobs/{done}/images/result?side_px_max=8"), 422),
        (format!("/jobs/{failed}/images/result"), 404),
        (format!("/jobs/{NOBODY}/images/result"), 404),
        (format!("/jobs/{NOBODY}"), 404),
        ("/jobs/x".to_string(), 404),
    ] {
        assert_eq!(admin.get(&path).status, status, "{path}");
    }

    // A failed asynchronous job keeps its upload and can be tried again, once, with a reservation of its own.
    assert_eq!(shown["job"]["status"], "failed");
    assert_eq!(
        shown["stages"][0]["stage"], "decode",
        "how far it came: {shown}"
    );
    assert_eq!(
        (shown["can_retry"].as_bool(), shown["images"].clone()),
        (Some(true), json!(["input"]))
    );
    let again = admin.act(&format!("/jobs/{failed}/retry"));
    assert_eq!(
        again.status,
        201,
        "{}",
        String::from_utf8_lossy(&again.body)
    );
    let second = again.json()["id"].as_str().unwrap().to_string();
    assert_ne!(second, failed);
    let shown = ended(&second);
    assert_eq!(
        (
            shown["retry_of"].as_str(),
            shown["job"]["error_code"].as_str()
        ),
        (Some(failed.as_str()), Some("empty_mask"))
    );
    assert_eq!(
        admin.json(&format!("/jobs/{failed}"))["can_retry"],
        false,
        "its upload went to the new one"
    );
    for (id, word) in [(&failed, "no longer kept"), (&done, "only a failed job")] {
        let refused = admin.act(&format!("/jobs/{id}/retry"));
        assert_eq!(refused.status, 409);
        assert!(detail(&refused).contains(word), "{}", detail(&refused));
    }
    let account = admin.json("/accounts/1");
    assert_eq!(
        (account["available"].as_i64(), account["held"].as_i64()),
        (Some(97), Some(0)),
        "only success is charged"
    );
    let kinds: Vec<_> = admin
        .all("/accounts/1/ledger", 100)
        .iter()
        .map(|row| row["kind"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "release").count(),
        2,
        "{kinds:?}"
    );
    let noted = &bench.audit("job.retry")[0];
    assert_eq!(
        (
            noted["target"].as_str().unwrap(),
            noted["detail"]["after"]["job"].as_str().unwrap()
        ),
        (format!("job:{failed}").as_str(), second.as_str())
    );

    // Cancelling, waiting and running.
    let (running, waiting) = (
        bench.remove(&key, true, &large()),
        bench.remove(&key, true, &small()),
    );
    admin.until(&format!("/jobs/{running}"), |job| {
        job["job"]["status"] == "processing"
    });
    for id in [&waiting, &running] {
        let cancelled = admin.act(&format!("/jobs/{id}/cancel"));
        assert_eq!(
            (cancelled.status, cancelled.json()["error_code"].as_str()),
            (200, Some("cancelled"))
        );
        assert_eq!(admin.act(&format!("/jobs/{id}/cancel")).status, 409);
        assert_eq!(
            admin.act(&format!("/jobs/{id}/retry")).status,
            409,
            "who cancelled it wants no other try"
        );
    }
    assert_eq!(admin.act(&format!("/jobs/{NOBODY}/cancel")).status, 404);
    assert_eq!(admin.act(&format!("/jobs/{NOBODY}/retry")).status, 404);
    assert_eq!(bench.audit("job.cancel").len(), 2);
    assert_eq!(admin.json("/accounts/1")["available"], 97);

    let ids = |query: &str| {
        admin
            .all(&format!("/jobs?{query}"), 2)
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(""),
        [
            waiting.clone(),
            running.clone(),
            second.clone(),
            failed.clone(),
            done.clone()
        ],
        "newest first"
    );
    assert_eq!(ids("status=completed"), std::slice::from_ref(&done));
    assert_eq!(ids("code=cancelled"), [waiting, running]);
    assert_eq!(ids("text=NOTHING.png"), [second, failed]);
    assert_eq!(
        ids(&format!("text={}", &done[..8])),
        std::slice::from_ref(&done)
    );
    assert_eq!(
        ids("account=1&key=1&pipeline=default&status=completed"),
        [done]
    );
    assert_eq!(ids("account=2"), [] as [String; 0]);
    assert_eq!(ids("pipeline=lama"), [] as [String; 0]);
    for query in ["status=done", "batch=x", "rows=0", "key=x", "created=1"] {
        assert_eq!(admin.get(&format!("/jobs?{query}")).status, 422, "{query}");
    }
}
