//! What is refused, by name and without a charge.

use super::*;

#[test]
fn every_refusal_of_a_prompt_names_its_place_and_charges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = start(
        dir.path(),
        "[rate_limits]\nremoval_per_minute = 1000\n[pricing]\nsegmentation = 1\n",
    );
    let key = daemon.key();
    let form = Form::new().file("image", "p.png", &png(photo(64, 48)));
    for path in [REMOVAL, SEGMENTATION] {
        for (query, place, kind) in [
            ("points=[[1,2", "points", "value_error.jsondecode"),
            ("points=", "points", "value_error.jsondecode"),
            ("points=[[1,NaN]]", "points", "value_error.jsondecode"),
            ("points=[[1,1e999]]", "points", "value_error.jsondecode"),
            ("points={\"x\":1}", "points", "type_error.list"),
            ("points=[1,2]", "points", "type_error.list"),
            ("points=[[1]]", "points", "value_error.list.length"),
            ("points=[[1,2,3]]", "points", "value_error.list.length"),
            ("points=[[1,null]]", "points", "type_error.float"),
            ("points=[[1,\"2\"]]", "points", "type_error.float"),
            ("points=[[64,2]]", "points", "value_error.out_of_image"),
            ("points=[[2,48]]", "points", "value_error.out_of_image"),
            ("points=[[-0.5,2]]", "points", "value_error.out_of_image"),
            (
                "points=[[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1]]",
                "points",
                "value_error.list.max_items",
            ),
            ("labels=[1]", "labels", "value_error.labels.count"),
            (
                "points=[[1,2]]&labels=[1,0]",
                "labels",
                "value_error.labels.count",
            ),
            (
                "points=[[1,2]]&labels=[]",
                "labels",
                "value_error.labels.count",
            ),
            (
                "points=[[1,2]]&labels=[2]",
                "labels",
                "value_error.labels.value",
            ),
            ("points=[[1,2]]&labels=1", "labels", "type_error.list"),
            ("box=[1,2,3]", "box", "value_error.list.length"),
            ("box=[1,2,3,4,5]", "box", "value_error.list.length"),
            ("box=[1,2,1,4]", "box", "value_error.box.empty"),
            ("box=[0,0,65,20]", "box", "value_error.out_of_image"),
            ("box=[-1,0,6,20]", "box", "value_error.out_of_image"),
            ("box=true", "box", "type_error.list"),
            (
                "points=[[9,9],[3,3]]&labels=[0,0.0]",
                "labels",
                "value_error.labels.no_foreground",
            ),
            (
                "points=[[1,2]]&pipeline=patchmatch",
                "pipeline",
                "value_error.pipeline.no_segmentation",
            ),
            (
                "points=[[1,2]]&dryrun=true",
                "dryrun",
                "value_error.unknown_parameter",
            ),
        ] {
            let reply = daemon.post(&with(path, query), Some(&key), &form);
            let text = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, 422, "{path} {query}: {text}");
            let detail = &reply.json()["detail"][0];
            assert_eq!(
                (detail["loc"].clone(), detail["type"].as_str()),
                (serde_json::json!(["query", place]), Some(kind)),
                "{path} {query}"
            );
            assert_eq!(
                reply.header("X-Credits-Charged"),
                Some("0"),
                "{path} {query}"
            );
        }
        let missing = daemon.post(path, Some(&key), &Form::new()).json();
        assert!(
            missing["detail"]
                .as_array()
                .unwrap()
                .iter()
                .any(|d| d["loc"] == serde_json::json!(["body", "image"])),
            "{missing}"
        );
        assert_eq!(
            daemon
                .post(&with(path, "points=[[1,2]]"), None, &form)
                .status,
            401
        );
        let gif = Form::new().file("image", "a.gif", b"GIF89a..");
        assert_eq!(
            daemon
                .post(&with(path, "points=[[1,2]]"), Some(&key), &gif)
                .status,
            415
        );
    }
    let neither = daemon.post(SEGMENTATION, Some(&key), &form);
    assert_eq!(
        (neither.status, &neither.json()["detail"][0]["loc"]),
        (422, &serde_json::json!(["query", "points"]))
    );
    assert_eq!(daemon.get(SEGMENTATION, Some(&key)).status, 405);
    assert_eq!(balance(&daemon, &key), 100);
}

#[test]
fn without_its_model_the_answer_is_the_command_that_brings_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("pipelines")).unwrap();
    std::fs::write(
        dir.path().join("pipelines/clicked.toml"),
        CLICKED.replace("MODEL", "mobile-sam"),
    )
    .unwrap();
    let daemon = Daemon::start(dir.path(), "[pipelines]\nallowed = [\"clicked\"]\n");
    let key = daemon.key();
    let form = Form::new().file("image", "p.png", &png(photo(64, 48)));
    for path in [REMOVAL, SEGMENTATION] {
        for query in [
            "points=[[1,2]]",
            "box=[1,2,30,40]",
            "points=[[1,2]]&async=true",
            "points=[[1,2]]&dry_run=true",
        ] {
            let reply = daemon.post(
                &with(path, &format!("{query}&pipeline=clicked")),
                Some(&key),
                &form,
            );
            assert_eq!(
                reply.status,
                503,
                "{path} {query}: {}",
                String::from_utf8_lossy(&reply.body)
            );
            assert!(reply.header("Retry-After").is_some());
            let detail = reply.json()["detail"].as_str().unwrap().to_string();
            assert!(
                detail.contains("`cleanplate models pull mobile-sam`")
                    && detail.contains("--as mobile-sam"),
                "{detail}"
            );
        }
    }
    assert_eq!(balance(&daemon, &key), 100);
}

#[test]
fn an_object_that_is_not_found_is_told_and_not_charged() {
    let dir = tempfile::tempdir().unwrap();
    import_model(dir.path(), &uniform(dir.path(), "blind", -1.0), "blind");
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let form = Form::new().file("image", "p.png", &png(photo(64, 48)));
    for path in [REMOVAL, SEGMENTATION] {
        for (query, place) in [("points=[[1,2]]", "points"), ("box=[1,2,30,40]", "box")] {
            let reply = daemon.post(&with(path, query), Some(&key), &form);
            assert_eq!(
                reply.status,
                422,
                "{}",
                String::from_utf8_lossy(&reply.body)
            );
            let detail = &reply.json()["detail"][0];
            assert_eq!(detail["type"], "value_error.prompt.nothing_found");
            assert_eq!(detail["loc"], serde_json::json!(["query", place]));
            assert!(
                detail["msg"]
                    .as_str()
                    .unwrap()
                    .contains("blind found nothing"),
                "{detail}"
            );
            assert_eq!(reply.header("X-Credits-Charged"), Some("0"));
        }
    }
    assert_eq!(balance(&daemon, &key), 100);
}

#[test]
fn an_object_as_large_as_the_photo_leaves_nothing_to_fill_from() {
    let dir = tempfile::tempdir().unwrap();
    import_model(dir.path(), &uniform(dir.path(), "all", 1.0), "all");
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let form = Form::new().file("image", "p.png", &png(photo(64, 48)));
    assert!(
        gray(&daemon.post(&with(SEGMENTATION, "points=[[1,2]]"), Some(&key), &form))
            .as_raw()
            .iter()
            .all(|v| *v == 255)
    );
    for (query, place) in [("points=[[1,2]]", "points"), ("box=[1,2,30,40]", "box")] {
        let reply = daemon.post(&with(REMOVAL, query), Some(&key), &form);
        assert_eq!(
            reply.status,
            422,
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        let detail = &reply.json()["detail"][0];
        assert_eq!(
            (&detail["loc"], &detail["type"]),
            (
                &serde_json::json!(["query", place]),
                &Value::from("value_error.prompt.whole_photo")
            )
        );
    }
    assert_eq!(balance(&daemon, &key), 100);
}
