use super::{Fixture, PRICE, accept, balance, completion, ended, funded, new_job, processing};
use crate::{CODE_TIMED_OUT, Completion, Ended, JobStatus, StoreError, StoredFile};

pub(super) fn results(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let mut names = Vec::new();
    for keep_ms in [1_000, 2_000] {
        let job = processing(store.as_ref(), owner);
        let mut done = Completion { keep_ms, ..completion(PRICE) };
        let output = done.result.output.clone();
        done.result.mask = Some(StoredFile { name: format!("mask-{keep_ms}.png"), ..output });
        ended(store.finish(job.id, 1, &done).unwrap());
        names.push((job.id, vec![done.result.output.name, format!("mask-{keep_ms}.png")]));
    }
    let expired = || -> Vec<_> { store.expired_results(100).unwrap().into_iter().map(|found| (found.job, found.files)).collect() };
    assert_eq!(expired(), []);
    fixture.clock().advance_ms(1_000);
    assert_eq!(expired(), names[..1]);
    fixture.clock().advance_ms(1_000);
    assert_eq!(expired(), names);
    assert_eq!(store.expired_results(1).unwrap().len(), 1);

    let (first, files) = &names[0];
    store.mark_swept(*first).unwrap();
    let job = store.job(None, *first).unwrap().unwrap();
    assert!(job.result.as_ref().unwrap().swept_at_ms.is_some());
    assert!(!job.owns_file(&files[0]), "an orphan from now on");
    fixture.clock().advance_ms(1_000);
    store.mark_swept(*first).unwrap();
    assert_eq!(store.job(None, *first).unwrap().unwrap(), job, "marking again changes nothing");
    assert_eq!(expired(), names[1..]);
    let pending = accept(store.as_ref(), &new_job(owner));
    assert!(matches!(store.mark_swept(pending.id), Err(StoreError::Invalid { .. })));
}

pub(super) fn holds(fixture: &mut dyn Fixture) {
    const LIMIT_MS: i64 = 15 * 60 * 1_000;
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let waiting = accept(store.as_ref(), &new_job(owner));
    let silent = processing(store.as_ref(), owner);
    fixture.clock().advance_ms(LIMIT_MS);
    let busy = processing(store.as_ref(), owner);
    assert_eq!(store.expire_holds(LIMIT_MS).unwrap(), []);
    fixture.clock().advance_ms(1);
    assert_eq!(store.expire_holds(LIMIT_MS).unwrap(), [silent.id]);
    assert_eq!(store.job(None, silent.id).unwrap().unwrap().failure.unwrap().code, CODE_TIMED_OUT);
    let late = store.finish(silent.id, 1, &completion(PRICE)).unwrap();
    assert_eq!(late, Ended::Stale { status: JobStatus::Failed, attempt: 1 });
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - 2 * PRICE, 2 * PRICE));
    for job in [waiting.id, busy.id] {
        assert!(!store.job(None, job).unwrap().unwrap().status.is_final());
    }
}
