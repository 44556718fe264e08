use super::idempotency::wish;
use super::leases::report;
use super::{Fixture, LEASE_MS, PRICE, WIDE, accept, balance, completion, ended, funded, new_job};
use crate::{
    Accept, AccountId, BatchId, BatchSlot, BatchStart, Failure, Idempotency, JobFilter, JobStatus,
    KeyId, NewBatch, NewJob, PageRequest, Reply, StoreError,
};

pub(super) fn new_batch(
    owner: (AccountId, KeyId),
    pairs: u32,
    idempotency: Option<Idempotency>,
) -> NewBatch {
    NewBatch {
        id: BatchId::random(),
        account: owner.0,
        key: Some(owner.1),
        pairs,
        asynchronous: false,
        origin: "worker".into(),
        idempotency,
    }
}

fn pair(owner: (AccountId, KeyId), batch: BatchId, index: u32) -> NewJob {
    NewJob {
        batch: Some(BatchSlot { batch, index }),
        ..new_job(owner)
    }
}

pub(super) fn batch(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), PRICE);
    let stranger = funded(store.as_ref(), 100);
    let new = new_batch(owner, 3, None);
    let BatchStart::Started(started) = store.start_batch(&new).unwrap() else {
        panic!("not started")
    };
    assert_eq!(
        (started.id, started.pairs, started.answered_at_ms),
        (new.id, 3, None)
    );

    let first = accept(store.as_ref(), &pair(owner, new.id, 0));
    assert!(
        store.accept(&pair(owner, new.id, 0), &WIDE).is_err(),
        "a slot is filled once"
    );
    assert!(
        store.accept(&pair(owner, new.id, 3), &WIDE).is_err(),
        "there is no fourth slot"
    );
    assert!(
        store.accept(&pair(stranger, new.id, 1), &WIDE).is_err(),
        "a batch belongs to one account"
    );
    assert!(matches!(
        store.accept(&pair(owner, BatchId::random(), 0), &WIDE),
        Err(StoreError::UnknownBatch { .. })
    ));
    assert!(matches!(
        store.accept(&pair(owner, new.id, 2), &WIDE).unwrap(),
        Accept::InsufficientCredits { .. }
    ));
    store
        .record_failed(
            &pair(owner, new.id, 2),
            &Failure::new("insufficient_credits".into(), "Insufficient credits"),
        )
        .unwrap();
    store
        .record_failed(
            &pair(owner, new.id, 1),
            &Failure::new("mask_size".into(), "the mask has another size"),
        )
        .unwrap();
    store
        .claim_job(first.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    ended(store.finish(first.id, 1, &completion(PRICE)).unwrap());
    store.answer_batch(new.id, None).unwrap();

    let jobs = store.batch_jobs(new.id).unwrap();
    let statuses: Vec<_> = jobs
        .iter()
        .map(|job| (job.batch.unwrap().index, job.status))
        .collect();
    assert_eq!(
        statuses,
        [
            (0, JobStatus::Completed),
            (1, JobStatus::Failed),
            (2, JobStatus::Failed)
        ]
    );
    let filter = JobFilter {
        batch: Some(new.id),
        ..Default::default()
    };
    assert_eq!(
        store
            .list_jobs(&filter, &PageRequest::default())
            .unwrap()
            .items
            .len(),
        3
    );
    assert!(
        store
            .batch(Some(owner.0), new.id)
            .unwrap()
            .unwrap()
            .answered_at_ms
            .is_some()
    );
    assert_eq!(store.batch(Some(stranger.0), new.id).unwrap(), None);
    assert_eq!(store.batch(None, BatchId::random()).unwrap(), None);
    assert_eq!(store.balance(owner.0).unwrap(), balance(0, 0));
    for pairs in [0, u32::MAX] {
        assert!(store.start_batch(&new_batch(owner, pairs, None)).is_err());
    }
}

pub(super) fn resumed(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    store.report_worker(&report("worker"), LEASE_MS).unwrap();
    let new = new_batch(owner, 2, Some(wish(owner.1, "batch", 1)));
    assert!(matches!(
        store.start_batch(&new).unwrap(),
        BatchStart::Started(_)
    ));
    let again = NewBatch {
        id: BatchId::random(),
        ..new.clone()
    };
    assert_eq!(
        store.start_batch(&again).unwrap(),
        BatchStart::InFlight(new.id)
    );
    let other = NewBatch {
        idempotency: Some(wish(owner.1, "batch", 2)),
        ..again.clone()
    };
    assert_eq!(store.start_batch(&other).unwrap(), BatchStart::KeyReused);
    let single = NewJob {
        idempotency: Some(wish(owner.1, "batch", 1)),
        ..new_job(owner)
    };
    assert_eq!(store.accept(&single, &WIDE).unwrap(), Accept::KeyReused);

    let done = accept(store.as_ref(), &pair(owner, new.id, 0));
    store
        .claim_job(done.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    ended(store.finish(done.id, 1, &completion(PRICE)).unwrap());
    let lost = accept(store.as_ref(), &pair(owner, new.id, 1));
    drop(store);
    fixture.crash();
    let store = fixture.store();
    let recovered = store.recover("worker", 3).unwrap();
    assert_eq!((recovered.failed, recovered.batches), (vec![lost.id], 1));
    store.report_worker(&report("worker"), LEASE_MS).unwrap();

    let BatchStart::Resumed(batch) = store.start_batch(&again).unwrap() else {
        panic!("not resumed")
    };
    assert_eq!(batch.id, new.id);
    assert_eq!(
        store.start_batch(&again).unwrap(),
        BatchStart::InFlight(new.id)
    );
    assert!(
        store.accept(&pair(owner, new.id, 0), &WIDE).is_err(),
        "the finished pair is not run again"
    );
    let second = accept(store.as_ref(), &pair(owner, new.id, 1));
    store
        .claim_job(second.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    ended(store.finish(second.id, 1, &completion(PRICE)).unwrap());
    let ids: Vec<_> = store
        .batch_jobs(new.id)
        .unwrap()
        .into_iter()
        .map(|job| job.id)
        .collect();
    assert_eq!(ids, [done.id, second.id]);
    let reply = Reply {
        status: 200,
        body: b"{}".to_vec(),
    };
    store.answer_batch(new.id, Some(&reply)).unwrap();
    assert_eq!(
        store.start_batch(&again).unwrap(),
        BatchStart::Replay(reply)
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - 2 * PRICE, 0));

    let cut = new_batch(owner, 1, Some(wish(owner.1, "cut", 1)));
    assert!(matches!(
        store.start_batch(&cut).unwrap(),
        BatchStart::Started(_)
    ));
    store.interrupt_batch(cut.id).unwrap();
    assert!(matches!(
        store.start_batch(&cut).unwrap(),
        BatchStart::Resumed(_)
    ));
    store.answer_batch(cut.id, None).unwrap();
    assert!(matches!(
        store.start_batch(&cut).unwrap(),
        BatchStart::Done(_)
    ));
}

pub(super) fn discarded(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 0);
    let new = new_batch(owner, 2, Some(wish(owner.1, "batch", 1)));
    assert!(matches!(
        store.start_batch(&new).unwrap(),
        BatchStart::Started(_)
    ));
    assert!(matches!(
        store.accept(&pair(owner, new.id, 0), &WIDE).unwrap(),
        Accept::InsufficientCredits { .. }
    ));
    assert!(store.discard_batch(new.id).unwrap());
    assert_eq!(store.batch(None, new.id).unwrap(), None);
    assert!(
        matches!(store.start_batch(&new).unwrap(), BatchStart::Started(_)),
        "the key is free again"
    );
    store
        .record_failed(&pair(owner, new.id, 0), &Failure::new("x".into(), ""))
        .unwrap();
    assert!(
        !store.discard_batch(new.id).unwrap(),
        "a batch with jobs stays"
    );
}
