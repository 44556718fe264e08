use super::{
    ACTOR, Fixture, LEASE_MS, PRICE, WIDE, accept, balance, completion, ended, funded, kinds,
    new_job, processing, sound,
};
use crate::{
    Accept, CANDIDATES_MAX, Ended, Failure, FailureCode, JobId, JobStatus, KeptCandidate, KeyId,
    LedgerKind, NewKey, PageRequest, Reply, StoreError, StoredFile,
};

pub(super) fn charged_on_success_only(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10);
    let Accept::Accepted {
        job,
        balance: after,
    } = store.accept(&new_job(owner), &WIDE).unwrap()
    else {
        panic!("not accepted")
    };
    assert_eq!(
        (job.status, job.attempt, after),
        (JobStatus::Pending, 0, balance(7, 3))
    );
    let claimed = store.claim("worker", LEASE_MS).unwrap().unwrap();
    assert_eq!(
        (
            claimed.id,
            claimed.status,
            claimed.attempt,
            claimed.worker.as_deref()
        ),
        (job.id, JobStatus::Processing, 1, Some("worker"))
    );
    sound(store.as_ref());
    let (done, after) = ended(store.finish(job.id, 1, &completion(PRICE)).unwrap());
    assert_eq!((done.status, after), (JobStatus::Completed, balance(7, 0)));

    let failing = processing(store.as_ref(), owner);
    let (failed, after) = ended(
        store
            .fail(
                failing.id,
                1,
                &Failure::new("no_device".into(), "the device was lost"),
                None,
            )
            .unwrap(),
    );
    assert_eq!((failed.status, after), (JobStatus::Failed, balance(7, 0)));
    assert_eq!(
        failed.failure,
        Some(Failure::new("no_device".into(), "the device was lost"))
    );

    let waiting = accept(store.as_ref(), &new_job(owner));
    let (cancelled, after) = ended(
        store
            .cancel(
                Some(owner.0),
                waiting.id,
                &Failure::new(FailureCode::Cancelled, "by the client"),
            )
            .unwrap(),
    );
    assert_eq!(
        (cancelled.failure.unwrap().code, after),
        (FailureCode::Cancelled, balance(7, 0))
    );
    let free = crate::NewJob {
        price: 0,
        ..new_job(owner)
    };
    let free = accept(store.as_ref(), &free);
    store
        .claim_job(free.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    ended(store.finish(free.id, 1, &completion(0)).unwrap());

    use LedgerKind::{Release, Reserve, Settle, TopUp};
    assert_eq!(
        kinds(store.as_ref(), owner.0),
        [
            Settle, Reserve, Release, Reserve, Release, Reserve, Settle, Reserve, TopUp
        ]
    );
    let counts = store.job_counts().unwrap();
    assert_eq!(
        (
            counts.pending,
            counts.processing,
            counts.completed,
            counts.failed
        ),
        (0, 0, 2, 2)
    );
}

pub(super) fn part_of_a_hold(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10);
    let job = processing(store.as_ref(), owner);
    assert!(
        matches!(
            store.finish(job.id, 1, &completion(PRICE + 1)),
            Err(StoreError::Invalid { .. })
        ),
        "never more than the hold"
    );
    assert!(store.finish(job.id, 1, &completion(-1)).is_err());
    assert_eq!(store.balance(owner.0).unwrap(), balance(7, 3));
    let (job, after) = ended(store.finish(job.id, 1, &completion(1)).unwrap());
    assert_eq!(
        (job.result.unwrap().result.credits, after),
        (1, balance(9, 0))
    );
}

pub(super) fn late_workers(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10);
    let job = processing(store.as_ref(), owner);
    assert!(store.requeue(job.id, 1).unwrap());
    let again = store.claim("second", LEASE_MS).unwrap().unwrap();
    assert_eq!((again.id, again.attempt), (job.id, 2));
    let stale = Ended::Stale {
        status: JobStatus::Processing,
        attempt: 2,
    };
    assert_eq!(store.finish(job.id, 1, &completion(PRICE)).unwrap(), stale);
    assert_eq!(
        store
            .fail(job.id, 1, &Failure::new("late".into(), ""), None)
            .unwrap(),
        stale
    );
    assert!(!store.requeue(job.id, 1).unwrap());
    assert_eq!(store.claim_job(job.id, "third", LEASE_MS).unwrap(), None);
    ended(store.finish(job.id, 2, &completion(PRICE)).unwrap());

    let over = Ended::Stale {
        status: JobStatus::Completed,
        attempt: 2,
    };
    assert_eq!(
        store.finish(job.id, 2, &completion(PRICE)).unwrap(),
        over,
        "not charged twice"
    );
    assert_eq!(
        store
            .cancel(None, job.id, &Failure::new(FailureCode::Cancelled, ""))
            .unwrap(),
        over
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(7, 0));

    let cancelled = processing(store.as_ref(), owner);
    ended(
        store
            .cancel(
                None,
                cancelled.id,
                &Failure::new(FailureCode::Cancelled, ""),
            )
            .unwrap(),
    );
    assert_eq!(
        store.finish(cancelled.id, 1, &completion(PRICE)).unwrap(),
        Ended::Stale {
            status: JobStatus::Failed,
            attempt: 1
        },
        "a cancelled job is not charged"
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(7, 0));
}

pub(super) fn other_accounts(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10);
    let stranger = funded(store.as_ref(), 10);
    let job = accept(store.as_ref(), &new_job(owner));
    assert_eq!(
        store.job(Some(owner.0), job.id).unwrap().unwrap().id,
        job.id
    );
    assert_eq!(store.job(None, job.id).unwrap().unwrap().id, job.id);
    assert_eq!(store.job(Some(stranger.0), job.id).unwrap(), None);
    assert_eq!(store.job(None, JobId::random()).unwrap(), None);
    let failure = Failure::new(FailureCode::Cancelled, "");
    assert!(matches!(
        store.cancel(Some(stranger.0), job.id, &failure),
        Err(StoreError::UnknownJob { .. })
    ));
    assert_eq!(store.balance(owner.0).unwrap(), balance(7, 3));
    assert!(
        store
            .accept(&new_job((owner.0, stranger.1)), &WIDE)
            .is_err(),
        "a key of another account pays nothing"
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(7, 3));
}

pub(super) fn refusals_change_nothing(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), PRICE - 1);
    let new = new_job(owner);
    let refused = Accept::InsufficientCredits {
        available: PRICE - 1,
        price: PRICE,
    };
    assert_eq!(store.accept(&new, &WIDE).unwrap(), refused);
    assert_eq!(store.job(None, new.id).unwrap(), None);
    assert_eq!(kinds(store.as_ref(), owner.0), [LedgerKind::TopUp]);
    store.top_up(owner.0, PRICE + 1, ACTOR, "").unwrap();
    accept(store.as_ref(), &new);
    assert!(
        store.accept(&new, &WIDE).is_err(),
        "an identifier is used once"
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(PRICE, PRICE));

    let bad = store
        .record_failed(
            &new_job(owner),
            &Failure::new("mask_size".into(), "the mask has another size"),
        )
        .unwrap();
    assert_eq!(
        (bad.status, bad.failure.unwrap().code.as_str()),
        (JobStatus::Failed, "mask_size")
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(PRICE, PRICE));
    assert_eq!(
        kinds(store.as_ref(), owner.0),
        [LedgerKind::Reserve, LedgerKind::TopUp, LedgerKind::TopUp]
    );
}

pub(super) fn wrong_arguments(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let refused = |change: &dyn Fn(&mut crate::NewJob)| {
        let mut new = new_job(owner);
        change(&mut new);
        assert!(
            matches!(store.accept(&new, &WIDE), Err(StoreError::Invalid { .. })),
            "{new:?}"
        );
    };
    refused(&|new| new.price = -1);
    refused(&|new| new.price = i64::MAX);
    refused(&|new| new.service = String::new());
    refused(&|new| new.pipeline = "x".repeat(65));
    refused(&|new| new.input_filename = Some("x".repeat(256)));
    refused(&|new| new.request = serde_json::Value::String("x".repeat(70_000)));
    let unknown = crate::NewJob {
        key: Some(KeyId(9_999)),
        ..new_job(owner)
    };
    assert!(matches!(
        store.accept(&unknown, &WIDE),
        Err(StoreError::UnknownKey { .. })
    ));
    assert!(matches!(
        store.fail(JobId::random(), 1, &Failure::new("x".into(), ""), None),
        Err(StoreError::UnknownJob { .. })
    ));

    let job = processing(store.as_ref(), owner);
    let spoil = |change: &dyn Fn(&mut crate::Completion)| {
        let mut done = completion(PRICE);
        change(&mut done);
        assert!(
            matches!(
                store.finish(job.id, 1, &done),
                Err(StoreError::Invalid { .. })
            ),
            "{done:?}"
        );
    };
    spoil(&|done| done.keep_ms = -1);
    spoil(&|done| done.result.processing_ms = f64::NAN);
    spoil(&|done| done.result.output.bytes = 0);
    spoil(&|done| done.result.output.bytes = u64::MAX);
    spoil(&|done| done.result.timings = serde_json::Value::String("x".repeat(70_000)));
    spoil(&|done| {
        done.reply = Some(Reply {
            status: 99,
            body: Vec::new(),
        })
    });
    spoil(&|done| {
        done.reply = Some(Reply {
            status: 200,
            body: vec![0; crate::REPLY_BYTES_MAX + 1],
        })
    });
    let failure = Failure::new("".into(), "x".repeat(5_000));
    let (failed, _) = ended(store.fail(job.id, 1, &failure, None).unwrap());
    assert_eq!(
        failed.failure.unwrap().code.as_str(),
        "failed",
        "a job can always fail"
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(100, 0));
    assert!(
        store
            .create_key(&NewKey::named(owner.0, ""), ACTOR)
            .is_err()
    );
    assert!(store.create_account("", ACTOR).is_err());
    assert_eq!(
        store
            .list_jobs(&Default::default(), &PageRequest::default())
            .unwrap()
            .items
            .len(),
        1
    );
}

pub(super) fn round_trip(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10);
    let new = crate::NewJob {
        input_filename: Some("caf\u{e9} \u{1F4F7}'; --.jpg".into()),
        key: None,
        ..new_job(owner)
    };
    let job = accept(store.as_ref(), &new);
    assert_eq!(
        (job.key, job.input_filename.as_ref(), &job.request),
        (None, new.input_filename.as_ref(), &new.request)
    );
    store
        .claim_job(job.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    let mut done = completion(PRICE);
    let mask = StoredFile {
        name: "m.png".into(),
        sha256: [255; 32],
        bytes: 1 << 40,
        media_type: "image/png".into(),
    };
    done.result.mask = Some(mask.clone());
    let candidate = |name: &str, chosen, file: &StoredFile| KeptCandidate {
        name: name.into(),
        chosen,
        score: (!chosen).then_some(-3.25),
        file: file.clone(),
    };
    let other = StoredFile {
        name: "other.jpg".into(),
        ..mask
    };
    done.result.candidates = vec![
        candidate("network", true, &done.result.output),
        candidate("patches", false, &other),
    ];
    let mut many = done.clone();
    many.result.candidates = vec![candidate("one", false, &other); CANDIDATES_MAX + 1];
    assert!(matches!(
        store.finish(job.id, 1, &many),
        Err(StoreError::Invalid { .. })
    ));
    let (job, _) = ended(store.finish(job.id, 1, &done).unwrap());
    let kept = job.result.clone().unwrap();
    assert_eq!(kept.result, done.result);
    let now_ms = crate::Clock::now_ms(fixture.clock());
    assert_eq!(
        (kept.expires_at_ms, kept.swept_at_ms),
        (now_ms + done.keep_ms, None)
    );
    assert!(
        job.owns_file("m.png")
            && job.owns_file(&done.result.output.name)
            && job.owns_file("other.jpg")
            && !job.owns_file("other.png")
    );
    drop(store);
    fixture.crash();
    assert_eq!(fixture.store().job(None, job.id).unwrap(), Some(job));
}
