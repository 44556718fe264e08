//! Copies between a SQLite file and the database, both ways.

use std::sync::Arc;

use serde_json::json;

use super::{LEASE_MS, PgFixture, WIDE, accept, completion, new_job, processing};
use crate::sqlite::SqliteStore;
use crate::{
    Accept, AccountId, BatchId, Completion, Failure, Idempotency, IdempotencyKey, IdempotencyScope,
    JobFilter, Jobs, KeyCheck, KeyId, Keys, Maintenance, NewBatch, NewJob, NewKey, PageRequest,
    Reply, Store, SystemClock,
};

/// One of everything, with texts that are hard to carry; returns its owner and a key that is refused since.
fn furnish(store: &dyn Store) -> ((AccountId, KeyId), NewKey) {
    let account = store
        .create_account("Caf\u{e9} \\ \t\n\"'", "test")
        .unwrap()
        .id;
    store.top_up(account, 1_000, "test", "a\\b").unwrap();
    let new = NewKey {
        pipelines: Some(vec!["default".into(), "a\tb".into()]),
        ..NewKey::named(account, "first")
    };
    let key = store.create_key(&new, "test").unwrap().record.id;
    let gone = store
        .create_key(&NewKey::named(account, "gone"), "test")
        .unwrap()
        .record
        .id;
    store.revoke_key(gone, "test").unwrap();
    let owner = (account, key);
    let once = |text: &str, job: NewJob| NewJob {
        idempotency: Some(Idempotency {
            scope: IdempotencyScope::Key(key),
            key: IdempotencyKey::parse(text).unwrap(),
            request_hash: [255; 32],
            keep_ms: 1_000_000,
            reply: None,
        }),
        ..job
    };
    let hooked = |job: NewJob| NewJob {
        request: json!({ "webhook": { "url": "https://hooks.example.com/a" }, "text": "\u{1F4F7}\\n\u{0}" }),
        input_filename: Some("x\\y\nz.jpg".into()),
        ..job
    };
    let done = once("done", hooked(new_job(owner)));
    assert!(matches!(
        store.accept(&done, &WIDE).unwrap(),
        Accept::Accepted { .. }
    ));
    store
        .claim_job(done.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    let reply = Some(Reply {
        status: 200,
        body: (0..=255).collect(),
    });
    let _ended = store
        .finish(
            done.id,
            1,
            &Completion {
                reply,
                ..completion()
            },
        )
        .unwrap();
    let refused = hooked(new_job(owner));
    store
        .record_failed(&refused, &Failure::new("x".into(), "bad \\ pair"))
        .unwrap();
    store
        .webhook_failed(refused.id, "no\tanswer", Some(10))
        .unwrap();
    for job in [once("waits", new_job(owner)), new_job(owner)] {
        assert!(matches!(
            store.accept(&job, &WIDE).unwrap(),
            Accept::Accepted { .. }
        ));
    }
    store.claim("worker", LEASE_MS).unwrap().unwrap();
    let batch = NewBatch {
        id: BatchId::random(),
        account,
        key: Some(key),
        pairs: 2,
        asynchronous: true,
        origin: "worker".into(),
        idempotency: None,
    };
    let _started = store.start_batch(&batch).unwrap();
    (owner, new)
}

/// Everything that can be listed of a store.
fn told(store: &dyn Store, account: AccountId) -> String {
    let page = PageRequest::default();
    let jobs = store.list_jobs(&JobFilter::default(), &page).unwrap().items;
    let hooks: Vec<_> = jobs
        .iter()
        .map(|job| store.webhook(job.id).unwrap())
        .collect();
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{jobs:?}\n{hooks:?}",
        store.list_accounts(None, &page).unwrap().items,
        store.list_keys(&Default::default(), &page).unwrap().items,
        store.ledger(account, &page).unwrap().items,
        store.list_actions(None, &page).unwrap().items,
    )
}

#[test]
fn a_store_is_carried_there_and_back_whole() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let open = |at: usize| SqliteStore::open(folders[at].path(), Arc::new(SystemClock)).unwrap();
    let (first, last) = (open(0), open(1));
    let (owner, _) = furnish(&first);
    let before = told(&first, owner.0);
    let fixture = PgFixture::fresh();
    let store = fixture.pg();
    // Keys that the database has already open nothing that was given out before.
    store.secrets("url", &[[1; 32]]).unwrap();
    store.secrets("webhook", &[[5; 32]]).unwrap();
    let keys = [("url", vec![[3; 32], [2; 32]])];
    let there = store.copy_from(&first, &keys).unwrap();
    assert!(there.rows.iter().all(|(_, rows)| *rows > 0), "{there:?}");
    assert_eq!(told(&*store, owner.0), before);
    assert_eq!(store.copy_to(&last).unwrap(), there);
    let there_now = |purpose| store.secrets(purpose, &[]).unwrap();
    assert_eq!(there_now("url"), [[3; 32], [2; 32]]);
    assert_eq!(there_now("webhook"), [[5; 32]]);
    assert_eq!(told(&last, owner.0), before);
    for target in [&*store as &dyn Store, &last] {
        assert_eq!(target.invariants().unwrap(), []);
        let fresh = target.create_account("next", "test").unwrap().id;
        assert_eq!(fresh.0, owner.0.0 + 1, "numbers go on");
    }
    assert!(
        store
            .copy_from(&first, &[("url", vec![[4; 32]])])
            .unwrap_err()
            .to_string()
            .contains("not empty")
    );
    assert!(
        store
            .copy_to(&last)
            .unwrap_err()
            .to_string()
            .contains("not empty")
    );
    let waiting = accept(&store, owner);
    assert!(
        store
            .claim("worker", LEASE_MS)
            .unwrap()
            .is_some_and(|job| job.id != waiting.id),
        "its place is kept"
    );
    processing(&store, owner);
}

#[test]
fn a_backup_is_a_file_that_stands_for_itself() {
    let fixture = PgFixture::fresh();
    let store = fixture.pg();
    let (owner, new) = furnish(&*store);
    let secret = store.create_key(&new, "test").unwrap().secret;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join(crate::DATABASE_FILE);
    store.backup(&to).unwrap();
    assert!(store.backup(&to).is_err(), "nothing is written over");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let restored = SqliteStore::open(folder.path(), Arc::new(SystemClock)).unwrap();
    assert_eq!(told(&restored, owner.0), told(&*store, owner.0));
    assert_eq!(restored.integrity().unwrap(), []);
    let check = restored.authenticate(&secret.hash()).unwrap();
    assert!(matches!(check, KeyCheck::Active(_)));
}
