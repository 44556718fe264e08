use super::{ACTOR, Fixture, LEASE_MS, accept, balance, completion, ended, funded, kinds, new_job};
use crate::{AccountId, LedgerCause, LedgerKind, PageRequest, StoreError};

pub(super) fn accounts_and_ledger(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let account = store.create_account("Studio", ACTOR).unwrap();
    assert_eq!(store.account(account.id).unwrap().as_ref(), Some(&account));
    assert_eq!(store.balance(account.id).unwrap(), balance(0, 0));

    let entry = store.top_up(account.id, 100, ACTOR, "first").unwrap();
    assert_eq!(
        (
            entry.kind,
            entry.available_change,
            entry.held_change,
            entry.balance_after
        ),
        (LedgerKind::TopUp, 100, 0, balance(100, 0))
    );
    assert!(matches!(entry.cause, LedgerCause::Audit(_)));
    store
        .correct(account.id, -40, ACTOR, "typed one zero too many")
        .unwrap();
    let overdrawn = store.correct(account.id, -61, ACTOR, "").unwrap_err();
    assert!(
        matches!(
            overdrawn,
            StoreError::Overdrawn {
                available: 60,
                wanted: 61,
                ..
            }
        ),
        "{overdrawn}"
    );
    assert_eq!(store.balance(account.id).unwrap(), balance(60, 0));

    for credits in [0, -1, i64::MAX, i64::MIN] {
        assert!(
            store.top_up(account.id, credits, ACTOR, "").is_err(),
            "{credits}"
        );
    }
    for credits in [0, i64::MAX, i64::MIN] {
        assert!(
            store.correct(account.id, credits, ACTOR, "").is_err(),
            "{credits}"
        );
    }
    store
        .top_up(account.id, 999_999_999_940, ACTOR, "the most there can be")
        .unwrap();
    assert!(store.top_up(account.id, 1, ACTOR, "").is_err());
    assert_eq!(
        kinds(store.as_ref(), account.id),
        [LedgerKind::TopUp, LedgerKind::Correct, LedgerKind::TopUp]
    );

    let nobody = AccountId(account.id.0 + 1_000);
    assert_eq!(store.account(nobody).unwrap(), None);
    assert!(matches!(
        store.balance(nobody),
        Err(StoreError::UnknownAccount { .. })
    ));
    assert!(matches!(
        store.ledger(nobody, &PageRequest::default()),
        Err(StoreError::UnknownAccount { .. })
    ));
    assert!(matches!(
        store.top_up(nobody, 5, ACTOR, ""),
        Err(StoreError::UnknownAccount { .. })
    ));
}

pub(super) fn pages(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10);
    let other = funded(store.as_ref(), 10);
    for _ in 0..3 {
        let job = accept(store.as_ref(), &new_job(owner));
        let job = store
            .claim_job(job.id, "worker", LEASE_MS)
            .unwrap()
            .unwrap();
        ended(store.finish(job.id, job.attempt, &completion(3)).unwrap());
        accept(store.as_ref(), &new_job(other));
    }
    let mut seen = Vec::new();
    let mut request = PageRequest {
        after: None,
        rows: 2,
    };
    loop {
        let page = store.ledger(owner.0, &request).unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        request.after = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(seen.len(), 7);
    assert!(
        seen.windows(2).all(|pair| pair[0].id > pair[1].id),
        "newest first"
    );
    assert!(seen.iter().all(|entry| entry.account == owner.0));
    let sums = seen.iter().fold((0, 0), |(available, held), entry| {
        (available + entry.available_change, held + entry.held_change)
    });
    assert_eq!(sums, (1, 0), "the balance is the sum of the entries");
    assert_eq!(
        store
            .list_accounts(
                None,
                &PageRequest {
                    after: None,
                    rows: 0
                }
            )
            .unwrap()
            .items
            .len(),
        1,
        "a page has a row at least"
    );
}

pub(super) fn audited(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let (account, key) = funded(store.as_ref(), 5);
    store.correct(account, -1, ACTOR, "why").unwrap();
    store.update_key(key, &Default::default(), ACTOR).unwrap();
    store.revoke_key(key, ACTOR).unwrap();
    store.revoke_key(key, ACTOR).unwrap();
    store
        .record_action(
            "root",
            "model.load",
            "big-lama",
            &serde_json::json!({ "ms": 3 }),
        )
        .unwrap();
    assert!(store.top_up(account, 0, ACTOR, "").is_err());
    assert!(store.top_up(account, 5, "", "").is_err(), "nobody may act");

    let actions = store
        .list_actions(None, &PageRequest::default())
        .unwrap()
        .items;
    let names: Vec<_> = actions
        .iter()
        .rev()
        .map(|entry| entry.action.as_str())
        .collect();
    let expected = [
        "account.create",
        "account.top_up",
        "key.create",
        "account.correct",
        "key.change",
        "key.revoke",
        "model.load",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        (actions[0].actor.as_str(), actions[0].target.as_str()),
        ("root", "big-lama")
    );
    assert_eq!(
        actions[3].detail,
        serde_json::json!({ "credits": -1, "note": "why", "before": 5, "after": 4 })
    );
}
