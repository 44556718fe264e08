//! Models, watched folders, the configuration, the log.

use std::time::Duration;

use serde_json::json;

use super::{Bench, detail, small};
use crate::common::{REMOVAL, small_pair};

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
    let golden = crate::common::root().join("models/lama/golden/lama_tiny.ckpt.gz");
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
    // Nothing happens that could be waited for: a pair is taken in less.
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
