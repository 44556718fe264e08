//! The pages for people: `/`, `/docs` and what they load.

use crate::common::Daemon;

#[test]
fn pages_and_their_assets_are_served_under_a_strict_policy() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let mut assets = std::collections::BTreeSet::new();
    for (path, says) in [("/", "Drop photos here"), ("/docs", "Cleanplate API")] {
        let reply = daemon.get(path, None);
        let text = String::from_utf8(reply.body.clone()).unwrap();
        assert_eq!(reply.status, 200, "{path}: {text}");
        assert!(text.contains(says), "{path}: {text}");
        assert_eq!(
            reply.header("Content-Type"),
            Some("text/html; charset=utf-8")
        );
        let policy = reply.header("Content-Security-Policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assets.extend(
            text.split("\"assets/")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_string()),
        );
    }
    assert!(assets.len() >= 3, "{assets:?}");
    for name in assets {
        let reply = daemon.get(&format!("/assets/{name}"), None);
        assert_eq!(reply.status, 200, "{name}");
        let wanted = match name.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "jpg" => "image/jpeg",
            other => panic!("{name}: what is {other}?"),
        };
        assert_eq!(reply.header("Content-Type"), Some(wanted), "{name}");
    }
    let missing = daemon.get("/assets/other.js", None);
    assert_eq!(missing.status, 404);
    assert!(missing.json()["detail"].is_string());
}
