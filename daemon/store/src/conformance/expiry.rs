use super::{
    Fixture, LEASE_MS, PRICE, accept, balance, completion, ended, funded, new_job, processing,
};
use crate::{
    Completion, Ended, Failure, FailureCode, JobStatus, KeptCandidate, NewJob, StoreError,
    StoredFile,
};

pub(super) fn results(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let mut names = Vec::new();
    for keep_ms in [1_000, 2_000] {
        let job = processing(store.as_ref(), owner);
        let mut done = Completion {
            keep_ms,
            ..completion(PRICE)
        };
        let output = done.result.output.clone();
        done.result.mask = Some(StoredFile {
            name: format!("mask-{keep_ms}.png"),
            ..output.clone()
        });
        let candidate = |name: &str, file| KeptCandidate {
            name: name.into(),
            chosen: false,
            score: None,
            file,
        };
        let other = StoredFile {
            name: format!("other-{keep_ms}.png"),
            ..output.clone()
        };
        done.result.candidates = vec![candidate("a", output), candidate("b", other)];
        ended(store.finish(job.id, 1, &done).unwrap());
        names.push((
            job.id,
            vec![
                done.result.output.name,
                format!("mask-{keep_ms}.png"),
                format!("other-{keep_ms}.png"),
            ],
        ));
    }
    let expired = || -> Vec<_> {
        store
            .expired_results(100)
            .unwrap()
            .into_iter()
            .map(|found| (found.job, found.files))
            .collect()
    };
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
    assert_eq!(
        store.job(None, *first).unwrap().unwrap(),
        job,
        "marking again changes nothing"
    );
    assert_eq!(expired(), names[1..]);
    let pending = accept(store.as_ref(), &new_job(owner));
    assert!(matches!(
        store.mark_swept(pending.id),
        Err(StoreError::Invalid { .. })
    ));
}

pub(super) fn details(fixture: &mut dyn Fixture) {
    const KEEP_MS: i64 = 1_000_000;
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let new = || NewJob {
        input_filename: Some("private.jpg".into()),
        request: serde_json::json!({ "webhook": { "url": "https://example.com/x" }, "points": [1] }),
        ..new_job(owner)
    };
    let done = accept(store.as_ref(), &new());
    store
        .claim_job(done.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    ended(
        store
            .finish(
                done.id,
                1,
                &Completion {
                    keep_ms: 10,
                    ..completion(PRICE)
                },
            )
            .unwrap(),
    );
    let failed = accept(store.as_ref(), &new());
    store
        .claim_job(failed.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    let timings = serde_json::json!({ "stages": [{ "stage": "decode", "ms": 1.5 }] });
    ended(
        store
            .fail(
                failed.id,
                1,
                &Failure {
                    timings: timings.clone(),
                    ..Failure::new("x".into(), "y")
                },
                None,
            )
            .unwrap(),
    );
    assert_eq!(
        store
            .job(None, failed.id)
            .unwrap()
            .unwrap()
            .failure
            .unwrap()
            .timings,
        timings,
        "a failed job tells what it took"
    );
    let open = accept(store.as_ref(), &new());
    let before = store.balance(owner.0).unwrap();

    fixture.clock().advance_ms(KEEP_MS);
    assert_eq!(store.forget_details(KEEP_MS, 100).unwrap(), 0);
    fixture.clock().advance_ms(1);
    assert_eq!(
        store.forget_details(KEEP_MS, 100).unwrap(),
        1,
        "files that are not swept are still somebody's result"
    );
    store.mark_swept(done.id).unwrap();
    assert_eq!(store.forget_details(KEEP_MS, 100).unwrap(), 1);
    assert_eq!(store.forget_details(KEEP_MS, 100).unwrap(), 0, "once");
    for (id, was) in [(done.id, &done), (failed.id, &failed)] {
        let job = store.job(None, id).unwrap().unwrap();
        assert_eq!(
            (job.request, job.input_filename),
            (serde_json::json!({}), None)
        );
        assert_eq!(
            (job.price, job.created_at_ms),
            (was.price, was.created_at_ms)
        );
        assert_eq!(store.webhook(id).unwrap(), None);
    }
    let job = store.job(None, done.id).unwrap().unwrap();
    assert_eq!(job.result.unwrap().result.credits, PRICE);
    assert_eq!(store.job(None, open.id).unwrap().unwrap(), open);
    assert_eq!(store.balance(owner.0).unwrap(), before);
}

pub(super) fn holds(fixture: &mut dyn Fixture) {
    const LIMIT_MS: i64 = 15 * 60 * 1_000;
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let waiting = accept(store.as_ref(), &new_job(owner));
    let silent = processing(store.as_ref(), owner);
    fixture.clock().advance_ms(LIMIT_MS);
    let busy = processing(store.as_ref(), owner);
    assert_eq!(store.expire_holds("worker", LIMIT_MS).unwrap(), []);
    for hours in [10 * 365 * 24, -20 * 365 * 24, 10 * 365 * 24] {
        fixture.clock().jump_ms(hours * 60 * 60 * 1_000);
        assert_eq!(
            store.expire_holds("worker", LIMIT_MS).unwrap(),
            [],
            "a clock that is set ends no job"
        );
    }
    fixture.clock().advance_ms(1);
    assert_eq!(store.expire_holds("worker", LIMIT_MS).unwrap(), [silent.id]);
    assert_eq!(
        store
            .job(None, silent.id)
            .unwrap()
            .unwrap()
            .failure
            .unwrap()
            .code,
        FailureCode::TimedOut
    );
    let late = store.finish(silent.id, 1, &completion(PRICE)).unwrap();
    assert_eq!(
        late,
        Ended::Stale {
            status: JobStatus::Failed,
            attempt: 1
        }
    );
    assert_eq!(
        store.balance(owner.0).unwrap(),
        balance(100 - 2 * PRICE, 2 * PRICE)
    );
    for job in [waiting.id, busy.id] {
        assert!(!store.job(None, job).unwrap().unwrap().status.is_final());
    }
}
