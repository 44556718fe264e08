//! Faults in the middle of transactions: nothing may be left half done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{LEASE_MS, SqliteFixture, WIDE, accept, completion, funded, new_job, processing};
use crate::sqlite::SqliteStore;
use crate::{
    Accept, Accounts, Ended, Failure, Idempotency, IdempotencyKey, IdempotencyScope, Job, Jobs,
    Keys, Ledger, Maintenance, NewJob, NewKey, Reply, StoreError,
};

/// All rows of all tables.
fn contents(store: &SqliteStore) -> Vec<String> {
    let writer = store.writer.lock().unwrap();
    let mut rows = Vec::new();
    for table in [
        "account",
        "api_key",
        "audit",
        "batch",
        "job",
        "queue",
        "ledger",
        "idempotency",
    ] {
        let mut statement = writer.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<String> = (0..columns)
                .map(|column| format!("{:?}", row.get_ref(column).unwrap()))
                .collect();
            rows.push(format!("{table}: {}", values.join(", ")));
        }
    }
    rows
}

/// Runs `step` while every `change` of `table` fails, and checks that it failed and left nothing.
fn broken(
    store: &SqliteStore,
    change: &str,
    table: &str,
    step: &dyn Fn() -> Result<(), StoreError>,
) {
    let before = contents(store);
    let trigger = format!(
        "CREATE TEMP TRIGGER broken BEFORE {change} ON main.{table} BEGIN SELECT raise(ABORT, 'injected'); END"
    );
    store
        .writer
        .lock()
        .unwrap()
        .execute_batch(&trigger)
        .unwrap();
    assert!(step().is_err(), "{change} {table} was not met");
    store
        .writer
        .lock()
        .unwrap()
        .execute_batch("DROP TRIGGER broken")
        .unwrap();
    assert!(contents(store) == before, "{change} {table} left something");
    assert_eq!(store.invariants().unwrap(), []);
}

#[test]
fn a_fault_at_any_step_leaves_nothing() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    let once = |text: &str| NewJob {
        idempotency: Some(Idempotency {
            scope: IdempotencyScope::Key(owner.1),
            key: IdempotencyKey::parse(text).unwrap(),
            request_hash: [1; 32],
            keep_ms: 1_000,
            reply: None,
        }),
        ..new_job(owner)
    };
    for (change, table) in [
        ("INSERT", "job"),
        ("UPDATE", "account"),
        ("INSERT", "ledger"),
        ("INSERT", "idempotency"),
    ] {
        broken(&store, change, table, &|| {
            store.accept(&once("a"), &WIDE).map(|_| ())
        });
    }
    let claim = once("b");
    assert!(matches!(
        store.accept(&claim, &WIDE).unwrap(),
        Accept::Accepted { .. }
    ));
    for (change, table) in [("UPDATE", "job"), ("UPDATE", "queue")] {
        broken(&store, change, table, &|| {
            store.claim("worker", LEASE_MS).map(|_| ())
        });
    }
    store
        .claim_job(claim.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    let done = crate::Completion {
        reply: Some(Reply {
            status: 200,
            body: Vec::new(),
        }),
        ..completion()
    };
    let failure = Failure::new("x".into(), "");
    for (change, table) in [
        ("UPDATE", "job"),
        ("UPDATE", "account"),
        ("INSERT", "ledger"),
        ("UPDATE", "idempotency"),
    ] {
        broken(&store, change, table, &|| {
            store.finish(claim.id, 1, &done).map(|_| ())
        });
    }
    for (change, table) in [
        ("UPDATE", "job"),
        ("UPDATE", "account"),
        ("INSERT", "ledger"),
        ("DELETE", "idempotency"),
    ] {
        broken(&store, change, table, &|| {
            store.fail(claim.id, 1, &failure, None).map(|_| ())
        });
        broken(&store, change, table, &|| {
            store.cancel(None, claim.id, &failure).map(|_| ())
        });
        broken(&store, change, table, &|| {
            store.recover("worker", 3).map(|_| ())
        });
    }
    for (change, table) in [
        ("INSERT", "audit"),
        ("UPDATE", "account"),
        ("INSERT", "ledger"),
    ] {
        broken(&store, change, table, &|| {
            store.top_up(owner.0, 5, "test", "").map(|_| ())
        });
    }
    broken(&store, "INSERT", "audit", &|| {
        store
            .create_key(&NewKey::named(owner.0, "second"), "test")
            .map(|_| ())
    });
    broken(&store, "INSERT", "audit", &|| {
        store.revoke_key(owner.1, "test").map(|_| ())
    });
    assert!(
        matches!(store.finish(claim.id, 1, &done).unwrap(), Ended::Now { .. }),
        "and then it goes on"
    );
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_when_there_is_room() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    store.top_up(owner.0, 1_000_000, "test", "").unwrap();
    let running = processing(&store, owner);
    let pages: i64 = store
        .writer
        .lock()
        .unwrap()
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    set_page_count_max(&store, pages + 8);
    let mut last: Option<Job> = None;
    let error = loop {
        match store.accept(&new_job(owner), &WIDE) {
            Ok(Accept::Accepted { job, .. }) => last = Some(*job),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(error.is_transient() && !error.is_fatal(), "{error}");
    assert!(
        matches!(
            error,
            StoreError::Full {
                operation: "accepting a job"
            }
        ),
        "{error}"
    );
    let last = last.unwrap();
    assert_eq!(
        store.job(None, last.id).unwrap().as_ref(),
        Some(&last),
        "reads go on"
    );
    assert_eq!(store.invariants().unwrap(), []);
    set_page_count_max(&store, 1_000_000);
    accept(&store, owner);
    assert!(matches!(
        store.finish(running.id, 1, &completion()).unwrap(),
        Ended::Now { .. }
    ));
    assert_eq!(store.integrity().unwrap(), []);
}

fn set_page_count_max(store: &SqliteStore, pages: i64) {
    let writer = store.writer.lock().unwrap();
    writer
        .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap();
}

#[test]
fn a_panic_in_a_transaction_rolls_it_back() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    let before = contents(&store);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.write("panicking", |tx| {
            tx.execute("UPDATE account SET available = 1", [])?;
            if tx.now_ms > 0 {
                panic!("injected");
            }
            Ok(())
        })
    }));
    assert!(panicked.is_err());
    store.writer.clear_poison();
    assert_eq!(contents(&store), before);
    accept(&store, owner);
}

#[test]
fn nothing_is_written_after_the_disk_failed_to_store() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    let failed = store.write("storing", |_| -> crate::sqlite::TxResult<()> {
        let cause = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        Err(rusqlite::Error::SqliteFailure(cause, None).into())
    });
    assert!(failed.unwrap_err().is_fatal());
    let before = contents(&store);
    assert!(matches!(
        store.accept(&new_job(owner), &WIDE),
        Err(StoreError::Halted { .. })
    ));
    assert!(matches!(store.health(), Err(StoreError::Halted { .. })));
    assert_eq!(contents(&store), before);
    assert!(store.account(owner.0).unwrap().is_some(), "reads go on");
}

#[test]
fn a_tool_writes_beside_the_daemon_without_a_busy_database() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    let tool = SqliteStore::attach(fixture.folder.path(), Arc::new(crate::SystemClock)).unwrap();
    let add = |handle: &SqliteStore| assert!(handle.top_up(owner.0, 3, "test", "").is_ok());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| add(&tool)));
            scope.spawn(|| (0..25).for_each(|_| add(&store)));
        }
    });
    assert_eq!(store.balance(owner.0).unwrap().available, 100 + 3 * 300);
    assert_eq!(store.invariants().unwrap(), []);
}

#[test]
fn a_database_that_another_process_locks_is_told_of_soon_and_by_everyone() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    let other =
        rusqlite::Connection::open(fixture.folder.path().join(crate::DATABASE_FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let refused = store.accept(&new_job(owner), &WIDE).unwrap_err();
                assert!(
                    matches!(
                        refused,
                        StoreError::Busy {
                            operation: "accepting a job"
                        }
                    ),
                    "{refused}"
                );
            });
        }
    });
    assert!(matches!(store.health(), Err(StoreError::Busy { .. })));
    assert!(
        store.account(owner.0).unwrap().is_some(),
        "reads need no lock"
    );
    let took = started.elapsed();
    assert!(took.as_millis() < 3_000, "the waits add up: {took:?}");
    other.execute_batch("ROLLBACK").unwrap();
    accept(&store, owner);
    assert!(store.health().is_ok());
}
