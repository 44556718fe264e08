//! A damaged database is found, with the rule that it breaks.

use rusqlite::Connection;

use super::{SqliteFixture, accept, completion, funded, processing};
use crate::sqlite::DATABASE_FILE;
use crate::{Ended, Invariant, Jobs, Maintenance};

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
        (Invariant::NotNegative, "UPDATE account SET available = -1"),
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
            "UPDATE ledger SET kind = 'release' WHERE kind = 'settle'",
        ),
        (
            Invariant::ResolvedOnce,
            "INSERT INTO ledger SELECT NULL, account_id, 'release', job_id, NULL, 3, -3, 0, 0, 0 FROM ledger WHERE kind = 'settle'",
        ),
        (
            Invariant::ResolvedOnce,
            "UPDATE job SET credits = 2 WHERE status = 'completed'",
        ),
        (Invariant::ResolvedOnce, "UPDATE job SET price = 4"),
        (
            Invariant::ResultNamed,
            "UPDATE job SET output_sha256 = NULL WHERE status = 'completed'",
        ),
        (
            Invariant::DoneOnce,
            "INSERT INTO idempotency SELECT 'key:99', 'a', zeroblob(32), id, NULL, NULL, NULL, 0, 0 FROM job LIMIT 1",
        ),
        (Invariant::AppendOnly, "SELECT 1"),
    ];
    for (rule, sql) in damages {
        let fixture = SqliteFixture::fresh();
        let store = fixture.sqlite();
        let owner = funded(&store);
        let done = processing(&store, owner);
        assert!(matches!(
            store.finish(done.id, 1, &completion()).unwrap(),
            Ended::Now { .. }
        ));
        accept(&store, owner);
        assert_eq!(store.invariants().unwrap(), []);
        let outsider = Connection::open(fixture.folder.path().join(DATABASE_FILE)).unwrap();
        outsider
            .execute_batch(
                "PRAGMA ignore_check_constraints = ON; DROP TRIGGER ledger_no_update; DROP TRIGGER ledger_no_delete;
                 DROP TRIGGER ledger_resolves_its_hold; DROP INDEX ledger_resolved_once;",
            )
            .unwrap();
        outsider
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found = store.invariants().unwrap();
        assert!(
            found.iter().any(|breach| breach.invariant == rule),
            "{sql}: {found:?}"
        );
        assert!(
            found
                .iter()
                .any(|breach| breach.to_string().contains("ledger_no_delete is missing"))
        );
    }
}

#[test]
fn a_damaged_page_is_found() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    for _ in 0..200 {
        accept(&store, owner_with_credits(&store, owner));
    }
    assert_eq!(store.integrity().unwrap(), []);
    drop(store);
    let mut fixture = fixture;
    fixture.store = None;
    let path = fixture.folder.path().join(DATABASE_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    // The headers of pages in the middle: cell counts and pointers that cannot be.
    for page in pages / 4..pages / 2 {
        bytes[page * 4_096 + 3..page * 4_096 + 12].fill(0xEE);
    }
    std::fs::write(&path, bytes).unwrap();
    let opened = crate::SqliteStore::open(fixture.folder.path(), fixture.clock.clone());
    let found = opened.and_then(|store| store.integrity());
    assert!(
        found
            .as_ref()
            .map_or_else(|error| error.is_fatal(), |breaches| !breaches.is_empty()),
        "{found:?}"
    );
}

fn owner_with_credits(
    store: &crate::SqliteStore,
    owner: (crate::AccountId, crate::KeyId),
) -> (crate::AccountId, crate::KeyId) {
    crate::Ledger::top_up(store, owner.0, 3, "test", "").unwrap();
    owner
}
