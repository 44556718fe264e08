//! The admin interface: who gets in, every route's success and errors, what is noted in the audit table, and the events.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::admin::Admin;
use crate::common::{Daemon, Form, REMOVAL, cleanplate, mask, photo, png, small_pair};
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
fn the_socket_is_private_and_a_left_one_is_taken_over() {
    let bench = Bench::new("");
    let meta = bench.admin.0.symlink_metadata().unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let view = bench.admin.json("/server");
    assert!(
        view["you"]["actor"].as_str().unwrap().starts_with(&me()),
        "{view}"
    );
    assert_eq!(
        (view["state"].as_str(), view["queue"]["length_max"].as_u64()),
        (Some("ready"), Some(1000))
    );
    assert_eq!(view["device"]["backend"], "cpu");
    assert_eq!(
        view["pid"].as_u64(),
        Some(u64::from(bench.daemon.child.id()))
    );

    // A second daemon with another data folder but the same socket is refused while the first lives.
    let other = tempfile::tempdir().unwrap();
    let config = format!("[admin]\nsocket = {:?}\n", bench.admin.0);
    let file = other.path().join("own.toml");
    std::fs::write(&file, &config).unwrap();
    let serve = |data: &str| {
        let args = [
            "serve",
            "--backend",
            "cpu",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data,
            "--config",
            file.to_str().unwrap(),
        ];
        cleanplate()
            .args(args)
            .stdout(Stdio::null())
            .output()
            .unwrap()
    };
    let refused = serve(other.path().join("d").to_str().unwrap());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("a running daemon listens on"),
        "{text}"
    );
    assert_eq!(
        bench.admin.get("/server").status,
        200,
        "the first one still answers"
    );

    // What kill -9 leaves is taken over by the next start.
    let Bench {
        daemon,
        admin,
        _dir,
    } = bench;
    let data = daemon.data.clone();
    daemon.kill9();
    assert!(admin.0.exists());
    let daemon = Daemon::start(&data, "");
    assert_eq!(admin.get("/server").status, 200);
    let mut daemon = daemon;
    daemon.terminate();
    assert!(daemon.child.wait().unwrap().success());
    assert!(!admin.0.exists(), "a daemon that ends removes its socket");

    // Anything that is no socket is left alone.
    std::fs::write(&admin.0, b"mine").unwrap();
    let file = data.join("test.toml");
    let args = [
        "serve",
        "--backend",
        "cpu",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
    ];
    let refused = cleanplate().args(args).output().unwrap();
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("no socket"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&admin.0).unwrap(), b"mine");
}

#[test]
fn a_socket_elsewhere_or_none() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("own.sock");
    // A socket that a dead program left.
    drop(UnixListener::bind(&path).unwrap());
    let bench = Bench::new(&format!("[admin]\nsocket = {path:?}\n"));
    assert!(!bench.admin.0.exists());
    assert_eq!(Admin(path).get("/server").status, 200);
    let bench = Bench::new("[admin]\nsocket = \"off\"\n");
    assert!(!bench.admin.0.exists());
    let long = place.path().join("x".repeat(120));
    let file = place.path().join("own.toml");
    std::fs::write(&file, format!("[admin]\nsocket = {long:?}\n")).unwrap();
    let data = place.path().join("data");
    let args = [
        "serve",
        "--backend",
        "cpu",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
    ];
    let refused = cleanplate().args(args).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("longer than a socket can have"),
        "{text}"
    );
}

fn over_tcp(address: &str, headers: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(
        socket,
        "GET /admin/v1/server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn tcp_needs_a_token() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (address, token) = (
        format!("127.0.0.1:{port}"),
        "0123456789abcdef0123456789abcdef",
    );
    let bench = Bench::new(&format!(
        "[admin]\nlisten = {address:?}\ntokens = [\"ada:{token}\"]\n[rate_limits]\nauth_failures_per_minute = 4\n"
    ));
    let good = over_tcp(&address, &format!("Authorization: Bearer {token}\r\n"));
    assert!(
        good.starts_with("HTTP/1.1 200") && good.contains("\"actor\":\"token ada\""),
        "{good}"
    );
    let wrong = [
        "",
        "Authorization: Bearer 0123456789abcdef0123456789abcdee\r\n",
        &format!("Authorization: Basic {token}\r\n"),
        "Authorization: Bearer\r\n",
    ];
    for headers in wrong {
        let refused = over_tcp(&address, headers);
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
        assert!(
            refused
                .to_lowercase()
                .contains("www-authenticate: bearer realm=\"cleanplate-admin\""),
            "{refused}"
        );
        assert!(!refused.contains("version\""), "{refused}");
    }
    let slowed = over_tcp(&address, "");
    assert!(
        slowed.starts_with("HTTP/1.1 429") && slowed.to_lowercase().contains("retry-after"),
        "{slowed}"
    );
    assert!(
        over_tcp(&address, &format!("Authorization: Bearer {token}\r\n"))
            .starts_with("HTTP/1.1 200"),
        "the right token still passes"
    );
    // The socket needs none, and tells no tokens.
    let config = bench.admin.get("/config");
    assert!(!String::from_utf8_lossy(&config.body).contains(token));
    assert!(!bench.daemon.log.lock().unwrap().contains(token));
    // The admin interface is not on the public port, nor the public one here.
    assert_eq!(bench.daemon.get("/admin/v1/server", None).status, 404);
    assert!(
        over_tcp(
            &address,
            &format!("Authorization: Bearer {token}\r\nX: y\r\n")
        )
        .contains("200")
    );

    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("own.toml");
    std::fs::write(&file, format!("[admin]\nlisten = {address:?}\n")).unwrap();
    let args = [
        "serve",
        "--data",
        data.path().to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
    ];
    let refused = cleanplate().args(args).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("`admin.tokens` is empty"),
        "{text}"
    );
}

#[test]
fn every_route_is_served_and_described() {
    let bench = Bench::new("");
    let document = bench.admin.json("/openapi.json");
    let paths = document["paths"].as_object().unwrap();
    let mut count = 0;
    for (path, methods) in paths {
        let at = path.strip_prefix("/admin/v1").unwrap();
        if at == "/events" {
            continue;
        }
        let at = at
            .replace("{part}", "result")
            .replace("{name}", "nobody")
            .replace("{id}", "999999");
        for method in methods.as_object().unwrap().keys() {
            let reply = bench.admin.raw(
                &method.to_uppercase(),
                &at,
                (method != "get").then_some(&b"{}"[..]),
            );
            assert!(
                ![405, 500].contains(&reply.status),
                "{method} {at}: {}",
                reply.status
            );
            if reply.status == 404 {
                assert!(
                    path.contains('{') && detail(&reply).contains("no "),
                    "{method} {at}: {}",
                    detail(&reply)
                );
            }
            assert!(reply.header("x-request-id").is_some());
            count += 1;
        }
        let reply = bench.admin.raw("PUT", &at, None);
        assert_eq!(reply.status, 405, "{at}");
        let mut allowed: Vec<String> = methods
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let mut told: Vec<String> = reply
            .header("allow")
            .unwrap()
            .split(", ")
            .map(str::to_string)
            .collect();
        allowed.sort();
        told.sort();
        assert_eq!(told, allowed, "{at}");
    }
    assert!(count > 30, "{count} routes tried");
    assert_eq!(bench.admin.get("/nothing").status, 404);
}

#[test]
fn accounts_are_made_renamed_topped_up_and_audited() {
    let bench = Bench::new("");
    let admin = &bench.admin;
    let made = admin.post("/accounts", json!({ "name": "Studio Nord", "credits": 50 }));
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_i64().unwrap();
    assert_eq!(
        (
            made.json()["available"].as_i64(),
            made.json()["held"].as_i64()
        ),
        (Some(50), Some(0))
    );
    let renamed = admin.patch(&format!("/accounts/{id}"), json!({ "name": "Studio Süd" }));
    assert_eq!(
        (renamed.status, renamed.json()["name"].as_str()),
        (200, Some("Studio Süd"))
    );
    assert_eq!(
        admin.patch(&format!("/accounts/{id}"), json!({})).json()["name"],
        "Studio Süd"
    );
    let entry = admin.post(
        &format!("/accounts/{id}/top-ups"),
        json!({ "credits": 25, "note": "invoice 7" }),
    );
    assert_eq!(
        (
            entry.status,
            entry.json()["available_after"].as_i64(),
            entry.json()["kind"].as_str()
        ),
        (201, Some(75), Some("top_up"))
    );
    let taken = admin.post(&format!("/accounts/{id}/top-ups"), json!({ "credits": -5 }));
    assert_eq!(
        (
            taken.json()["available_after"].as_i64(),
            taken.json()["kind"].as_str()
        ),
        (Some(70), Some("correct"))
    );
    assert_eq!(admin.json(&format!("/accounts/{id}"))["available"], 70);

    let ledger = admin.all(&format!("/accounts/{id}/ledger"), 2);
    let shown: Vec<_> = ledger
        .iter()
        .map(|row| {
            (
                row["available_change"].as_i64().unwrap(),
                row["note"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(shown, [(-5, ""), (25, "invoice 7"), (50, "first credits")]);
    for row in &ledger {
        assert!(row["actor"].as_str().unwrap().starts_with(&me()), "{row}");
        let action = row["cause"]["audit"].as_i64().unwrap();
        assert!(
            bench
                .audit("account.")
                .iter()
                .any(|entry| entry["id"] == action),
            "the entry names its action"
        );
    }
    let renames = bench.audit("account.rename");
    assert_eq!(
        renames[0]["detail"],
        json!({ "before": { "name": "Studio Nord" }, "after": { "name": "Studio Süd" } })
    );
    assert_eq!(renames[0]["target"], format!("account:{id}"));

    let names = |path: &str| {
        admin
            .all(path, 1)
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("/accounts"), ["default", "Studio Süd"]);
    assert_eq!(names("/accounts?text=STUDIO"), ["Studio Süd"]);
    assert_eq!(names("/accounts?text=%25"), [] as [String; 0]);

    for (reply, status, word) in [
        (admin.post("/accounts", json!({ "name": "" })), 422, "name"),
        (
            admin.post("/accounts", json!({ "name": "x".repeat(101) })),
            422,
            "101 characters",
        ),
        (
            admin.post("/accounts", json!({ "name": "x", "credits": -1 })),
            422,
            "credits",
        ),
        (admin.post("/accounts", json!({ "nmae": "x" })), 422, "nmae"),
        (admin.post("/accounts", json!({})), 422, "name"),
        (admin.raw("POST", "/accounts", Some(b"{")), 400, "JSON"),
        (admin.raw("POST", "/accounts", Some(b"")), 400, "JSON"),
        (
            admin.raw("POST", "/accounts", Some(&vec![b' '; 70_000])),
            413,
            "65536",
        ),
        (
            admin.post(&format!("/accounts/{id}/top-ups"), json!({ "credits": 0 })),
            422,
            "0",
        ),
        (
            admin.post(
                &format!("/accounts/{id}/top-ups"),
                json!({ "credits": -71 }),
            ),
            409,
            "70 credits available",
        ),
        (
            admin.post(
                &format!("/accounts/{id}/top-ups"),
                json!({ "credits": i64::MAX }),
            ),
            422,
            "credits",
        ),
        (
            admin.post("/accounts/999/top-ups", json!({ "credits": 1 })),
            404,
            "account 999",
        ),
        (admin.get("/accounts/999"), 404, "account 999"),
        (admin.get("/accounts/x"), 404, "account x"),
        (admin.get("/accounts/999/ledger"), 404, "account 999"),
        (
            admin.patch("/accounts/999", json!({ "name": "x" })),
            404,
            "account 999",
        ),
        (admin.get("/accounts?rows=0"), 422, "rows"),
        (admin.get("/accounts?rows=101"), 422, "rows"),
        (admin.get("/accounts?after=x"), 422, "after"),
        (admin.get("/accounts?unknown=1"), 422, "unknown"),
        (
            admin.get(&format!("/accounts?text={}", "x".repeat(101))),
            422,
            "100 characters",
        ),
    ] {
        assert_eq!(
            reply.status,
            status,
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        assert!(
            detail(&reply).contains(word),
            "{word} not in {}",
            detail(&reply)
        );
    }
    assert_eq!(
        admin.json(&format!("/accounts/{id}"))["available"],
        70,
        "refusals change nothing"
    );
}

#[test]
fn a_key_lives_and_dies() {
    let bench = Bench::new("");
    let admin = &bench.admin;
    let made = admin.post("/keys", json!({ "account_id": 1, "name": "shop", "removals_per_minute": 5, "pipelines": ["default"] }));
    assert_eq!(made.status, 201);
    let (secret, id) = (
        made.json()["secret"].as_str().unwrap().to_string(),
        made.json()["key"]["id"].as_i64().unwrap(),
    );
    assert_eq!(bench.daemon.get("/v1/account", Some(&secret)).status, 200);

    // The secret is told once: neither lists, nor the audit table, nor events, nor the log, nor the database hold it.
    for path in ["/keys", &format!("/keys/{id}"), "/audit", "/log?rows=1000"] {
        assert!(
            !String::from_utf8_lossy(&admin.get(path).body).contains(&secret),
            "{path} tells the secret"
        );
    }
    assert!(!bench.daemon.log.lock().unwrap().contains(&secret));
    for file in ["cleanplate.db", "cleanplate.db-wal"] {
        let bytes = std::fs::read(bench.daemon.data.join(file)).unwrap();
        assert!(
            !bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes()),
            "{file} holds the secret"
        );
    }

    let row = admin.json(&format!("/keys/{id}"));
    assert_eq!(
        (
            row["name"].as_str(),
            row["account_name"].as_str(),
            row["state"].as_str()
        ),
        (Some("shop"), Some("default"), Some("active"))
    );
    assert!(secret.starts_with(row["hint"].as_str().unwrap().split("...").next().unwrap()));
    assert!(row["last_used_at_ms"].as_i64().is_some());
    let changed = admin.patch(
        &format!("/keys/{id}"),
        json!({ "name": "Shop 2", "removals_per_minute": null, "batches_per_minute": 3 }),
    );
    assert_eq!(changed.status, 200);
    let row = changed.json();
    assert_eq!(
        (row["name"].as_str(), row["batches_per_minute"].as_u64()),
        (Some("Shop 2"), Some(3))
    );
    assert!(row["removals_per_minute"].is_null());
    assert_eq!(
        row["pipelines"],
        json!(["default"]),
        "what is not named stays"
    );
    let audited = &bench.audit("key.change")[0];
    assert_eq!(
        (
            audited["detail"]["before"]["name"].as_str(),
            audited["detail"]["after"]["name"].as_str()
        ),
        (Some("shop"), Some("Shop 2"))
    );
    assert!(audited["actor"].as_str().unwrap().starts_with(&me()));

    let found = |query: &str| {
        admin
            .all(&format!("/keys?{query}"), 1)
            .iter()
            .map(|row| row["id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("account=1"), [1, id]);
    assert_eq!(found("text=shop"), [id]);
    assert_eq!(found("state=revoked"), [] as [i64; 0]);

    // An expiry in the past ends it, taking it back revives it.
    assert_eq!(
        admin
            .patch(&format!("/keys/{id}"), json!({ "expires_at_ms": 1 }))
            .json()["state"],
        "expired"
    );
    assert_eq!(bench.daemon.get("/v1/account", Some(&secret)).status, 401);
    admin.patch(&format!("/keys/{id}"), json!({ "expires_at_ms": null }));
    assert_eq!(bench.daemon.get("/v1/account", Some(&secret)).status, 200);

    // Revoked: 401 at once, and the addresses of its results die.
    let reply = bench.daemon.post(REMOVAL, Some(&secret), &small());
    let url = reply.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    assert_eq!(bench.daemon.get(&url, None).status, 200);
    assert_eq!(
        admin.act(&format!("/keys/{id}/revoke")).json()["state"],
        "revoked"
    );
    assert_eq!(bench.daemon.get("/v1/account", Some(&secret)).status, 401);
    assert_eq!(
        bench.daemon.post(REMOVAL, Some(&secret), &small()).status,
        401
    );
    assert_eq!(bench.daemon.get(&url, None).status, 403);
    assert_eq!(found("state=revoked"), [id]);
    assert_eq!(
        admin.act(&format!("/keys/{id}/revoke")).status,
        200,
        "again changes nothing"
    );
    assert_eq!(bench.audit("key.revoke").len(), 1);

    // Deleted: gone from the lists, its job and its dead addresses stay.
    assert_eq!(admin.delete(&format!("/keys/{id}")).status, 200);
    assert_eq!(found("account=1"), [1]);
    assert_eq!(bench.daemon.get(&url, None).status, 403);
    assert_eq!(admin.all(&format!("/jobs?key={id}"), 10).len(), 1);
    for reply in [
        admin.get(&format!("/keys/{id}")),
        admin.delete(&format!("/keys/{id}")),
        admin.act(&format!("/keys/{id}/revoke")),
    ] {
        assert_eq!(
            (
                reply.status,
                detail(&reply).contains(&format!("no key {id}"))
            ),
            (404, true)
        );
    }
    let actions: Vec<_> = bench
        .audit(&format!("key:{id}"))
        .iter()
        .rev()
        .map(|row| row["action"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(
        actions,
        [
            "key.create",
            "key.change",
            "key.change",
            "key.change",
            "key.revoke",
            "key.delete"
        ]
    );

    for (body, word) in [
        (
            json!({ "account_id": 1, "name": "x", "removals_per_minute": 0 }),
            "removals_per_minute",
        ),
        (
            json!({ "account_id": 1, "name": "x", "pipelines": ["lmaa"] }),
            "lmaa",
        ),
        (
            json!({ "account_id": 1, "name": "x", "expires_at_ms": 1 }),
            "past",
        ),
        (json!({ "account_id": 1 }), "name"),
    ] {
        let reply = admin.post("/keys", body);
        assert_eq!(reply.status, 422);
        assert!(detail(&reply).contains(word), "{}", detail(&reply));
    }
    assert_eq!(
        admin
            .post("/keys", json!({ "account_id": 999, "name": "x" }))
            .status,
        404
    );
    assert_eq!(admin.patch("/keys/999", json!({ "name": "x" })).status, 404);
    assert_eq!(admin.get("/keys?state=broken").status, 422);
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
    std::thread::sleep(Duration::from_secs(3));
    let _others: Vec<_> = (0..7).map(|_| admin.events(None)).collect();
    assert_eq!(admin.get("/events").status, 429);
    assert_eq!(admin.get("/events?before=3").status, 422);

    // The daemon's end ends the stream.
    bench.daemon.terminate();
    while let Some(event) = events.next() {
        assert_ne!(event.data["type"], "resync");
    }
}

#[test]
fn models_folders_configuration_and_log() {
    let place = tempfile::tempdir().unwrap();
    let plates = place.path().join("plates");
    std::fs::create_dir(&plates).unwrap();
    let bench = Bench::new(&format!(
        "[pipelines]\nallowed = [\"lama-small\"]\n[hot_folders]\nsettle_ms = 100\n[[hot_folder]]\npath = {plates:?}\naccount = 1\n"
    ));
    let (admin, key) = (&bench.admin, bench.daemon.key());
    let model = |name: &str| {
        let list = admin.json("/models")["models"].as_array().unwrap().clone();
        list.into_iter()
            .find(|model| model["name"] == name)
            .unwrap_or_else(|| panic!("no model {name}"))
    };
    assert_eq!(
        (
            model("lama-small")["state"].as_str(),
            model("big-lama")["state"].as_str()
        ),
        (Some("unloaded"), Some("absent"))
    );
    assert!(
        model("lama-small")["pipelines"]
            .as_array()
            .unwrap()
            .contains(&json!("lama-small"))
    );
    assert_eq!(
        admin.act("/models/lama-small/load").json()["state"],
        "loaded"
    );
    // Whatever its family, and though the pipeline names no model but leaves the choice.
    assert_eq!(
        admin.act("/models/sam-small/load").json()["state"],
        "loaded"
    );
    assert!(
        model("sam-small")["pipelines"]
            .as_array()
            .unwrap()
            .contains(&json!("default"))
    );
    let path = format!("{REMOVAL}?pipeline=lama-small");
    assert_eq!(bench.daemon.post(&path, Some(&key), &small()).status, 200);
    assert_eq!(
        admin.act("/models/lama-small/unload").json()["state"],
        "unloaded"
    );
    assert_eq!(
        bench.daemon.post(&path, Some(&key), &small()).status,
        200,
        "the next job loads it again"
    );
    assert_eq!(model("lama-small")["state"], "loaded");
    assert_eq!(admin.act("/models/lama-small/verify").status, 202);
    admin.until("/models", |list| {
        list["models"][0]["task"]["state"] == "done"
    });
    let refused = admin.act("/models/big-lama/load");
    assert_eq!(refused.status, 409);
    assert!(detail(&refused).contains("pull"), "{}", detail(&refused));
    assert_eq!(model("big-lama")["state"], "absent");
    for action in ["load", "unload", "verify", "pull"] {
        assert_eq!(
            admin.act(&format!("/models/nobody/{action}")).status,
            404,
            "{action}"
        );
    }
    let golden = crate::common::root().join("models/lama/golden/lama_tiny.safetensors.gz");
    assert_eq!(
        admin
            .post("/models/tiny/import", json!({ "path": "relative" }))
            .status,
        422
    );
    assert_eq!(
        admin
            .post("/models/tiny/import", json!({ "path": "/nonexistent" }))
            .status,
        422
    );
    let imported = admin.post("/models/tiny/import", json!({ "path": golden }));
    assert_eq!(
        (imported.status, imported.json()["task"]["kind"].as_str()),
        (202, Some("import"))
    );
    admin.until("/models", |list| {
        list["models"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["name"] == "tiny" && model["task"]["state"] == "done")
    });
    assert_eq!(model("tiny")["state"], "unloaded");
    let actions: Vec<_> = bench
        .audit("model.")
        .iter()
        .rev()
        .map(|row| row["action"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(
        actions,
        [
            "model.load",
            "model.unload",
            "model.verify",
            "model.load",
            "model.import"
        ]
    );

    let status = |order: &str| admin.act(&format!("/folders/plates/{order}")).json();
    admin.until("/folders", |list| list["folders"][0]["paused"].is_null());
    assert_eq!(status("pause")["paused"], "paused by an administrator");
    let (image, hole) = small_pair();
    std::fs::write(plates.join("a.png"), &image).unwrap();
    std::fs::write(plates.join("a_mask.png"), &hole).unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert!(
        plates.join("a.png").exists(),
        "nothing is taken while paused"
    );
    assert!(status("resume")["paused"].is_null());
    admin.until("/folders", |list| list["folders"][0]["done"] == 1);
    assert_eq!(admin.act("/folders/plates/rescan").status, 200);
    assert_eq!(admin.act("/folders/other/pause").status, 404);
    assert_eq!(bench.audit("folder.").len(), 3);

    let pipelines = admin.json("/pipelines");
    let row = |name: &str| {
        pipelines["pipelines"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (
            row("default")["default"].as_bool(),
            row("lama-small")["allowed"].as_bool()
        ),
        (Some(true), Some(true))
    );
    assert_eq!(row("lama")["allowed"], false);
    let config = admin.json("/config");
    let option = |path: &str| {
        config["options"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["path"] == path)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (
            option("hot_folders.settle_ms")["value"].clone(),
            option("hot_folders.settle_ms")["default"].clone()
        ),
        (json!(100), json!(false))
    );
    assert!(
        option("hot_folders.settle_ms")["origin"]
            .as_str()
            .unwrap()
            .contains("test.toml:")
    );
    assert_eq!(
        (
            option("admin.tokens")["secret"].as_bool(),
            option("admin.tokens")["value"].is_null()
        ),
        (Some(true), true)
    );

    let log = admin.json("/log?level=info&text=DEVICE%20opened");
    assert_eq!(log["lines"].as_array().unwrap().len(), 1, "{log}");
    assert_eq!(admin.json("/log?level=error")["lines"], json!([]));
    assert_eq!(
        admin.json("/log?rows=1")["lines"].as_array().unwrap().len(),
        1
    );
    for path in [
        "/log?level=loud",
        "/log?rows=0",
        "/log?rows=1001",
        "/metrics/history?seconds=0",
        "/metrics/history?seconds=301",
    ] {
        assert_eq!(admin.get(path).status, 422, "{path}");
    }
    let ticks = admin.until("/metrics/history?seconds=2", |history| {
        history["ticks"].as_array().unwrap().len() == 2
    });
    let at = |i: usize| ticks["ticks"][i]["at_ms"].as_i64().unwrap();
    assert!((500..3_000).contains(&(at(1) - at(0))), "{ticks}");
}

#[test]
fn many_jobs_do_not_delay_a_reply() {
    let bench = Bench::new(
        "[queue]\nper_key_in_flight_max = 10000\nlength_max = 10000\n[rate_limits]\nremoval_per_minute = 100000\n[accounts]\nfirst_credits = 1000000\n",
    );
    let (admin, key) = (&bench.admin, bench.daemon.key());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        // Readers that never read: the daemon must not wait for them.
        let _stuck: Vec<_> = (0..3).map(|_| admin.events(None)).collect();
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(relaxed) {
                    let job = bench.remove(&key, true, &small());
                    bench.daemon.delete(&format!("/v1/jobs/{job}"), Some(&key));
                }
            });
        }
        std::thread::sleep(Duration::from_secs(1));
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let started = Instant::now();
                assert_eq!(admin.json("/server")["state"], "ready");
                started.elapsed()
            })
            .collect();
        stop.store(true, relaxed);
        times.sort();
        assert!(
            times[25] < Duration::from_millis(250),
            "median of replies: {:?}",
            times[25]
        );
    });
    let totals = admin.json("/server")["totals"].clone();
    assert!(
        totals["completed"].as_u64().unwrap() + totals["failed"].as_u64().unwrap() > 20,
        "{totals}"
    );
}
