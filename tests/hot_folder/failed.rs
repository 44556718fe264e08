//! Failed pairs: shown with their reasons, tried again, let go.

use super::*;
use crate::common::admin::Admin;
use serde_json::json;

fn failures(admin: &Admin) -> Vec<Value> {
    let list = admin.json("/folders");
    list["folders"][0]["failures"].as_array().unwrap().clone()
}

#[test]
fn a_failed_pair_is_shown_tried_again_and_let_go() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    let admin = Admin::of(&bench.data);
    let (image, hole) = numbered(1);
    bench.put("sub/masks/odd.png", &small_pair().1);
    bench.put("sub/odd.png", &image);
    bench.put("x\u{1b}.png", &numbered(2).0);
    bench.put("x\u{1b}_mask.png", &small_pair().1);
    admin.until("/folders", |list| {
        list["folders"][0]["failures"].as_array().map(Vec::len) == Some(2)
    });
    let odd = failures(&admin)
        .into_iter()
        .find(|failure| failure["name"] == "sub/odd")
        .unwrap();
    assert_eq!(odd["photo"], "sub/odd.png");
    assert_eq!(odd["code"], "mask_size");
    assert!(
        odd["detail"]
            .as_str()
            .unwrap()
            .contains("they must be equal")
    );

    // Failures of an earlier run are known to the next.
    daemon.kill9();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    let admin = Admin::of(&bench.data);
    admin.until("/folders", |list| {
        list["folders"][0]["failures"].as_array().map(Vec::len) == Some(2)
    });

    // Mended where it lies, the pair goes back to where it was dropped and is done.
    fs::write(bench.at("failed/sub/odd_mask.png"), &hole).unwrap();
    let retry = |pair: &str| admin.post("/folders/plates/retry", json!({ "pair": pair }));
    // A name that is in use is somebody's: nothing is moved.
    bench.put("sub/masks/odd.png", b"somebody's");
    let refused = retry("sub/odd");
    assert_eq!(refused.status, 409, "{}", refused.json());
    assert!(
        bench.at("failed/sub/odd.png").exists() && bench.at("failed/sub/odd.report.json").exists()
    );
    fs::remove_file(bench.at("sub/masks/odd.png")).unwrap();
    let status = retry("sub/odd");
    assert_eq!(status.status, 200, "{}", status.json());
    assert_eq!(bench.report("done", "sub/odd")["mask"], "sub/masks/odd.png");
    assert!(!bench.at("failed/sub/odd.report.json").exists());
    assert_eq!(credits(&daemon), (10_000 - 3, 0));

    for (pair, status) in [
        ("sub/odd", 409),
        ("../../secret", 409),
        ("", 409),
        ("x\u{1b}", 200),
    ] {
        let reply = admin.post("/folders/plates/release", json!({ "pair": pair }));
        assert_eq!(reply.status, status, "{pair:?}: {}", reply.json());
    }
    assert!(failures(&admin).is_empty());
    assert!(bench.at("failed/x\u{1b}.png").exists(), "files are kept");
    assert_eq!(
        admin
            .post("/folders/other/retry", json!({ "pair": "x" }))
            .status,
        404
    );
    let audit = admin.json("/audit");
    let told = |action: &str| {
        audit["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["action"] == action)
    };
    assert!(told("folder.retry") && told("folder.release"), "{audit}");
}
