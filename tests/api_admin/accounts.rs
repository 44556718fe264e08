//! Accounts, credits, ledgers.

use serde_json::json;

use super::{Bench, detail, me};

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
