use super::{
    ACTOR, Fixture, LEASE_MS, PRICE, WIDE, accept, completion, ended, funded, idempotency, new_job,
    processing,
};
use crate::{
    Accept, AccountId, Failure, IdempotencyKey, IdempotencyScope, Inquiry, JobFilter, JobId,
    JobStatus, KeyId, NewJob, NewKey, PageRequest, QueueLimits, Store,
};

pub(super) fn bounded(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let first = funded(store.as_ref(), 1_000);
    let second = funded(store.as_ref(), 1_000);
    let limits = QueueLimits {
        pending_max: 5,
        in_flight_per_key_max: 3,
    };
    let try_with = |owner: (AccountId, KeyId)| {
        let foreseen = store.foresee(&inquiry(owner), &limits).unwrap();
        let outcome = store.accept(&new_job(owner), &limits).unwrap();
        match &outcome {
            Accept::Accepted { .. } => assert_eq!(foreseen, None),
            refused => assert_eq!(foreseen.as_ref(), Some(refused)),
        }
        outcome
    };
    for _ in 0..3 {
        assert!(matches!(try_with(first), Accept::Accepted { .. }));
    }
    assert_eq!(
        try_with(first),
        Accept::TooManyInFlight { in_flight_max: 3 }
    );
    assert!(matches!(try_with(second), Accept::Accepted { .. }));
    assert!(matches!(try_with(second), Accept::Accepted { .. }));
    assert_eq!(try_with(second), Accept::QueueFull { pending_max: 5 });

    let claimed = store.claim("worker", LEASE_MS).unwrap().unwrap();
    assert!(
        matches!(try_with(second), Accept::Accepted { .. }),
        "processing jobs do not wait"
    );
    assert_eq!(try_with(first), Accept::QueueFull { pending_max: 5 });
    ended(
        store
            .fail(claimed.id, 1, &Failure::new("x".into(), ""), None)
            .unwrap(),
    );
    store.claim("worker", LEASE_MS).unwrap().unwrap();
    let held = store.balance(first.0).unwrap().held + store.balance(second.0).unwrap().held;
    assert_eq!(held, 5 * PRICE, "refused jobs hold nothing");
    let keyless = |store: &dyn Store| {
        store
            .accept(
                &crate::NewJob {
                    key: None,
                    ..new_job(first)
                },
                &limits,
            )
            .unwrap()
    };
    assert!(
        matches!(keyless(store.as_ref()), Accept::Accepted { .. }),
        "work without a key is counted by account"
    );
}

fn inquiry((account, key): (AccountId, KeyId)) -> Inquiry {
    Inquiry {
        account,
        key: Some(key),
        price: PRICE,
        idempotency: None,
    }
}

pub(super) fn foreseen(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), PRICE);
    let ask = |inquiry: &Inquiry| store.foresee(inquiry, &WIDE).unwrap();
    let once = |text: &str| Inquiry {
        idempotency: Some((
            IdempotencyScope::Key(owner.1),
            IdempotencyKey::parse(text).unwrap(),
        )),
        ..inquiry(owner)
    };
    let paid = NewJob {
        idempotency: Some(idempotency::wish(owner.1, "used", 1)),
        ..new_job(owner)
    };
    assert_eq!(ask(&once("used")), None);
    accept(store.as_ref(), &paid);
    let short = Accept::InsufficientCredits {
        available: 0,
        price: PRICE,
    };
    assert_eq!(ask(&inquiry(owner)).as_ref(), Some(&short));
    assert_eq!(ask(&once("fresh")), Some(short));
    assert_eq!(ask(&once("used")), None, "its reply may be kept");
    let free = Inquiry {
        price: 0,
        ..inquiry(owner)
    };
    assert_eq!(ask(&free), None);
}

pub(super) fn keys_take_turns(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let (account, flood) = funded(store.as_ref(), 1_000);
    let quiet = store
        .create_key(&NewKey::named(account, "quiet"), ACTOR)
        .unwrap()
        .record
        .id;
    for _ in 0..20 {
        accept(store.as_ref(), &new_job((account, flood)));
    }
    for _ in 0..5 {
        assert_eq!(
            store.claim("worker", LEASE_MS).unwrap().unwrap().key,
            Some(flood)
        );
    }
    let waiting = accept(store.as_ref(), &new_job((account, quiet)));
    let second = accept(store.as_ref(), &new_job((account, quiet)));
    let order: Vec<JobId> = (0..4)
        .map(|_| store.claim("worker", LEASE_MS).unwrap().unwrap().id)
        .collect();
    assert!(
        order[..2].contains(&waiting.id),
        "its job starts within two"
    );
    assert!(
        order[2..].contains(&second.id),
        "and it takes turns from then on"
    );

    let mut flooded = Vec::new();
    while let Some(job) = store.claim("worker", LEASE_MS).unwrap() {
        flooded.push(job.created_at_ms);
    }
    assert_eq!(flooded.len(), 13);
}

pub(super) fn requeued_first(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let first = accept(store.as_ref(), &new_job(owner));
    let second = accept(store.as_ref(), &new_job(owner));
    assert_eq!(
        store.claim("worker", LEASE_MS).unwrap().unwrap().id,
        first.id
    );
    assert!(store.requeue(first.id, 1).unwrap());
    assert_eq!(
        store.balance(owner.0).unwrap().held,
        2 * super::PRICE,
        "its hold stays"
    );
    assert_eq!(
        store.claim("worker", LEASE_MS).unwrap().unwrap().id,
        first.id
    );
    assert_eq!(
        store.claim("worker", LEASE_MS).unwrap().unwrap().id,
        second.id
    );
    assert_eq!(store.claim("worker", LEASE_MS).unwrap(), None);
}

pub(super) fn listing(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let other = funded(store.as_ref(), 100);
    let start_ms = crate::Clock::now_ms(fixture.clock());
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(accept(store.as_ref(), &new_job(owner)).id);
        fixture.clock().advance_ms(1_000);
    }
    let failed = processing(store.as_ref(), other);
    ended(
        store
            .fail(failed.id, 1, &Failure::new("no_device".into(), ""), None)
            .unwrap(),
    );
    let done = processing(store.as_ref(), other);
    ended(store.finish(done.id, 1, &completion(3)).unwrap());

    let found = |filter: JobFilter| -> Vec<JobId> {
        let page = store.list_jobs(&filter, &PageRequest::default()).unwrap();
        page.items.into_iter().map(|job| job.id).collect()
    };
    let newest_first: Vec<JobId> = ids.iter().rev().copied().collect();
    assert_eq!(
        found(JobFilter {
            account: Some(owner.0),
            ..Default::default()
        }),
        newest_first
    );
    assert_eq!(
        found(JobFilter {
            key: Some(owner.1),
            ..Default::default()
        }),
        newest_first
    );
    assert_eq!(
        found(JobFilter {
            status: Some(JobStatus::Completed),
            ..Default::default()
        }),
        [done.id]
    );
    assert_eq!(
        found(JobFilter {
            code: Some("no_device".into()),
            ..Default::default()
        }),
        [failed.id]
    );
    assert_eq!(
        found(JobFilter {
            account: Some(owner.0),
            status: Some(JobStatus::Failed),
            ..Default::default()
        }),
        []
    );
    let span = JobFilter {
        created_from_ms: Some(start_ms + 1_000),
        created_before_ms: Some(start_ms + 3_000),
        ..Default::default()
    };
    assert_eq!(found(span), [ids[2], ids[1]]);
    assert_eq!(found(JobFilter::default()).len(), 7);

    let filter = JobFilter {
        account: Some(owner.0),
        ..Default::default()
    };
    let first = store
        .list_jobs(
            &filter,
            &PageRequest {
                after: None,
                rows: 3,
            },
        )
        .unwrap();
    let second = store
        .list_jobs(
            &filter,
            &PageRequest {
                after: first.next,
                rows: 3,
            },
        )
        .unwrap();
    assert_eq!(
        (first.items.len(), second.items.len(), second.next),
        (3, 2, None)
    );
    assert_eq!(second.items[0].id, ids[1]);
}
