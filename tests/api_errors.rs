//! Every status of the wire contract, with its body, and that none of them charges anything.

use crate::common::{Daemon, Form, REMOVAL, Reply, mask, photo, png, small_pair};
use cleanplate_api::PUBLIC;
use cleanplate_api::endpoint::{Access, Method};
use serde_json::Value;

/// The 422 shape: one entry with this place and this type.
fn assert_invalid(reply: &Reply, loc: [&str; 2], kind: &str) {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 422, "{text}");
    let detail = &reply.json()["detail"][0];
    assert_eq!(detail["loc"], Value::from(loc.to_vec()), "{text}");
    assert_eq!(detail["type"], kind, "{text}");
    assert!(!detail["msg"].as_str().unwrap().is_empty(), "{text}");
}

fn assert_detail(reply: &Reply, status: u16) -> String {
    assert_eq!(
        reply.status,
        status,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    assert!(reply.header("X-Request-Id").is_some(), "no request id");
    reply.json()["detail"]
        .as_str()
        .expect("detail is a string")
        .to_string()
}

fn available(daemon: &Daemon, key: &str) -> i64 {
    daemon.get("/v1/account", Some(key)).json()["balance"]
        .as_i64()
        .unwrap()
}

#[test]
fn bad_requests_get_their_documented_status_and_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[limits]\nupload_bytes_max = 300000\n");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let good = Form::pair(&image, &hole);
    let post = |path: &str, form: &Form| daemon.post(path, Some(&key), form);

    // 401: missing, malformed, unknown.
    let missing = daemon.post(REMOVAL, None, &good);
    assert_detail(&missing, 401);
    assert_eq!(missing.header("WWW-Authenticate"), Some("Bearer"));
    assert_detail(&daemon.post(REMOVAL, Some("nonsense"), &good), 401);
    let unknown = format!("{}AAAAAA", &key[..key.len() - 6]);
    assert_detail(&daemon.post(REMOVAL, Some(&unknown), &good), 401);

    // 404 and 405.
    assert_eq!(
        assert_detail(&daemon.get("/v1/nothing", Some(&key)), 404),
        "Not Found"
    );
    assert_eq!(
        assert_detail(&daemon.get(REMOVAL, Some(&key)), 405),
        "Method Not Allowed"
    );
    assert_detail(
        &daemon.get("/v1/jobs/00000000-0000-4000-8000-000000000000", Some(&key)),
        404,
    );

    // 413: over the size while streaming.
    let mut big = image.clone();
    big.resize(400_000, 0);
    assert_detail(&post(REMOVAL, &Form::pair(&big, &hole)), 413);

    // 415: by content, not by name.
    for bytes in [
        &b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"[..],
        b"%PDF-1.4",
        b"II+\0\x08\0\0\0",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"",
    ] {
        assert_detail(&post(REMOVAL, &Form::pair(bytes, &hole)), 415);
    }
    assert_detail(&post(REMOVAL, &Form::pair(&image, b"GIF89a")), 415);

    // 422: fields.
    assert_invalid(
        &post(REMOVAL, &Form::new().file("image", "a.png", &image)),
        ["body", "mask"],
        "value_error.missing",
    );
    assert_invalid(
        &post(REMOVAL, &Form::new().file("mask", "a.png", &hole)),
        ["body", "image"],
        "value_error.missing",
    );
    let reply = post(
        REMOVAL,
        &Form::pair(&image, &png(mask(63, 48, [20, 20, 30, 30]))),
    );
    assert_eq!(reply.status, 422);
    assert_eq!(
        reply.json()["detail"][0]["loc"],
        Value::from(vec!["body", "mask"])
    );
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(
        text.contains("63") && text.contains("64"),
        "the message names both sizes: {text}"
    );
    assert_eq!(
        post(
            REMOVAL,
            &Form::pair(&image, &png(mask(64, 48, [0, 0, 0, 0])))
        )
        .status,
        422,
        "an empty mask"
    );
    assert_eq!(
        post(REMOVAL, &Form::pair(&image[..image.len() / 2], &hole)).status,
        422,
        "a truncated picture"
    );
    assert_eq!(
        post(REMOVAL, &Form::pair(&image, &hole[..hole.len() / 2])).status,
        422,
        "a truncated mask"
    );

    // 422: prompts.
    let only_image = Form::new().file("image", "a.png", &image);
    let query = |q: &str| post(&format!("{REMOVAL}?{q}"), &only_image);
    for (q, loc) in [
        ("points=[[1,2", ["query", "points"]),
        ("points=hello", ["query", "points"]),
        ("points=[[1]]", ["query", "points"]),
        ("points=[[1,NaN]]", ["query", "points"]),
        ("points=[[1,2]]&labels=[1,0]", ["query", "labels"]),
        ("points=[[1,2]]&labels=[7]", ["query", "labels"]),
        ("points=[[64,2]]", ["query", "points"]),
        ("points=[[-1,2]]", ["query", "points"]),
        ("box=[1,2,3]", ["query", "box"]),
        ("box=[0,0,400,20]", ["query", "box"]),
        ("labels=[1]", ["query", "labels"]),
    ] {
        let encoded = q.replace('[', "%5B").replace(']', "%5D");
        let reply = query(&encoded);
        assert_eq!(
            reply.status,
            422,
            "{q}: {}",
            String::from_utf8_lossy(&reply.body)
        );
        assert_eq!(
            reply.json()["detail"][0]["loc"],
            Value::from(loc.to_vec()),
            "{q}: {}",
            String::from_utf8_lossy(&reply.body)
        );
    }
    // Signed URLs.
    assert_detail(&daemon.get("/v1/files/abc?expires=x&sig=y", None), 400);
    assert_detail(&daemon.get("/v1/files/abc", None), 400);

    // dry_run prices and validates, and charges nothing.
    let dry = post(&format!("{REMOVAL}?dry_run=true"), &good);
    assert_eq!(dry.status, 200, "{}", String::from_utf8_lossy(&dry.body));
    assert_eq!(dry.header("X-Credits-Charged"), Some("0"));

    assert_eq!(
        available(&daemon, &key),
        100,
        "a refused request was charged"
    );
    let left: Vec<_> = std::fs::read_dir(daemon.data.join("uploads"))
        .map(|d| d.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "uploads left behind: {left:?}");
}

#[test]
fn pixels_over_the_limit_are_refused_by_their_header() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[limits]\npixels_max = 3000\n");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let reply = daemon.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
    assert_eq!(
        reply.status,
        422,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.contains("3072") || text.contains("64"), "{text}");
}

#[test]
fn credits_end_with_402() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key_of("poor", 7);
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    assert_eq!(daemon.post(REMOVAL, Some(&key), &form).status, 200);
    assert_eq!(daemon.post(REMOVAL, Some(&key), &form).status, 200);
    let third = daemon.post(REMOVAL, Some(&key), &form);
    assert_eq!(third.status, 402);
    assert_eq!(
        third.json(),
        serde_json::json!({"detail": "Insufficient credits", "code": "insufficient_credits"})
    );
    assert_eq!(available(&daemon, &key), 1);
}

#[test]
fn the_sixty_first_call_of_a_minute_is_429() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    // Refused requests count too: an empty form is the cheapest call.
    let calls: Vec<Reply> = (0..61)
        .map(|_| daemon.post(REMOVAL, Some(&key), &Form::new()))
        .collect();
    assert!(
        calls[..60].iter().all(|r| r.status == 422),
        "{:?}",
        calls.iter().map(|r| r.status).collect::<Vec<_>>()
    );
    assert_eq!(calls[59].header("X-RateLimit-Limit"), Some("60"));
    assert_detail(&calls[60], 429);
    let wait: u64 = calls[60].header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "Retry-After {wait}");
}

#[test]
fn a_revoked_key_and_its_links_die_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let made = daemon.cli(&["keys", "create", "--name", "short-lived", "--json"]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let made = crate::common::json(&made);
    let key = made["key"].as_str().unwrap().to_string();
    let (image, hole) = small_pair();
    let reply = daemon.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
    assert_eq!(reply.status, 200);
    let url = reply.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    assert_eq!(daemon.get(&url, None).status, 200);
    let revoked = daemon.cli(&["keys", "revoke", made["id"].as_str().unwrap(), "--json"]);
    assert!(
        revoked.status.success(),
        "{}",
        String::from_utf8_lossy(&revoked.stderr)
    );
    assert_eq!(daemon.get("/v1/account", Some(&key)).status, 401);
    assert_eq!(daemon.get(&url, None).status, 403);
}

#[test]
fn a_large_photo_is_not_refused_for_being_large() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let jpeg = crate::common::encode(photo(2000, 1500), image::ImageFormat::Jpeg);
    let hole = png(mask(2000, 1500, [900, 700, 980, 790]));
    let reply = daemon.post(REMOVAL, Some(&daemon.key()), &Form::pair(&jpeg, &hole));
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
}

#[test]
fn the_documents_about_the_service_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let health = daemon.get("/healthz", None);
    assert_eq!(health.status, 200);
    assert_eq!(health.json()["device"]["backend"], "cpu");
    let openapi = daemon.get("/openapi.json", None).json();
    for operation in PUBLIC.operations {
        let (path, method) = (operation.route.path, operation.route.method.as_str());
        let described = &openapi["paths"][path][method.to_lowercase()];
        assert_eq!(described["operationId"], operation.route.id, "{path}");
    }
    let metrics = daemon.get("/metrics", None);
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(
        text.lines().any(|l| l.starts_with("cleanplate_build_info")),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|l| l.starts_with("cleanplate_queue_depth")),
        "{text}"
    );
    let models = daemon.get("/v1/models", Some(&daemon.key())).json();
    assert!(models.to_string().contains("lama-small"), "{models}");
}

#[test]
fn every_declared_operation_is_served_and_no_other_method() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    for operation in PUBLIC.operations {
        let route = &operation.route;
        let id = "00000000-0000-4000-8000-000000000000";
        let path = route
            .placeholders()
            .fold(route.path.to_string(), |path, place| {
                path.replace(&format!("{{{place}}}"), id)
            });
        let reply = match route.method {
            Method::Get => daemon.get(&path, None),
            Method::Post => daemon.post(&path, None, &Form::new()),
            Method::Delete => daemon.delete(&path, None),
            Method::Patch => panic!("the public interface changes nothing in place"),
        };
        let want = match (route.access, route.placeholders().next()) {
            (Access::Key, _) => 401,
            // A file without a signature.
            (Access::Open, Some(_)) => 400,
            (Access::Open, None) => 200,
        };
        assert_eq!(reply.status, want, "{} {path}", route.id);
        let declared: Vec<Method> = PUBLIC
            .operations
            .iter()
            .filter(|other| other.route.path == route.path)
            .map(|other| other.route.method)
            .collect();
        let reply = if declared.contains(&Method::Post) {
            daemon.get(&path, None)
        } else {
            daemon.post(&path, None, &Form::new())
        };
        assert_eq!(reply.status, 405, "{path}");
        let allow = reply.header("Allow").unwrap();
        for method in declared {
            assert!(
                allow.split(", ").any(|one| one == method.as_str()),
                "{allow}"
            );
        }
    }
}
