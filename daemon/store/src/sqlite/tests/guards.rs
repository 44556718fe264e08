//! What the schema itself refuses, whatever the program above does.

use rusqlite::Connection;

use super::{SqliteFixture, accept, completion, funded, processing};
use crate::sqlite::SqliteStore;
use crate::{Ended, Failure, Jobs, Keys, Maintenance, NewKey};

/// One completed, one failed and one pending job.
fn three_jobs(store: &SqliteStore) {
    let owner = funded(store);
    let done = processing(store, owner);
    assert!(matches!(
        store.finish(done.id, 1, &completion()).unwrap(),
        Ended::Now { .. }
    ));
    let failed = processing(store, owner);
    assert!(matches!(
        store
            .fail(failed.id, 1, &Failure::new("x".into(), ""), None)
            .unwrap(),
        Ended::Now { .. }
    ));
    accept(store, owner);
}

#[test]
fn the_schema_refuses_what_must_not_happen() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    three_jobs(&store);
    let writer = store.writer.lock().unwrap();
    let refused = [
        "UPDATE ledger SET available_change = 1000 WHERE kind = 'top_up'",
        "DELETE FROM ledger WHERE kind = 'settle'",
        "INSERT OR REPLACE INTO ledger SELECT id, account_id, kind, job_id, audit_id, 1000, held_change, 1000, 0, 0 FROM ledger WHERE kind = 'top_up'",
        "UPDATE audit SET actor = 'somebody else'",
        "DELETE FROM audit",
        "UPDATE account SET available = -1",
        "UPDATE account SET held = -1",
        "UPDATE account SET available = 'much'",
        // A second hold of one job.
        "INSERT INTO ledger SELECT NULL, account_id, kind, job_id, NULL, available_change, held_change, 0, 0, 0 FROM ledger WHERE kind = 'reserve'",
        // A second end of one job, of the same kind and of the other.
        "INSERT INTO ledger SELECT NULL, account_id, kind, job_id, NULL, available_change, held_change, 0, 0, 0 FROM ledger WHERE kind = 'settle'",
        "INSERT INTO ledger SELECT NULL, account_id, 'release', job_id, NULL, -held_change, held_change, 0, 0, 0 FROM ledger WHERE kind = 'settle'",
        // An end of another amount, of another account's hold, or of none.
        "INSERT INTO ledger SELECT NULL, account_id, 'release', id, NULL, 2, -2, 0, 0, 0 FROM job WHERE status = 'pending'",
        "INSERT INTO ledger SELECT NULL, account_id + 1, 'release', id, NULL, 3, -3, 0, 0, 0 FROM job WHERE status = 'pending'",
        // Entries that create credits or name nothing.
        "INSERT INTO ledger SELECT NULL, account_id, 'release', id, NULL, 30, -3, 0, 0, 0 FROM job WHERE status = 'pending'",
        "INSERT INTO ledger SELECT NULL, account_id, 'settle', id, NULL, 4, -3, 0, 0, 0 FROM job WHERE status = 'pending'",
        "INSERT INTO ledger SELECT NULL, id, 'top_up', NULL, NULL, 10, 0, 10, 0, 0 FROM account",
        "INSERT INTO ledger SELECT NULL, account_id, 'top_up', id, NULL, 10, 0, 10, 0, 0 FROM job LIMIT 1",
        "INSERT INTO ledger SELECT NULL, account_id, 'gift', id, NULL, 10, 0, 10, 0, 0 FROM job LIMIT 1",
        "INSERT INTO ledger SELECT NULL, account_id, 'reserve', 'no-such-job', NULL, -3, 3, 10, 3, 0 FROM job LIMIT 1",
        // Jobs that end twice, end without result or reason, or lose their row.
        "UPDATE job SET status = 'pending', finished_at_ms = NULL, error_code = NULL, error_detail = NULL WHERE status = 'failed'",
        "UPDATE job SET status = 'failed', error_code = 'x', error_detail = '' WHERE status = 'completed'",
        "UPDATE job SET status = 'completed', finished_at_ms = 1 WHERE status = 'pending'",
        "UPDATE job SET status = 'failed', finished_at_ms = 1 WHERE status = 'pending'",
        "UPDATE job SET status = 'lost' WHERE status = 'pending'",
        "UPDATE job SET output_sha256 = NULL WHERE status = 'completed'",
        "UPDATE job SET credits = 4 WHERE status = 'completed'",
        "DELETE FROM job WHERE status = 'completed'",
        "DELETE FROM account",
        "DELETE FROM api_key",
        "INSERT INTO queue (one, turn) VALUES (2, 0)",
    ];
    for sql in refused {
        assert!(writer.execute(sql, []).is_err(), "{sql}");
    }
    drop(writer);
    assert_eq!(store.invariants().unwrap(), []);
}

#[test]
fn a_stolen_file_holds_no_key() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let (account, _) = funded(&store);
    let created = store
        .create_key(&NewKey::named(account, "second"), "test")
        .unwrap();
    let secret = &created.secret.reveal()[crate::SHOWN_PREFIX_CHARS..];
    let fragments: Vec<&[u8]> = secret.as_bytes().windows(8).collect();
    for entry in std::fs::read_dir(fixture.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !fragments
                .iter()
                .any(|fragment| bytes.windows(8).any(|window| window == *fragment))
        );
    }
}

#[test]
fn hot_queries_use_an_index() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    three_jobs(&store);
    let writer = store.writer.lock().unwrap();
    let hot = [
        "SELECT id FROM job INDEXED BY job_queue WHERE status = 'pending' ORDER BY turn, seq LIMIT 1",
        "SELECT count(*) FROM (SELECT 1 FROM job WHERE status = 'pending' LIMIT 1000)",
        "SELECT count(*) FROM (SELECT 1 FROM job WHERE lane = 1 AND status IN ('pending', 'processing') LIMIT 10)",
        "SELECT max(turn) FROM job WHERE lane = 1 AND status IN ('pending', 'processing')",
        "SELECT * FROM job WHERE account_id = 1 AND seq < 100 ORDER BY seq DESC LIMIT 10",
        "SELECT * FROM job WHERE seq < 100 AND batch_id = 'b' ORDER BY seq DESC LIMIT 10",
        "SELECT id FROM job WHERE expires_at_ms IS NOT NULL AND swept_at_ms IS NULL AND expires_at_ms <= 1 ORDER BY expires_at_ms LIMIT 9",
        "SELECT * FROM ledger WHERE account_id = 1 AND id < 100 ORDER BY id DESC LIMIT 10",
        "SELECT 1 FROM ledger WHERE kind = 'reserve' AND job_id = 'j' AND account_id = 1 AND held_change = 3",
        "SELECT * FROM api_key WHERE hash = x'00'",
    ];
    for sql in hot {
        let plan = plan(&writer, sql);
        let walks = |line: &String| {
            line.starts_with("SCAN")
                && !line.contains("USING")
                && !line.contains("SUBQUERY")
                && !line.contains("(")
        };
        assert!(!plan.iter().any(walks), "{sql}: {plan:?}");
        assert!(
            !plan.iter().any(|line| line.contains("TEMP B-TREE")),
            "{sql}: {plan:?}"
        );
    }
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let lines = statement.query_map([], |row| row.get("detail")).unwrap();
    lines.map(|line| line.unwrap()).collect()
}
