//! What the schema itself refuses, whatever the program above does, and a damaged database that is found.

use super::{PgFixture, accept, completion, funded, processing};
use crate::postgres::PgStore;
use crate::{Ended, Failure, Invariant, Jobs, Maintenance};

/// One completed, one failed and one pending job.
fn three_jobs(store: &PgStore) {
    let owner = funded(store);
    let done = processing(store, owner);
    assert!(matches!(
        store.finish(done.id, 1, &completion()).unwrap(),
        Ended::Now { .. }
    ));
    let failed = processing(store, owner);
    let failure = Failure::new("x".into(), "");
    assert!(matches!(
        store.fail(failed.id, 1, &failure, None).unwrap(),
        Ended::Now { .. }
    ));
    accept(store, owner);
}

#[test]
fn the_schema_refuses_what_must_not_happen() {
    const ENTRY: &str = "INSERT INTO ledger (account_id, kind, job_id, audit_id, available_change, held_change, available_after, held_after, created_at_ms)";
    let fixture = PgFixture::fresh();
    let store = fixture.pg();
    three_jobs(&store);
    let mut outsider = fixture.outsider();
    let entry = |select: &str| format!("{ENTRY} SELECT {select}");
    let refused = [
        "UPDATE ledger SET available_change = 1000 WHERE kind = 'top_up'".into(),
        "DELETE FROM ledger WHERE kind = 'settle'".into(),
        "TRUNCATE ledger".into(),
        "INSERT INTO ledger SELECT * FROM ledger WHERE kind = 'top_up' ON CONFLICT (id) DO UPDATE SET available_change = 1000".into(),
        "UPDATE audit SET actor = 'somebody else'".into(),
        "DELETE FROM audit".into(),
        "TRUNCATE audit CASCADE".into(),
        "UPDATE account SET available = -1".into(),
        "UPDATE account SET held = -1".into(),
        // A second hold of one job.
        entry("account_id, kind, job_id, NULL, available_change, held_change, 0, 0, 0 FROM ledger WHERE kind = 'reserve'"),
        // A second end of one job, of the same kind and of the other.
        entry("account_id, kind, job_id, NULL, available_change, held_change, 0, 0, 0 FROM ledger WHERE kind = 'settle'"),
        entry("account_id, 'release', job_id, NULL, -held_change, held_change, 0, 0, 0 FROM ledger WHERE kind = 'settle'"),
        // An end of another amount, of another account's hold, or of none.
        entry("account_id, 'release', id, NULL, 2, -2, 0, 0, 0 FROM job WHERE status = 'pending'"),
        entry("account_id + 1, 'release', id, NULL, 3, -3, 0, 0, 0 FROM job WHERE status = 'pending'"),
        // Entries that create credits or name nothing.
        entry("account_id, 'release', id, NULL, 30, -3, 0, 0, 0 FROM job WHERE status = 'pending'"),
        entry("account_id, 'settle', id, NULL, 4, -3, 0, 0, 0 FROM job WHERE status = 'pending'"),
        entry("id, 'top_up', NULL, NULL, 10, 0, 10, 0, 0 FROM account"),
        entry("account_id, 'top_up', id, NULL, 10, 0, 10, 0, 0 FROM job LIMIT 1"),
        entry("account_id, 'gift', id, NULL, 10, 0, 10, 0, 0 FROM job LIMIT 1"),
        entry("account_id, 'reserve', gen_random_uuid(), NULL, -3, 3, 10, 3, 0 FROM job LIMIT 1"),
        // Jobs that end twice, end without result or reason, or lose their row.
        "UPDATE job SET status = 'pending', finished_at_ms = NULL, error_code = NULL, error_detail = NULL WHERE status = 'failed'".into(),
        "UPDATE job SET status = 'failed', error_code = 'x', error_detail = '' WHERE status = 'completed'".into(),
        "UPDATE job SET status = 'completed', finished_at_ms = 1 WHERE status = 'pending'".into(),
        "UPDATE job SET status = 'failed', finished_at_ms = 1 WHERE status = 'pending'".into(),
        "UPDATE job SET status = 'lost' WHERE status = 'pending'".into(),
        "UPDATE job SET output_sha256 = NULL WHERE status = 'completed'".into(),
        "UPDATE job SET credits = 4 WHERE status = 'completed'".into(),
        "UPDATE job SET request = 'no json'".into(),
        "DELETE FROM job WHERE status = 'completed'".into(),
        "DELETE FROM account".into(),
        "DELETE FROM api_key".into(),
    ];
    for sql in refused {
        assert!(outsider.execute(sql.as_str(), &[]).is_err(), "{sql}");
    }
    assert_eq!(store.invariants().unwrap(), []);
    assert_eq!(store.integrity().unwrap(), []);
}

#[test]
fn every_rule_finds_its_breach() {
    let damages = [
        (
            Invariant::Conserved,
            "UPDATE account SET available = available + 1",
        ),
        (
            Invariant::Conserved,
            "UPDATE account SET held = held + 3, available = available - 3",
        ),
        (
            Invariant::Conserved,
            "UPDATE ledger SET available_after = 1 WHERE id = (SELECT max(id) FROM ledger)",
        ),
        (
            Invariant::Conserved,
            "UPDATE ledger SET available_change = 200 WHERE kind = 'top_up'; UPDATE account SET held = held + 100",
        ),
        (
            Invariant::NotNegative,
            "ALTER TABLE account DROP CONSTRAINT account_available_check; UPDATE account SET available = -1",
        ),
        (
            Invariant::ResolvedOnce,
            "DELETE FROM ledger WHERE kind = 'reserve'",
        ),
        (
            Invariant::ResolvedOnce,
            "DELETE FROM ledger WHERE kind = 'settle'",
        ),
        (
            Invariant::ResolvedOnce,
            "UPDATE job SET credits = 2 WHERE status = 'completed'",
        ),
        (Invariant::ResolvedOnce, "UPDATE job SET price = 4"),
        (
            Invariant::DoneOnce,
            "INSERT INTO idempotency SELECT 'key:99', 'a', decode(repeat('00', 32), 'hex'), id, NULL, NULL, NULL, 0, 0 FROM job LIMIT 1",
        ),
        (Invariant::AppendOnly, "SELECT 1"),
        (Invariant::AppendOnly, "DROP INDEX job_slot"),
    ];
    for (rule, sql) in damages {
        let fixture = PgFixture::fresh();
        let store = fixture.pg();
        three_jobs(&store);
        assert_eq!(store.invariants().unwrap(), []);
        let mut outsider = fixture.outsider();
        outsider
            .batch_execute("ALTER TABLE ledger DISABLE TRIGGER ledger_no_change; DROP TRIGGER ledger_resolves_its_hold ON ledger")
            .unwrap();
        outsider
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found = store.invariants().unwrap();
        assert!(
            found.iter().any(|breach| breach.invariant == rule),
            "{sql}: {found:?}"
        );
        for guard in ["ledger_no_change", "ledger_resolves_its_hold"] {
            let told = found.iter().any(|breach| breach.detail.contains(guard));
            assert!(told, "{sql}: {guard} of {found:?}");
        }
    }
}
