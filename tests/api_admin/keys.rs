//! The life of a key.

use serde_json::json;

use super::{Bench, detail, me, small};
use crate::common::REMOVAL;

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
