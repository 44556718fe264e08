//! What programs of other people meet: browsers of other origins, proxies with a path of their own, libraries that add slashes
//! and parameters, clients that want the picture itself.

use serde_json::Value;

use crate::common::{Daemon, Form, REMOVAL, Reply, mask, photo, png, small_pair};

const APP: &str = "https://app.example.com";

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn removed(daemon: &Daemon, key: &str) -> Value {
    let (image, hole) = small_pair();
    let reply = daemon.post(REMOVAL, Some(key), &Form::pair(&image, &hole));
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    reply.json()
}

#[test]
fn pages_of_allowed_origins_may_call_and_others_may_not() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!("[server]\ncors_origins = [\"{APP}\"]\n");
    let daemon = Daemon::start(dir.path(), &config);
    let preflight = |origin: &str, header: &str| {
        let asked = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", header),
        ];
        daemon.ask("OPTIONS", REMOVAL, &asked)
    };
    let allow = "Access-Control-Allow-Origin";
    let asked = preflight(APP, "authorization, idempotency-key, prefer");
    assert_eq!(asked.status, 200);
    assert_eq!(asked.header(allow), Some(APP));
    let methods = asked.header("Access-Control-Allow-Methods").unwrap();
    assert!(
        methods.contains("POST") && methods.contains("DELETE"),
        "{methods}"
    );
    assert!(asked.header("Access-Control-Allow-Credentials").is_none());
    assert_eq!(
        preflight("https://evil.example", "authorization").header(allow),
        None
    );
    assert_eq!(preflight(APP, "x-other").header(allow), None);
    // Refusals can be read by the page too.
    let refused = daemon.ask("GET", "/v1/account", &[("Origin", APP)]);
    assert_eq!((refused.status, refused.header(allow)), (401, Some(APP)));
    let exposed = refused.header("Access-Control-Expose-Headers").unwrap();
    for name in ["X-Credits-Remaining", "X-Request-Id", "Retry-After"] {
        let listed = exposed
            .split(',')
            .any(|other| other.trim().eq_ignore_ascii_case(name));
        assert!(listed, "{name} is not among {exposed}");
    }
    let other = daemon.ask("GET", "/readyz", &[("Origin", "https://evil.example")]);
    assert_eq!((other.status, other.header(allow)), (200, None));
}

#[test]
fn without_the_option_no_page_of_another_origin_may_call() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[server]\ncors_origins = []\n");
    let reply = daemon.ask("GET", "/readyz", &[("Origin", APP)]);
    assert_eq!(
        (reply.status, reply.header("Access-Control-Allow-Origin")),
        (200, None)
    );
    let asked = daemon.ask(
        "OPTIONS",
        REMOVAL,
        &[("Origin", APP), ("Access-Control-Request-Method", "POST")],
    );
    assert_eq!(asked.status, 405);
}

#[test]
fn the_interface_lies_below_a_path_slashes_and_added_parameters_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[server]\npublic_url = \"http://plates.example/tools/plates/\"\n";
    let daemon = Daemon::start(dir.path(), config);
    let key = daemon.key();
    let url = removed(&daemon, &key)["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    let path = url.strip_prefix("http://plates.example").unwrap();
    assert!(path.starts_with("/tools/plates/v1/files/"), "{url}");
    let bare = path.strip_prefix("/tools/plates").unwrap();
    let (file, query) = bare.split_once('?').unwrap();
    let (expires, sig) = query.split_once('&').unwrap();
    let first = daemon.get(path, None);
    assert_eq!(first.status, 200);
    // A proxy may hand the path on or take it away; mail programs and libraries change addresses.
    for same in [
        bare.to_string(),
        format!("{file}/?{query}"),
        format!("/tools/plates{file}?{sig}&{expires}"),
        format!("{file}?utm_source=mail&{query}&x"),
    ] {
        let again = daemon.get(&same, None);
        assert_eq!((again.status, &again.body), (200, &first.body), "{same}");
    }
    assert_eq!(
        daemon.get(&format!("{file}?{query}&{sig}"), None).status,
        400
    );
    let auth = bearer(&key);
    let account = |path: &str| daemon.ask("GET", path, &[("Authorization", &auth)]).status;
    for path in [
        "/v1/account",
        "/v1/account/",
        "/tools/plates/v1/account",
        "/tools/plates/v1/account/",
        "//v1/account",
        "/tools/plates//v1/account",
    ] {
        assert_eq!(account(path), 200, "{path}");
    }
    assert_eq!(account("/tools/platesx/v1/account"), 404);
    let moved = |path: &str| {
        let reply = daemon.ask("GET", path, &[]);
        (reply.status, reply.header("Location").map(str::to_string))
    };
    assert_eq!(moved("/tools/plates"), (308, Some("plates/".to_string())));
    assert_eq!(
        moved("/tools/plates/docs/"),
        (308, Some("../docs".to_string()))
    );
    assert_eq!(moved("/tools/plates/"), (200, None));
    assert_eq!(moved("/tools/plates/assets/app.js"), (200, None));
    let posted = daemon.post(&format!("{REMOVAL}/"), Some(&key), &Form::new());
    assert_eq!(posted.status, 422);
}

#[test]
fn a_believed_proxy_may_tell_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[server]\nbehind_proxy = true\nproxies = [\"127.0.0.1\"]\n";
    let daemon = Daemon::start(dir.path(), config);
    let key = daemon.key();
    let (image, hole) = small_pair();
    let removed = |prefix: &str| {
        let headers = [
            ("X-Forwarded-Prefix", prefix),
            ("X-Forwarded-Host", "a.example"),
        ];
        let reply = daemon.post_with(REMOVAL, Some(&key), &headers, &Form::pair(&image, &hole));
        reply.json()["result"]["output_url"]
            .as_str()
            .unwrap()
            .to_string()
    };
    let url = removed("/plates");
    assert!(
        url.starts_with("http://a.example/plates/v1/files/"),
        "{url}"
    );
    let at = url.strip_prefix("http://a.example/plates").unwrap();
    assert_eq!(daemon.get(at, None).status, 200);
    for bad in ["//evil.example", "/a/../b", "plates", "/<x>"] {
        let url = removed(bad);
        assert!(
            url.starts_with("http://a.example/v1/files/"),
            "{bad}: {url}"
        );
    }
}

#[test]
fn a_client_that_wants_a_picture_gets_the_picture() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    let send = |accept: &str, once: &str| {
        let headers = [("Accept", accept), ("Idempotency-Key", once)];
        daemon.post_with(REMOVAL, Some(&key), &headers, &form)
    };
    let reply = send("image/*", "a");
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    assert_eq!(reply.header("Content-Type"), Some("image/png"));
    assert_eq!(reply.header("X-Credits-Charged"), Some("3"));
    assert_eq!(reply.header("X-Credits-Remaining"), Some("97"));
    let id = reply.header("X-Job-Id").unwrap();
    let job = daemon.get(&format!("/v1/jobs/{id}"), Some(&key)).json();
    assert_eq!(job["status"], "completed");
    let stored = daemon.get(reply.header("Content-Location").unwrap(), None);
    assert_eq!((stored.status, &stored.body), (200, &reply.body));
    assert_eq!(image::load_from_memory(&reply.body).unwrap().width(), 64);
    // The repeated call gets the same, and pays nothing.
    let again = send("image/*", "a");
    assert_eq!(
        (again.header("X-Credits-Charged"), &again.body),
        (Some("0"), &reply.body)
    );
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    let jpeg = send("image/jpeg, */*;q=0.1", "b");
    assert_eq!(jpeg.header("Content-Type"), Some("image/jpeg"));
    assert_eq!(
        image::guess_format(&jpeg.body).unwrap(),
        image::ImageFormat::Jpeg
    );
    let told = send("application/json, image/png;q=0.5", "c");
    assert_eq!(told.json()["status"], "completed");
    // A refusal is JSON, whatever was asked for.
    let wrong = Form::pair(&image, &png(mask(32, 48, [4, 4, 9, 9])));
    let refused = daemon.post_with(REMOVAL, Some(&key), &[("Accept", "image/*")], &wrong);
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (422, Some("invalid"))
    );
}

#[test]
fn a_key_lists_the_jobs_of_its_account_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let ids: Vec<Value> = (0..3)
        .map(|_| removed(&daemon, &key)["job_id"].clone())
        .collect();
    let list = |query: &str| daemon.get(&format!("/v1/jobs{query}"), Some(&key));
    let all = list("").json();
    let listed = |page: &Value| -> Vec<Value> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["job_id"].clone())
            .collect()
    };
    let newest: Vec<Value> = ids.iter().rev().cloned().collect();
    assert_eq!((listed(&all), &all["next"]), (newest.clone(), &Value::Null));
    assert_eq!(all["items"][0]["service"], "object-removal");
    let url = all["items"][0]["result"]["output_url"].as_str().unwrap();
    assert_eq!(daemon.get(url, None).status, 200);
    let first = list("?rows=2").json();
    let rest = list(&format!(
        "?rows=2&after={}",
        first["next"].as_str().unwrap()
    ))
    .json();
    assert_eq!([listed(&first), listed(&rest)].concat(), newest);
    assert_eq!(
        listed(&list("?status=completed&created_from=1").json()).len(),
        3
    );
    assert!(listed(&list("?status=failed").json()).is_empty());
    assert!(listed(&list("?created_before=1").json()).is_empty());
    for wrong in ["?rows=0", "?after=x", "?state=failed", "?status=done"] {
        assert_eq!(list(wrong).status, 422, "{wrong}");
    }
    let other = daemon.key_of("other", 9);
    let none = daemon.get("/v1/jobs", Some(&other)).json();
    assert!(listed(&none).is_empty());
    assert_eq!(daemon.get("/v1/jobs", None).status, 401);
}

#[test]
fn errors_have_a_code_and_segmentation_takes_file() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let code = |reply: &Reply| reply.json()["code"].as_str().map(str::to_string);
    assert_eq!(
        code(&daemon.get("/v1/account", None)).unwrap(),
        "unauthorized"
    );
    assert_eq!(code(&daemon.get("/nothing", None)).unwrap(), "not_found");
    assert_eq!(
        code(&daemon.delete("/v1/account", Some(&key))).unwrap(),
        "method_not_allowed"
    );
    assert_eq!(
        code(&daemon.post(REMOVAL, Some(&key), &Form::new())).unwrap(),
        "invalid"
    );
    let gif = Form::pair(b"GIF89a, no photo here", &png(mask(8, 8, [1, 1, 4, 4])));
    assert_eq!(
        code(&daemon.post(REMOVAL, Some(&key), &gif)).unwrap(),
        "unsupported_type"
    );
    let form = Form::new().file("file", "photo.png", &png(photo(64, 48)));
    let reply = daemon
        .post("/v1/services/segmentation", Some(&key), &form)
        .json();
    let missing: Vec<&Value> = reply["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["loc"])
        .collect();
    assert_eq!(missing, [&serde_json::json!(["query", "points"])]);
}
